"""Windows of uneven sizes: along each pooled axis a list of where they start and end.

Such windows are boxes, so that everything goes axis by axis: the last axis first for the maximum,
whose winner is then the first in row-major order, and along each axis either window by window or
tap by tap, whichever is fewer, vectorised over everything else.

Sums are linear, and where starts and ends ascend their adjoint is a sum over regions again: the
windows that a cell lies in stand next to each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import sum_dtype
from ..engines.numpy import beats
from .regions import Regions, along, at

Array = NDArray[Any]


def max_of(x: Array, regions: Regions, indices: Array | None) -> Array:
    """Each region's maximum; its winner's offset in the window to `indices`, if there are any.

    Shapes: x `regions.shape`; indices, and the result, `regions.y_shape`. Ties and NaN are as in
    `ndpool.max_pool`.
    """
    offsets = None if indices is None else np.broadcast_to(indices.dtype.type(0), x.shape)
    # The last axis first: of equal cells the first of each row is left, then the first of the rows.
    for axis in reversed(_pooled_axes(regions)):
        by = _max_by_windows if axis.windows_are_fewer else _max_by_taps
        x, offsets = by(x, offsets, axis)
    if indices is not None and offsets is not None:
        indices[...] = offsets
    return x


def added(
    parts: Iterable[tuple[Array, Array]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """dx of `shape` and `dtype`: each number of the parts added to the cell at its position."""
    dx = np.zeros(prod(shape), sum_dtype(dtype).newbyteorder("="))
    with np.errstate(over="ignore", invalid="ignore"):
        for numbers, positions in parts:
            np.add.at(dx, positions.reshape(-1), numbers.astype(dx.dtype).reshape(-1))
        return dx.astype(dtype, copy=False).reshape(shape)


def sums_of(x: Array, regions: Regions, dtype: np.dtype[Any]) -> Array:
    """Each region's sum, made in `dtype`; 0 for an empty one."""
    # contiguous, so that NumPy adds in the same order for every memory layout
    x = np.ascontiguousarray(x, dtype.newbyteorder("="))
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        for axis in _pooled_axes(regions):
            x = _sums(x, axis)
    return x


def spread_over(dy: Array, regions: Regions, dtype: np.dtype[Any]) -> Array:
    """The adjoint of `sums_of`: each dy to all cells of its region."""
    begin, end = [], []
    for number, n in enumerate(regions.sizes):
        cells = np.arange(n)
        # the windows that end behind a cell and begin before or at it
        begin.append(np.searchsorted(regions.end[number], cells, "right"))
        end.append(np.searchsorted(regions.begin[number], cells, "right"))
    return sums_of(dy, Regions(regions.y_shape, regions.axes, tuple(begin), tuple(end)), dtype)


def counts_of(regions: Regions) -> Array:
    """How many cells each region has, float64; broadcasts to y."""
    counts = np.ones((1,) * len(regions.shape))
    for axis, begin, end in zip(regions.axes, regions.begin, regions.end, strict=True):
        counts = counts * along(end - begin, axis, len(regions.shape))
    return counts


class _Axis:
    """The regions along one pooled axis, and slices of arrays there."""

    def __init__(self, regions: Regions, number: int) -> None:
        self.index, self.n = regions.axes[number], regions.sizes[number]
        self.begin, self.end = regions.begin[number], regions.end[number]
        self.largest, self.weight = regions.kernel[number], regions.weights[number]
        self.windows_are_fewer = len(self.begin) < self.largest

    def windows(self) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """For each window its place in y, an axis of one cell, and its cells in x."""
        ends = zip(self.begin.tolist(), self.end.tolist(), strict=True)
        return [
            (at(self.index, slice(place, place + 1)), at(self.index, slice(begin, end)))
            for place, (begin, end) in enumerate(ends)
        ]

    def result(self, x: Array) -> Array:
        """Zeros, one for each window along the axis."""
        shape = list(x.shape)
        shape[self.index] = len(self.begin)
        return np.zeros(shape, x.dtype)


def _pooled_axes(regions: Regions) -> list[_Axis]:
    """All axes along which there is something to do."""
    every = [_Axis(regions, number) for number in range(len(regions.axes))]
    return [axis for axis in every if axis.largest != 1 or len(axis.begin) != axis.n]


def _max_by_windows(x: Array, offsets: Array | None, axis: _Axis) -> tuple[Array, Array | None]:
    y, won = axis.result(x), None if offsets is None else axis.result(offsets)
    for place, cells in axis.windows():
        # the first NaN, or the first of the highest
        winner = x[cells].argmax(axis=axis.index, keepdims=True)
        y[place] = np.take_along_axis(x[cells], winner, axis.index)
        if offsets is not None and won is not None:
            before = np.take_along_axis(offsets[cells], winner, axis.index)
            won[place] = before + (winner * axis.weight).astype(won.dtype)
    return y, won


def _max_by_taps(x: Array, offsets: Array | None, axis: _Axis) -> tuple[Array, Array | None]:
    y = x.take(axis.begin, axis.index)
    won = None if offsets is None else offsets.take(axis.begin, axis.index)
    for tap in range(1, axis.largest):
        # Windows with no such tap see their last cell again, which never wins over itself.
        cells = np.minimum(axis.begin + tap, axis.end - 1)
        new = x.take(cells, axis.index)
        wins = beats(new, y)
        np.copyto(y, new, where=wins)
        if offsets is not None and won is not None:
            taken = offsets.take(cells, axis.index) + won.dtype.type(tap * axis.weight)
            np.copyto(won, taken, where=wins)
    return y, won


def _sums(x: Array, axis: _Axis) -> Array:
    total = axis.result(x)
    if axis.windows_are_fewer:
        for place, cells in axis.windows():
            total[place] += x[cells].sum(axis=axis.index, keepdims=True, dtype=x.dtype)
        return total
    for tap in range(axis.largest):
        has = np.flatnonzero(axis.end - axis.begin > tap)
        some = slice(None) if len(has) == len(axis.begin) else has
        total[at(axis.index, some)] += x.take(axis.begin[some] + tap, axis.index)
    return total
