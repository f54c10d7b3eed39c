"""The four rules for equal cells, with masks or without, against loops that list all of them."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import FLOATS, is_float, same_bits
from kind_cases import cases, close, integers
from test_kind_masks import EXTREMES, check_winners, first_empty, mask_for

import ndpool

each_extreme = pytest.mark.parametrize(("pool", "backward", "lowest"), EXTREMES, ids=["max", "min"])


def tied_cases(count=400):
    """(case, its sums, words): half of them with a mask, none with a window without an answer."""
    for case, sums in cases()[:count]:
        words = dict(case.words)
        if case.seed % 2:
            words["where"] = mask_for(case)
            sums = oracle.without(sums, np.broadcast_to(words["where"], case.x.shape))
        if first_empty(sums) is None or is_float(case.x.dtype):
            yield case, sums, words


@each_extreme
def test_the_last_wins(pool, backward, lowest, engine):
    for case, sums, words in tied_cases():
        x, words = case.x, {**words, "ties": "last", "engine": engine}
        winners = [best[-1] if best else None for best in oracle.equal_winners(x, sums, lowest)]
        y, at = pool(x, **words, return_indices="tensor")
        check_winners(x, y, at, winners, sums)
        assert same_bits(pool(x, **words), y), case
        dy = np.random.default_rng(case.seed).integers(-3, 4, y.shape)
        there = np.array([winner is not None for winner in winners]).reshape(y.shape)
        exact = oracle.max_pool_backward(
            np.where(there, dy, 0), [winner or 0 for winner in winners], x.shape
        )
        form = random.Random(case.seed).choice(["window", "plane"])
        y, at = pool(x, **words, return_indices=form)
        assert same_bits(backward(dy, at, x.shape, **words, index_form=form), exact), case


@each_extreme
@pytest.mark.parametrize("ties", ["split", "all"])
def test_all_equal_cells_get_the_gradient(pool, backward, lowest, ties):
    for case, sums, words in tied_cases():
        x = case.x
        y, at = pool(x, **words, ties=ties, return_indices=True)
        plain = pool(x, **words, return_indices=True)
        assert same_bits(y, plain[0])
        assert same_bits(at, plain[1])
        dy = integers(case, y.shape)
        dx = backward(dy, at, x.shape, **words, ties=ties, x=x)

        exact = [Fraction(0)] * x.size
        equal = oracle.equal_winners(x, sums, lowest)
        for best, part in zip(equal, dy.astype(int).reshape(-1).tolist(), strict=True):
            for at_ in best:
                exact[at_] += Fraction(part, len(best) if ties == "split" else 1)
        exact = np.array(exact, object).reshape(x.shape)
        if is_float(dy.dtype) or ties == "split":
            assert dx.dtype == (dy.dtype if is_float(dy.dtype) else np.float64)
            assert close(dx, exact), case
        else:
            assert same_bits(dx, exact.astype(np.int64).astype(dy.dtype)), case
        if dx.dtype == np.float64 and ties == "split":
            left = sum(
                part for best, part in zip(equal, dy.astype(int).reshape(-1).tolist(), strict=True)
                if best
            )  # fmt: skip
            assert np.isclose(dx.sum(), left, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nans_tie_with_nans_and_zeros_with_zeros(dtype):
    x = np.array([[0.0, -0.0, -1.0, np.nan, 1.0, np.nan]]).astype(dtype)
    layer = ndpool.MaxPool((3,), ties="split")
    layer(x)
    dx = layer.backward(np.array([[8.0, 6.0]]).astype(dtype))
    assert dx.tolist() == [[4, 4, 0, 3, 0, 3]]
    last = ndpool.MaxPool((3,), ties="last")
    y = last(x)
    assert np.signbit(y[0, 0])
    assert last.indices.tolist() == [[1, 2]]


def test_neighbours_that_floats_cannot_tell_apart_do_not_tie():
    x = np.array([[2**63 - 1, 2**63 - 2, -(2**63), 2**63 - 1]])
    layer = ndpool.MaxPool((4,), ties="all")
    layer(x)
    assert layer.backward(np.array([[2**60 + 1]])).tolist() == [[2**60 + 1, 0, 0, 2**60 + 1]]


def test_an_infinite_gradient_goes_to_the_winners_alone():
    x = np.array([[1.0, 2.0, 2.0]])
    for ties in ("split", "all"):
        at = ndpool.max_pool(x, (3,), return_indices=True)[1]
        dx = ndpool.max_pool_backward(np.full((1, 1), np.inf), at, x.shape, (3,), ties=ties, x=x)
        assert dx.tolist() == [[0, np.inf, np.inf]]


@pytest.mark.parametrize("ties", ["first", "last", "split", "all"])
def test_layers(ties):
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 6, 7)).astype(np.float32)
    for name in ("MaxPool", "MinPool", "GlobalMaxPool", "GlobalMinPool"):
        layer = getattr(ndpool, name)(*(() if "Global" in name else (3,)), ties=ties)
        y = layer(x)
        dx = layer.backward(np.ones_like(y))
        if ties != "all":
            assert np.isclose(dx.sum(), y.size, rtol=1e-6)
        if ties in ("split", "all"):
            assert layer.words["x"] is x
        else:
            assert "x" not in layer.words
            assert layer.saved[0].dtype == np.uint8


@pytest.mark.parametrize("ties", ["split", "all"])
def test_backward_needs_x(ties):
    x = np.ones((4, 4))
    y, at = ndpool.max_pool(x, 2, return_indices=True)
    with pytest.raises(ndpool.PoolError, match=r"^x: expected an array, .* got None; pass the "):
        ndpool.max_pool_backward(y, at, x.shape, 2, ties=ties)
    with pytest.raises(ndpool.PoolError, match=r"^x: expected shape \(4, 4\), got shape \(4, 5\)"):
        ndpool.max_pool_backward(y, at, x.shape, 2, ties=ties, x=np.ones((4, 5)))
    with pytest.raises(TypeError, match=r"^x: expected dtype "):
        ndpool.max_pool_backward(y, at, x.shape, 2, ties=ties, x=x.astype(complex))


def test_any_object_of_the_word_is_the_word():
    """Words are compared by `is` first: a string made at run time is another object."""
    x = np.array([[1, 1]])
    for ties, expected in (("".join(["fir", "st"]), 0), ("".join(["la", "st"]), 1)):
        assert ndpool.max_pool(x, (2,), ties=ties, return_indices=True)[1].tolist() == [[expected]]


def test_split_is_what_torch_amax_does():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for seed in range(20):
        x = np.random.default_rng(seed).integers(0, 3, (2, 3, 4, 5)).astype(np.float64)
        theirs = torch.from_numpy(x).requires_grad_()
        theirs.amax(dim=(2, 3)).sum().backward()
        layer = ndpool.GlobalMaxPool(ties="split")
        dx = layer.backward(np.ones_like(layer(x)))
        assert np.allclose(dx, theirs.grad.numpy(), rtol=1e-15, atol=0)
