"""int8 of more than 2**31 cells: no count, offset or address in 32 bits is left anywhere.

What is expected is computed here, a part at a time, tap by tap. Each test holds 4.3 GiB at most,
and runs where 7 GiB are free, or with NDPOOL_HUGE=1; NDPOOL_HUGE=0 leaves them out.
"""

import os

import numpy as np
import pytest
from cases import needs_native

import ndpool
from ndpool.bench.machine import free_memory

NEEDED = 7 * 2**30
LIMIT = 2**31
# Far apart, windows leave most cells out, and the check takes seconds; side by side, a minute.
STRIDES = [2, 61] if os.environ.get("NDPOOL_HUGE") == "1" else [61]


def _reason():
    asked, free = os.environ.get("NDPOOL_HUGE"), free_memory()
    if asked == "1":
        return ""
    if asked == "0":
        return "NDPOOL_HUGE=0"
    if free is None or free < NEEDED:
        known = "unknown" if free is None else f"{free / 2**30:.1f} GiB"
        return (
            f"needs {NEEDED / 2**30:.0f} GiB of free memory, there is {known}; NDPOOL_HUGE=1 tries"
        )
    return ""


pytestmark = [needs_native, pytest.mark.skipif(bool(_reason()), reason=_reason())]


def cells(*shape):
    """int8 that repeat after a prime number of cells, so no row, plane or part is like another."""
    pattern = np.random.default_rng(0).integers(-128, 128, 1_000_003, np.int8)
    x = np.resize(pattern, shape)
    assert x.size > LIMIT
    return x


def winners_of(taps):
    """(values, numbers of the first highest) of arrays that hold one tap of all windows each."""
    best, winner = taps[0].copy(), np.zeros(taps[0].shape, np.uint8)
    for number, tap in enumerate(taps[1:], start=1):
        np.copyto(winner, number, where=tap > best)
        np.maximum(best, tap, out=best)
    return best, winner


def parts(length, size):
    return [(start, min(start + size, length)) for start in range(0, length, size)]


@pytest.mark.parametrize("stride", STRIDES)
def test_planes_with_more_cells_than_32_bits_count(stride):
    """Odd sides: the last row and column belong to no window."""
    side = 32771
    out = (side - 2) // stride + 1
    x = cells(2, side, side)
    words = {"stride": stride, "engine": "native"}
    y, indices = ndpool.max_pool(x, 2, return_indices=True, **words)
    assert y.shape == indices.shape == (2, out, out)

    def taps(array, plane, first, end):
        across = [slice(j, stride * (out - 1) + j + 1, stride) for j in range(2)]
        down = [slice(stride * first + i, stride * (end - 1) + i + 1, stride) for i in range(2)]
        return [array[plane, rows, columns] for rows in down for columns in across]

    places = [(plane, *part) for plane in range(2) for part in parts(out, 200)]
    for plane, first, end in places:
        best, winner = winners_of(taps(x, plane, first, end))
        assert np.array_equal(y[plane, first:end], best)
        assert np.array_equal(indices[plane, first:end], winner)
    shape = x.shape
    del x  # as much memory again is needed for dx

    dx = ndpool.max_pool_backward(y, indices, shape, 2, **words)
    for plane, first, end in places:
        dy, winner = y[plane, first:end], indices[plane, first:end]
        for number, found in enumerate(taps(dx, plane, first, end)):
            assert np.array_equal(found, dy * (winner == number))
    assert np.count_nonzero(dx) == np.count_nonzero(y)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_signal_with_more_cells_than_32_bits_count(stride):
    """Windows of three cells: two apart, the first cell of each is the last of another."""
    length = LIMIT + 1001
    out = (length - 3) // stride + 1
    x = cells(length)
    words = {"kernel_size": (3,), "stride": stride, "engine": "native"}
    y, indices = ndpool.max_pool(x, return_indices=True, **words)
    assert y.shape == indices.shape == (out,)

    def tap(array, number, first, end):
        return array[stride * first + number : stride * (end - 1) + number + 1 : stride]

    places = parts(out, 4_000_000)
    for first, end in places:
        best, winner = winners_of([tap(x, number, first, end) for number in range(3)])
        assert np.array_equal(y[first:end], best)
        assert np.array_equal(indices[first:end], winner)
    del x

    dx = ndpool.max_pool_backward(y, indices, (length,), **words)
    for first, end in places:
        dy, winner = y[first:end], indices[first:end]
        sums = [dy * (winner == number) for number in range(3)]
        if stride == 2:  # the first cells of all but the first window, the last of all but the last
            before = slice(max(first - 1, 0), end - 1)
            sums[0][first == 0 :] += y[before] * (indices[before] == 2)
            behind = slice(first + 1, end + 1)
            sums[2][: out - first - 1] += y[behind] * (indices[behind] == 0)
        for number, expected in enumerate(sums):
            assert np.array_equal(tap(dx, number, first, end), expected)
    assert stride == 2 or np.count_nonzero(dx) == np.count_nonzero(y)
    assert not dx[stride * out + 1 :].any()
