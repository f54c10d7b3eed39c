"""Global pooling is NumPy's own reduction with its axes kept."""

import numpy as np
import pytest
from cases import DTYPES, same_bits
from kind_cases import float_of
from test_bad_input import GEOMETRY, NO_ARRAYS

import ndpool

AXES = [None, 0, -1, (1, 2), (2, 0), (0, 1, 2, 3)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equal_to_numpy(dtype, axes):
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 5)).astype(dtype)
    over = (2, 3) if axes is None else axes
    before = x.tobytes()
    y = ndpool.global_max_pool(x, axes=axes)
    assert same_bits(y, x.max(axis=over, keepdims=True))
    mean = ndpool.global_avg_pool(x, axes=axes)
    assert mean.dtype == float_of(dtype)
    exact = x.astype(np.float64).mean(axis=over, keepdims=True)
    wide = np.float32 if mean.itemsize == 2 else mean.dtype
    assert same_bits(mean, exact.astype(wide).astype(mean.dtype))
    assert x.tobytes() == before


def test_indices_and_gradients():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    y, at = ndpool.global_max_pool(x, return_indices="plane")
    assert np.array_equal(at[..., 0, 0], x.reshape(2, 3, 20).argmax(axis=-1))
    dx = ndpool.max_pool_backward(y, at, x.shape, (4, 5), index_form="plane")
    assert np.array_equal(dx, np.where(x == y, x, 0))
    dx = ndpool.avg_pool_backward(np.full((2, 3, 1, 1), 20.0), x.shape, (4, 5))
    assert (dx == 1).all()


def test_nan_and_empty_batch():
    x = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert np.isnan(ndpool.global_max_pool(x)).all()
    assert np.isnan(ndpool.global_avg_pool(x)).all()
    for pool in (ndpool.global_max_pool, ndpool.global_avg_pool):
        assert pool(np.ones((0, 3, 4))).shape == (0, 1, 1)


@pytest.mark.parametrize("pool", [ndpool.global_max_pool, ndpool.global_avg_pool])
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
