"""Gather and scatter by winners: the oracle's positions, and each other's adjoints."""

import random

import numpy as np
import oracle
import pytest
from cases import LAYOUTS, laid_out, same_bits, values
from kind_cases import cases
from test_bad_input import GEOMETRY, NO_ARRAYS, refusal

import ndpool

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
Y, INDICES = ndpool.max_pool(X, 3, stride=2, padding=1, return_indices=True)


def test_random_cases_equal_the_oracle():
    for case, _ in cases():
        rng = random.Random(case.seed)
        form = rng.choice(["window", "plane", "tensor"])
        at = ndpool.max_pool(case.x, **case.words, return_indices=form)[1]
        x = values(np.random.default_rng(case.seed), "nan", case.x.shape, case.x.dtype)
        x = laid_out(x, rng.choice([layout for layout in LAYOUTS if layout != "broadcast"]), rng)
        before = x.tobytes(), at.tobytes()
        y = ndpool.gather_winners(x, at, **case.words, index_form=form)
        assert same_bits(y, x.reshape(-1)[case.expected.cells].reshape(at.shape)), case
        dy = np.random.default_rng(case.seed).integers(-4, 5, at.shape)
        dx = ndpool.scatter_winners(dy, at, x.shape, **case.words, index_form=form)
        assert same_bits(dx, oracle.max_pool_backward(dy, case.expected.cells, x.shape)), case
        assert (x.tobytes(), at.tobytes()) == before


def test_they_are_adjoint():
    for case, _ in cases():
        rng = np.random.default_rng(case.seed)
        at = ndpool.max_pool(case.x, **case.words, return_indices=True)[1]
        x, dy = rng.integers(-9, 10, case.x.shape), rng.integers(-9, 10, at.shape)
        y = ndpool.gather_winners(x, at, **case.words)
        dx = ndpool.scatter_winners(dy, at, x.shape, **case.words)
        assert (y * dy).sum() == (x * dx).sum(), case
        assert dx.sum() == dy.sum(), case


def test_winners_of_what_was_pooled_are_its_output():
    for pool in (ndpool.max_pool, ndpool.min_pool):
        y, at = pool(X, 3, stride=2, padding=1, return_indices=True)
        assert same_bits(ndpool.gather_winners(X, at, 3, stride=2, padding=1), y)


def test_empty_batch():
    x = np.zeros((0, 2, 5, 5), np.float32)
    for size in (3, 5):
        at = ndpool.max_pool(x, size, return_indices=True)[1]
        y = ndpool.gather_winners(x, at, size)
        assert y.shape == (0, 2, 1, 1)
        assert ndpool.scatter_winners(y, at, x.shape, size).shape == x.shape


def gather(x=X, indices=INDICES, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.gather_winners(x, indices, kernel_size, stride=stride, padding=padding, **words)


def scatter(dy=Y, indices=INDICES, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.scatter_winners(
        dy, indices, X.shape, kernel_size, stride=stride, padding=padding, **words
    )


@pytest.mark.parametrize("call", [gather, scatter])
def test_bad_input(call):
    for name, junks in GEOMETRY.items():
        for junk in junks:
            if name != "kernel_size" or not isinstance(junk, type(iter([]))):
                assert refusal(call, **{name: junk}).startswith(f"{name}: ")
    for junk in NO_ARRAYS:
        assert refusal(call, junk).startswith(("x: ", "dy: "))
    for junk in (INDICES[0], INDICES.astype(float), INDICES.astype("i8"), None, "text"):
        assert refusal(call, indices=junk).startswith("indices: ")
    for wrong in (9, 255, 0):  # no cell of a window, or one in the padding
        bad = INDICES.copy()
        bad[0, 0, 0, 0] = wrong
        assert f"{wrong} at (0, 0, 0, 0)" in refusal(call, indices=bad)
    assert refusal(call, index_form="flat").startswith("index_form: ")
    with pytest.raises(TypeError, match="strides"):
        call(strides=2)
