"""20,000 random poolings for each engine, each equal to the oracle in everything it returns.

NDPOOL_CASES makes them fewer, for runs that are slow by nature.
"""

import os
import random
from functools import lru_cache
from itertools import count
from math import prod

import numpy as np
import oracle
import pytest
from cases import (
    DTYPES,
    LAYOUTS,
    index_dtype,
    is_float,
    laid_out,
    random_case,
    same_bits,
    values,
)

import ndpool

CHUNKS = 40
CASES = int(os.environ.get("NDPOOL_CASES", 20_000)) // CHUNKS  # in each chunk


@lru_cache(maxsize=2)  # both engines get the same cases
def chunk_of_cases(chunk):
    """The first CASES possible ones of this chunk's seeds, and the impossible ones between."""
    possible, impossible = [], []
    for seed in count(chunk * 10_000):
        case = random_case(seed)
        (possible if case.is_possible else impossible).append(case)
        if len(possible) == CASES:
            return possible, impossible


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_cases_equal_the_oracle(chunk, engine):
    possible, impossible = chunk_of_cases(chunk)
    for case in possible:
        try:
            check_forward(case, engine)
            if engine == "numpy":
                check_positions(case)
            check_backward(case, engine)
        except Exception as error:
            error.add_note(f"in {case!r}")
            raise
    for case in impossible:
        with pytest.raises(ndpool.PoolError, match=r"^(padding|kernel_size): "):
            ndpool.max_pool(case.x, **case.words, engine=engine)


def check_forward(case, engine):
    x, expected, rng = case.x, case.expected, random.Random(case.seed)
    before = x.tobytes()
    y, indices = ndpool.max_pool(x, **case.words, return_indices=True, engine=engine)
    assert y.dtype == x.dtype
    assert same_bits(y, expected.y)
    assert indices.dtype == index_dtype(prod(case.kernel))
    assert np.array_equal(indices, expected.offsets)

    x_then, out = with_out(rng, x, expected.y.shape)
    y = ndpool.max_pool(x_then, **case.words, out=out, engine=engine)
    assert same_bits(y, expected.y)
    assert out is None or y is out
    assert x.tobytes() == before


def with_out(rng, x, shape):
    """An `x` and an array for its result, or None; it may lie in x's own memory."""
    kind = rng.choice([None, "new", "strided", "at x's start", "at x's end"])
    if kind is None:
        return x, None
    if kind == "strided":
        layout = rng.choice(["F", "transposed", "reversed", "gaps"])
        return x, laid_out(np.zeros(shape, x.dtype), layout, rng)
    size = prod(shape)
    if kind == "new" or size > x.size:
        return x, np.ones(shape, x.dtype)
    x = np.array(x, order="C")
    flat = x.reshape(-1)
    return x, (flat[:size] if kind == "at x's start" else flat[x.size - size :]).reshape(shape)


def check_positions(case):
    """No engine takes part in them, so that one is enough."""
    rng = random.Random(case.seed)
    forms = {
        "window": case.expected.offsets.astype(index_dtype(prod(case.kernel))),
        "plane": case.plane_cells,
        "tensor": case.tensor_cells,
    }
    form = rng.choice(["plane", "tensor"])
    positions = ndpool.max_pool(case.x, **case.words, return_indices=form, engine="numpy")[1]
    assert positions.dtype == np.int64
    assert np.array_equal(positions, forms[form])

    source, target = rng.choice(list(forms)), rng.choice(list(forms))
    given = laid_out(forms[source], rng.choice(["C", "F", "reversed", "read-only"]), rng)
    converted = ndpool.convert_indices(given, case.x.shape, **case.words, from_=source, to=target)
    assert converted.dtype == forms[target].dtype
    assert np.array_equal(converted, forms[target])
    assert not np.may_share_memory(converted, given)


def check_backward(case, engine):
    rng, array_rng = random.Random(case.seed), np.random.default_rng(case.seed)
    shape, expected = case.x.shape, case.expected
    dtype = case.x.dtype if rng.random() < 0.5 else rng.choice(DTYPES)
    forms = {
        "window": expected.offsets.astype(index_dtype(prod(case.kernel))),
        "plane": case.plane_cells,
        "tensor": case.tensor_cells,
    }
    form = rng.choice(["window", "window", "plane", "tensor"])
    indices = laid_out(forms[form], rng.choice(["C", "C", "F", "reversed", "read-only"]), rng)
    # small integers, whose sums are exact; then anything, whose sums depend on their order
    small = array_rng.integers(-2 if dtype.kind != "u" else 0, 3, expected.y.shape).astype(dtype)
    anything = values(array_rng, "random", expected.y.shape, dtype)
    for dy, is_exact in ((small, True), (anything, not is_float(dtype))):
        dy = laid_out(dy, rng.choice([layout for layout in LAYOUTS if layout != "broadcast"]), rng)
        before = dy.tobytes(), indices.tobytes()
        words = case.words | {"index_form": form, "engine": engine}
        dx = ndpool.max_pool_backward(dy, indices, shape, **words)
        assert dx.dtype == dtype
        assert same_bits(dx, oracle.max_pool_backward(dy, expected.cells, shape))
        assert (dy.tobytes(), indices.tobytes()) == before
        assert total(dx) == total(dy) or not is_exact


def total(gradient):
    """The sum, exact: in float64, modulo the integer's size, or whether there is a True."""
    if gradient.dtype.kind == "b":
        return bool(gradient.any())
    if is_float(gradient.dtype):
        return float(gradient.astype(np.float64).sum())
    return sum(gradient.reshape(-1).tolist()) % 2 ** (8 * gradient.dtype.itemsize)
