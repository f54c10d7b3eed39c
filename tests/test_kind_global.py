"""Global pooling is NumPy's own reduction with its axes kept."""

import numpy as np
import pytest
from cases import DTYPES, same_bits
from kind_cases import float_of
from test_bad_input import GEOMETRY, NO_ARRAYS

import ndpool

POOLS = [
    ndpool.global_max_pool, ndpool.global_min_pool, ndpool.global_avg_pool, ndpool.global_sum_pool,
]  # fmt: skip
AXES = [None, 0, -1, (1, 2), (2, 0), (0, 1, 2, 3)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equal_to_numpy(dtype, axes):
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 5)).astype(dtype)
    over = (2, 3) if axes is None else axes
    before = x.tobytes()
    y = ndpool.global_max_pool(x, axes=axes)
    assert same_bits(y, x.max(axis=over, keepdims=True))
    assert same_bits(ndpool.global_min_pool(x, axes=axes), x.min(axis=over, keepdims=True))
    total = ndpool.global_sum_pool(x, axes=axes)
    assert same_bits(total, x.astype(np.int64).sum(axis=over, keepdims=True).astype(dtype))
    norm = ndpool.global_lp_pool(x, 1, axes=axes)
    assert same_bits(norm, x.astype(np.int64).sum(axis=over, keepdims=True).astype(norm.dtype))
    mean = ndpool.global_avg_pool(x, axes=axes)
    assert mean.dtype == float_of(dtype)
    exact = x.astype(np.float64).mean(axis=over, keepdims=True)
    wide = np.float32 if mean.itemsize == 2 else mean.dtype
    assert same_bits(mean, exact.astype(wide).astype(mean.dtype))
    assert x.tobytes() == before


@pytest.mark.parametrize("axes", AXES)
def test_indices_and_gradients(axes):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    over = (2, 3) if axes is None else axes
    for name, best in (("max", x.max(axis=over, keepdims=True)),
                       ("min", x.min(axis=over, keepdims=True))):  # fmt: skip
        pool, backward = (getattr(ndpool, f"global_{name}_pool{end}") for end in ("", "_backward"))
        for form in ("window", "plane", "tensor"):
            y, at = pool(x, axes=axes, return_indices=form)
            dx = backward(y, at, x.shape, axes=axes, index_form=form)
            assert np.array_equal(dx, np.where(x == best, x, 0))
        assert np.array_equal(x.reshape(-1)[at], best)
    many = x.size // best.size
    dx = ndpool.global_avg_pool_backward(np.full(best.shape, 1.0 * many), x.shape, axes=axes)
    assert (dx == 1).all()
    dx = ndpool.global_sum_pool_backward(best, x.shape, axes=axes)
    assert np.array_equal(dx, np.broadcast_to(best, x.shape))
    y = ndpool.global_lp_pool(x, 2, axes=axes)
    assert np.allclose(y, np.sqrt((x**2).sum(axis=over, keepdims=True)), rtol=1e-14)
    dx = ndpool.global_lp_pool_backward(y, x, y, 2, axes=axes)
    assert np.allclose(dx, x, rtol=1e-14)


def test_nan_and_empty_batch():
    x = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert np.isnan(ndpool.global_max_pool(x)).all()
    assert np.isnan(ndpool.global_avg_pool(x)).all()
    for pool in POOLS:
        assert pool(np.ones((0, 3, 4))).shape == (0, 1, 1)


@pytest.mark.parametrize("pool", POOLS)
def test_bad_input(pool):
    x = np.ones((1, 2, 5, 5))
    for value in GEOMETRY["axes"]:
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^axes: expected .+, got "):
            pool(x, axes=value)
    for junk in NO_ARRAYS:
        with pytest.raises(TypeError, match=r"^x: expected .+, got "):
            pool(junk)
    for small in (np.float32(1), np.ones(3), np.ones((3, 0))):
        with pytest.raises(ndpool.PoolError, match=r"^x: expected .+, got "):
            pool(small)
