"""Sum pooling against loops over Python's integers, for every dtype."""

import random

import numpy as np
import oracle
import pytest
from cases import LAYOUTS, is_float, laid_out, same_bits
from kind_cases import cases, close, integers

import ndpool


def in_dtype(exact, dtype):
    """Python's integers in this dtype: wrapped around, or whether there is any."""
    if dtype.kind == "b" or is_float(dtype):
        return exact.astype(np.int64).astype(dtype)
    bits = 8 * dtype.itemsize
    wrapped = [value % 2**bits for value in exact.reshape(-1).tolist()]
    unsigned = np.array(wrapped, np.uint64).astype(f"u{dtype.itemsize}")
    return unsigned.view(f"{dtype.kind}{dtype.itemsize}").astype(dtype).reshape(exact.shape)


def any_integers(case, shape):
    """Integers over the dtype's whole range; small ones for floats, whose sums are exact then."""
    dtype = case.x.dtype
    if dtype.kind not in "iu":
        return integers(case, shape)
    info = np.iinfo(dtype)
    rng = np.random.default_rng(case.seed)
    return rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), True).astype(dtype)


def test_random_cases_equal_the_oracle():
    for case, sums in cases():
        rng = random.Random(case.seed)
        layout = rng.choice([layout for layout in LAYOUTS if layout != "broadcast"])
        x = laid_out(any_integers(case, case.x.shape), layout, rng)
        before = x.tobytes()
        y = ndpool.sum_pool(x, **case.words)
        exact = oracle.fold(x, sums, lambda v, _: sum(map(int, v)))
        assert same_bits(y, in_dtype(exact, x.dtype)), case

        dy = laid_out(any_integers(case, y.shape), layout, rng)
        before_dy = dy.tobytes()
        dx = ndpool.sum_pool_backward(dy, x.shape, **case.words)
        whole = np.array([int(v) for v in dy.reshape(-1).tolist()], object).reshape(dy.shape)
        exact = oracle.fold_backward(x, whole, sums, lambda v, _: [1] * len(v))
        assert same_bits(dx, in_dtype(exact, x.dtype)), case
        assert (x.tobytes(), dy.tobytes()) == (before, before_dy)


@pytest.mark.parametrize("regime", ["nan", "infinite"])
def test_nan_and_infinities(regime):
    for case, sums in cases():
        if regime in case.about and case.x.dtype.char in "fd":
            y = ndpool.sum_pool(case.x, **case.words)
            assert close(y, oracle.fold(case.x, sums, lambda v, _: sum(v))), case


def test_it_is_adjoint():
    """(A x) . dy == x . (A^T dy), exactly where the numbers are."""
    for case, _ in cases():
        rng = np.random.default_rng(case.seed)
        x = rng.integers(-9, 10, case.x.shape)
        y = ndpool.sum_pool(x, **case.words)
        dy = rng.integers(-9, 10, y.shape)
        dx = ndpool.sum_pool_backward(dy, x.shape, **case.words)
        assert (y * dy).sum() == (x * dx).sum(), case
