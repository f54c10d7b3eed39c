"""Windows far larger than the input, or as large as it: right, and at once.

What is expected is computed here, window by window, from the rule of the contract: a window's
cells inside the input are those between two bounds.
"""

import signal
from contextlib import contextmanager
from itertools import product

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, DTYPES, same_bits, values

import ndpool
from ndpool.geometry import geometry

SECONDS = 10  # of CPU time, for calls that take some milliseconds; walking 2**31 taps takes hours


@contextmanager
def at_once():
    """TimeoutError for a loop in Python that goes on for SECONDS; no such timer on Windows."""

    def stop(*_):
        raise TimeoutError(f"still at work after {SECONDS} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


GEOMETRIES = {  # x's shape, kernel, stride, padding, more words
    "two windows 2**31 apart": (
        (2, 3, 4), (2**31, 1), (2**31 - 3, 1), ((2**31 - 5, 2**31 - 3), (0, 0)), {},
    ),
    "many windows, each of few cells inside": (
        (1, 7, 40), (2**40, 1), (2**39, 1), ((2**40 - 1, 2**40 - 1), (0, 0)), {},
    ),
    "every window ends inside": ((6, 5), (2**40,), 1, ((2**40 - 2, 0),), {}),
    "both axes huge": (
        (2, 4, 5), (2**29, 2**30), (2**28, 2**30 - 1),
        ((2**29 - 2, 2**29 - 1), (2**30 - 3, 2**30)), {},
    ),
    "huge dilation, two taps": (
        (2, 6), (2,), 1, ((2**40 - 3, 0),), {"dilation": 2**40 - 2},
    ),
    "huge dilation, many taps": (
        (3, 9), (2**20 + 1,), (2**39,), ((2**40 - 4, 2**40),), {"dilation": 2**20},
    ),
    "channels last": (
        (2, 6, 5, 3), (2**31, 2**20), (2**31 - 2, 2**19),
        ((2**31 - 3, 2**31 - 2), (2**20 - 2, 2**20)), {"axes": (1, 2)},
    ),
}  # fmt: skip


def cells_inside(n, k, s, d, before, o):
    """(tap, cell) of window `o` along one axis; only the taps that can be inside are looked at."""
    start = o * s - before
    near = -start // d
    candidates = range(max(near - 1, 0), min(near + n // d + 3, k))
    return [(tap, start + tap * d) for tap in candidates if 0 <= start + tap * d < n]


def expected_of(x, shapes):
    """(y, offsets, the winners' positions in x, row-major): each window by itself."""
    y = np.empty(shapes.y_shape, x.dtype)
    offsets, positions = np.empty(y.shape, np.int64), []
    wide = x.astype(np.float32) if x.dtype in (np.float16, BFLOAT16) else x
    for place in np.ndindex(y.shape):
        along = [[(0, at)] for at in place]
        for number, axis in enumerate(shapes.axes):
            along[axis] = cells_inside(
                x.shape[axis], shapes.kernel[number], shapes.stride[number],
                shapes.dilation[number], shapes.before[number], place[axis],
            )  # fmt: skip
        best = None
        for taps_and_cells in product(*along):
            cell = tuple(c for _, c in taps_and_cells)
            if (
                best is None
                or wide[cell] > wide[best[0]]
                or (wide[cell] != wide[cell] and wide[best[0]] == wide[best[0]])
            ):
                best = cell, taps_and_cells
        offset = 0
        for number, axis in enumerate(shapes.axes):
            offset = offset * shapes.kernel[number] + best[1][axis][0]
        y[place], offsets[place] = x[best[0]], offset
        positions.append(int(np.ravel_multi_index(best[0], x.shape)))
    return y, offsets, positions


def check(x, words, engine):
    shapes = geometry(x.shape, **words)
    y, offsets, positions = expected_of(x, shapes)
    dy = values(np.random.default_rng(1), "random", y.shape, x.dtype)
    with at_once():
        got, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
        alone = ndpool.max_pool(x, **words, engine=engine)
        dx = ndpool.max_pool_backward(dy, indices, x.shape, **words, engine=engine)
    assert same_bits(got, y)
    assert same_bits(alone, y)
    assert np.array_equal(indices, offsets)
    assert indices.dtype == shapes.index_dtype
    at = ndpool.convert_indices(indices, x.shape, **words, to="tensor")
    assert at.reshape(-1).tolist() == positions
    assert same_bits(dx, oracle.max_pool_backward(dy, positions, x.shape))


@pytest.mark.parametrize("regime", ["random", "ties", "nan", "lowest", "zeros"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_windows_far_larger_than_the_input(name, regime, engine):
    shape, kernel, stride, padding, more = GEOMETRIES[name]
    words = {"kernel_size": kernel, "stride": stride, "padding": padding, **more}
    for dtype in DTYPES:
        check(values(np.random.default_rng(0), regime, shape, dtype), words, engine)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_few_windows_of_many_cells(dtype, engine):
    """Window by window; overlapping, so that sums depend on their order."""
    rng = np.random.default_rng(0)
    for regime in ("random", "nan", "ties"):
        x = values(rng, regime, (2, 12, 3, 11), dtype)
        words = {"kernel_size": (9, 8), "stride": (2, 3), "padding": 2, "axes": (1, 3)}
        check(x, words, engine)
        check(x, words | {"kernel_size": (4, 4), "dilation": (3, 2)}, engine)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_global_pooling_of_large_planes(dtype, engine):
    """Against NumPy's own maximum; the first NaN, and the first of equals, win."""
    x = values(np.random.default_rng(0), "ties", (3, 400, 410), dtype)
    x[1] = x[1].min()
    flat = x.reshape(3, -1)
    if dtype.kind not in "biu":
        flat[2, [70_001, 90_000]] = np.nan
    first = [int(np.flatnonzero(row == row[row == row].max())[0]) for row in flat]
    if dtype.kind not in "biu":
        first[2] = 70_001
    with at_once():
        y, indices = ndpool.max_pool(x, (400, 410), return_indices=True, engine=engine)
        dy = np.ones(y.shape, dtype)
        dx = ndpool.max_pool_backward(dy, indices, x.shape, (400, 410), engine=engine)
    assert indices.reshape(-1).tolist() == first
    assert same_bits(y.reshape(-1), flat[range(3), first])
    dx = dx.reshape(3, -1)
    assert (dx[range(3), first] == dy.reshape(-1)).all()
    assert np.count_nonzero(dx.astype(np.float32)) == 3


def test_a_batch_of_nothing_of_many_windows(engine):
    """No loop goes over the windows or the taps of no array."""
    shape = (0, 2**20, 2**20)
    words = {"kernel_size": 2**10, "engine": engine}
    for form in ("window", "plane", "tensor"):
        with at_once():
            y, indices = ndpool.max_pool(np.empty(shape), **words, return_indices=form)
            dx = ndpool.max_pool_backward(y, indices, shape, **words, index_form=form)
        assert y.shape == indices.shape == (0, 2**10, 2**10)
        assert dx.shape == shape


def test_a_huge_batch_of_nothing(engine):
    """No array as long as a batch axis is made."""
    shape = (2**40, 0, 4, 4)
    for form in ("window", "plane", "tensor"):
        y, indices = ndpool.max_pool(np.empty(shape), 2, return_indices=form, engine=engine)
        assert y.shape == indices.shape == (2**40, 0, 2, 2)
        dx = ndpool.max_pool_backward(y, indices, shape, 2, index_form=form, engine=engine)
        assert dx.shape == shape
        assert ndpool.convert_indices(indices, shape, 2, from_=form, to="tensor").shape == y.shape
