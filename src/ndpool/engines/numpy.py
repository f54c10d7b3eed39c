"""The engine that runs anywhere: loops over the taps of a window, vectorised over the rest.

It is the readable specification of max pooling. For each tap, the cells that stand at that place
of their windows are one strided slice of the input, and the outputs that they belong to are one
slice of the output; taps that fall into padding simply have shorter slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import lowest, sum_dtype
from ..geometry import Geometry
from ..indices import first_outside, refuse_index

Array = NDArray[Any]
Slices = tuple[slice, ...]


def serves(dtype: np.dtype[Any], geometry: Geometry, backward: bool = False) -> bool:
    """Every geometry and dtype."""
    return True


def max_pool(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    """Fill `y` with each window's maximum and `indices` with the winner's offset in its window.

    Shapes: x `geometry.shape`; y and indices `geometry.y_shape`.
    """
    # With nothing seen yet the lowest value stands at the first tap that is no padding: the right
    # answer already if no cell of the window is higher.
    y[...] = lowest(x.dtype)
    if indices is not None:
        indices[...] = first_inside(geometry)
    for offset, cells, windows in _taps(geometry):
        new, best = x[cells], y[windows]
        with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN where float32 does not
            wins = new > best
        if x.dtype.kind not in "iub":
            wins |= (new != new) & (best == best)  # NaN beats all but an earlier NaN
        np.copyto(best, new, where=wins)
        if indices is not None:
            np.copyto(indices[windows], offset, where=wins, casting="unsafe")


def max_pool_backward(dy: Array, indices: Array, geometry: Geometry) -> Array:
    """dx of `geometry.shape`: each dy added to the cell that won its window.

    Sums in the order of the outputs, in float32 for the 2-byte floats, as the native engine does.
    """
    if (position := first_outside(indices, geometry)) is not None:
        refuse_index(indices, geometry, position)
    dx = np.zeros(geometry.shape, sum_dtype(dy.dtype))
    zero = np.zeros((), dx.dtype)
    # The last tap first: for any one cell that is the order of its outputs.
    with np.errstate(over="ignore", invalid="ignore"):  # inf and NaN add up as they do in C
        for offset, cells, windows in _taps(geometry, reverse=True):
            dx[cells] += np.where(indices[windows] == offset, dy[windows], zero)
        return dx.astype(dy.dtype, copy=False)


def first_inside(geometry: Geometry) -> Array:
    """For every output, the row-major offset of its window's first tap that is no padding.

    Shape: broadcasts to `geometry.y_shape`.
    """
    total = np.zeros((1,) * len(geometry.shape), np.int64)
    for number, axis in enumerate(geometry.axes):
        along = [1] * len(geometry.shape)
        along[axis] = -1
        total = total + (geometry.first_inside(number) * geometry.weights[number]).reshape(along)
    return total.astype(geometry.index_dtype)


def _taps(geometry: Geometry, reverse: bool = False) -> Iterator[tuple[int, Slices, Slices]]:
    """(offset in the window, slices of the input, slices of the output) of each tap, row-major."""
    per_axis = [list(_axis_taps(geometry, number)) for number in range(len(geometry.axes))]
    if reverse:
        per_axis = [taps[::-1] for taps in per_axis]
    for taps in product(*per_axis):
        cells, windows = ([slice(None)] * len(geometry.shape) for _ in range(2))
        for axis, (_, cell, window) in zip(geometry.axes, taps, strict=True):
            cells[axis], windows[axis] = cell, window
        offset = sum(
            step * weight for (step, _, _), weight in zip(taps, geometry.weights, strict=True)
        )
        yield offset, tuple(cells), tuple(windows)


def _axis_taps(geometry: Geometry, number: int) -> Iterator[tuple[int, slice, slice]]:
    """The taps along one pooled axis that any window has inside the input."""
    n, out = geometry.sizes[number], geometry.out[number]
    stride, dilation = geometry.stride[number], geometry.dilation[number]
    before = geometry.before[number]
    # The first window's last taps to reach the input, the last window's first.
    lowest_tap = max(0, -(((out - 1) * stride - before) // dilation))
    highest_tap = min(geometry.kernel[number] - 1, (n - 1 + before) // dilation)
    for tap in range(lowest_tap, highest_tap + 1):
        ahead = tap * dilation - before  # where window 0 has this tap
        first = max(0, -(ahead // stride))
        last = min(out - 1, (n - 1 - ahead) // stride)
        if first <= last:
            start = first * stride + ahead
            stop = last * stride + ahead + 1
            yield tap, slice(start, stop, stride), slice(first, last + 1)
