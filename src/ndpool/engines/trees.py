"""Sums in a fixed order, the same in both engines: a binary tree over the taps of each axis.

The sum of one tap is that cell; of m taps, the sum of the first m - h plus the sum of the last h,
where h is the largest power of two below m. Cells outside the array count as zeros. So errors grow
with the logarithm of the window, as in pairwise summation (Higham, "The accuracy of floating point
summation", 1993), and the windows beside each other share their parts: m taps take log2(m) steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Row(NamedTuple):
    """Sums along one axis: number j of `length` takes `taps` cells from ``first + j * every`` on.

    They stand `step` apart. Those before the array's start and beyond its end are zeros.
    """

    taps: int
    first: int
    step: int
    every: int
    length: int


class Part(NamedTuple):
    """Every `stride`-th cell from `start` on gets the sums of `row` over the outputs."""

    start: int
    row: Row


def parts(n: int, k: int, stride: int, dilation: int, before: int) -> Iterator[Part]:
    """What each of an axis's `n` cells sums, when outputs go back to the cells of their windows.

    Cells that stand `stride` apart are at the same taps of their windows, the first of which is
    the latest window; the others come before it, in even steps.
    """
    common = gcd(stride, dilation)
    for start in range(min(stride, n)):
        latest, residue = divmod(start + before, stride)
        step, taps = dilation // common, 0
        if residue % common == 0:
            period = stride // common
            # the least tap with tap * dilation = residue, modulo the stride
            tap = residue // common * pow(step, -1, period) % period
            latest -= (tap * dilation - residue) // stride
            taps = max(0, (k - 1 - tap) // period + 1)
        length = -(-(n - start) // stride)
        yield Part(start, Row(taps, latest - (taps - 1) * step, step, 1, length))


def row_sums(x: Array, axis: int, row: Row) -> Array:
    """The sums of `row` along this axis of `x`; may be a view of x."""
    x = x.swapaxes(axis, 0)
    if row.taps == 0:
        return np.zeros((row.length, *x.shape[1:]), x.dtype).swapaxes(axis, 0)
    reach = (row.length - 1) * row.every + (row.taps - 1) * row.step + 1
    # Each window by itself where so much padding would be written that this takes longer.
    by_windows = reach > 4 * len(x) + 64 * min(row.length, 2**20)
    return (_by_windows(x, row) if by_windows else _doubled(x, row, reach)).swapaxes(axis, 0)


def _doubled(x: Array, row: Row, reach: int) -> Array:
    """The sums of 1, 2, 4, ... taps, each from two of those before, for all places at once."""
    start, stop = max(0, row.first), min(len(x), row.first + reach)
    sums = x[start:stop]
    if len(sums) < reach:
        sums = np.zeros((reach, *x.shape[1:]), x.dtype)
        sums[start - row.first : start - row.first + max(0, stop - start)] = x[start:stop]
    total: Array | None = None
    done, width = 0, 1
    while True:
        if row.taps & width:
            part = sums[done * row.step :: row.every][: row.length]
            total = part if total is None else total + part
            done += width
        if done == row.taps:
            assert total is not None
            return total
        ahead = width * row.step
        sums = sums[:-ahead] + sums[ahead:]
        width *= 2


def _by_windows(x: Array, row: Row) -> Array:
    total = np.zeros((row.length, *x.shape[1:]), x.dtype)
    for number, sums in enumerate(total):
        start = row.first + number * row.every
        lowest = max(0, -(start // row.step))
        end = min(row.taps, -((start - len(x)) // row.step))
        done, width = 0, 1
        while done < end:
            if row.taps & width:
                first, last = max(done, lowest), min(done + width, end)
                if first < last:
                    cells = x[start + first * row.step : start + last * row.step : row.step]
                    sums += _whole(cells[: last - first], first - done)
                done += width
            width *= 2
    return total


def _whole(cells: Array, skipped: int) -> Array:
    """The sum of a power of two of cells, of which these are all but zeros, the first `skipped`."""
    while len(cells) > 1:
        ends = skipped % 2, (skipped + len(cells)) % 2
        if any(ends):
            cells = np.pad(cells, [ends, *[(0, 0)] * (cells.ndim - 1)])
        cells, skipped = cells[::2] + cells[1::2], skipped // 2
    whole: Array = cells[0]
    return whole
