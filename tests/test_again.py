"""A call that was made before takes a shorter way: it must mean and refuse the same."""

import numpy as np
import pytest
from cases import needs_native

import ndpool
from ndpool import engines
from ndpool.engines import native

pytestmark = needs_native
X = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def short_way(monkeypatch):
    """A list that gets what the short way gave, call by call."""
    given = []
    if engines._asked:
        pytest.skip("NDPOOL_ENGINE names an engine, so no call is remembered")
    for name in ("forward_again", "backward_again"):
        way = getattr(native, name)
        monkeypatch.setattr(native, name, lambda *a, way=way: given.append(way(*a)) or given[-1])
    return given


def test_the_second_call_takes_it(short_way):
    first = ndpool.max_pool(X, 2, stride=1, return_indices=True)
    second = ndpool.max_pool(X + 0, 2, stride=1, return_indices=True)
    assert short_way[-1] is second
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype and (a == b).all()
    dy = np.ones_like(first[0])
    gradients = [ndpool.max_pool_backward(dy, first[1], X.shape, 2, stride=1) for _ in range(2)]
    assert short_way[-1] is gradients[1]
    assert (gradients[0] == gradients[1]).all() and gradients[1].sum() == dy.sum()


@pytest.mark.parametrize("as_it_is", [2, (2, 2)])
@pytest.mark.parametrize(
    "other", [2.0, True, np.float32(2), (2.0, 2), (2, True), (True, 2), "2", None]
)
def test_equal_is_not_the_same(as_it_is, other):
    """2 == 2.0 == np.float32(2): yet only one of them is a kernel size, and True is no size."""
    for _ in range(2):
        ndpool.max_pool(X, as_it_is, stride=1)
        with pytest.raises(TypeError, match="kernel_size"):
            ndpool.max_pool(X, other, stride=1)


def test_what_differs_is_another_call(short_way):
    seen_nowhere_else = np.arange(4 * 5 * 7, dtype=np.float32).reshape(4, 5, 7)
    ndpool.max_pool(seen_nowhere_else, 2)
    calls = [
        lambda x: ndpool.max_pool(x, 2, stride=1),
        lambda x: ndpool.max_pool(x, 2, padding=1),
        lambda x: ndpool.max_pool(x, (2, 1)),
        lambda x: ndpool.max_pool(x, 2, axes=(0, 1)),
        lambda x: ndpool.max_pool(x, 2, ceil_mode=True),
        lambda x: ndpool.max_pool(x[:, :, :3], 2),
        lambda x: ndpool.max_pool(x.astype(np.float64), 2),
        lambda x: ndpool.max_pool(x.astype(">f4"), 2),
        lambda x: ndpool.max_pool(x.astype(np.int32), 2),
        lambda x: ndpool.max_pool(x[0], 2),
        lambda x: ndpool.max_pool(x.tolist(), 2),
        lambda x: ndpool.max_pool(x, 2, return_indices=True)[0],
    ]
    for call in calls:
        expected = call(seen_nowhere_else)
        assert short_way[-1] is None  # it was not known
        again = call(seen_nowhere_else)
        assert again.dtype == expected.dtype and (again == expected).all()


def test_strides_and_alignment_are_looked_at_each_time(short_way):
    expected = ndpool.max_pool(X, 2)
    for x in (X[::-1][::-1], np.asfortranarray(X), X.repeat(2, axis=2)[:, :, ::2]):
        assert (ndpool.max_pool(x, 2) == expected).all()
        assert short_way[-1] is not None
    shifted = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape)
    assert not shifted.flags.aligned
    assert (ndpool.max_pool(shifted, 2) == expected).all()


def test_subclasses_and_read_only_arrays():
    expected = ndpool.max_pool(X, 2)
    frozen = X.copy()
    frozen.setflags(write=False)
    for x in (frozen, X.view(np.memmap)):
        y = ndpool.max_pool(x, 2)
        assert type(y) is np.ndarray and (y == expected).all()
    with pytest.raises(TypeError, match="mask"):
        ndpool.max_pool(np.ma.array(X), 2)


def test_backward_refuses_as_before():
    y, indices = ndpool.max_pool(X, 2, return_indices=True)
    for _ in range(2):
        ndpool.max_pool_backward(y, indices, X.shape, 2)
        with pytest.raises(ndpool.PoolError, match="indices"):
            ndpool.max_pool_backward(y, indices + np.uint8(4), X.shape, 2)
        with pytest.raises(ndpool.PoolError, match="indices"):
            ndpool.max_pool_backward(y, indices[:1], X.shape, 2)
        with pytest.raises(ndpool.PoolError, match="dy"):
            ndpool.max_pool_backward(y[:1], indices, X.shape, 2)
        with pytest.raises(TypeError, match="x_shape"):
            ndpool.max_pool_backward(y, indices, (2.0, 3, 4), 2)
        with pytest.raises(TypeError, match="indices"):
            ndpool.max_pool_backward(y, indices.astype(np.float64), X.shape, 2)
    rows = ndpool.max_pool_backward(y, np.asfortranarray(indices), X.shape, 2)
    assert (rows == ndpool.max_pool_backward(y, indices, X.shape, 2)).all()
    assert rows.sum() == y.sum()


def test_more_calls_than_are_remembered():
    for n in range(2, 700):
        x = np.arange(float(n))
        y = ndpool.max_pool(x, (2,), stride=1)
        assert (y == x[1:]).all() and (ndpool.max_pool(x, (2,), stride=1) == y).all()


def test_the_number_of_threads_may_change():
    x = np.random.default_rng(0).random((8, 16, 64, 64), np.float32)
    before = native.num_threads()
    try:
        results = []
        for threads in (1, 4, 2):
            ndpool.set_num_threads(threads)
            results.append(ndpool.max_pool(x, 3, stride=2, padding=1))
    finally:
        ndpool.set_num_threads(before)
    assert all((result == results[0]).all() for result in results)
