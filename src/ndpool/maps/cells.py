"""Cells of an array and places in its windows, moved from the one to the other.

`w` is always an array of windows: its axes are y's, then one for each axis of the window. Both ways
go by taps or by windows, whichever are fewer, and look at no padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import any_array
from ..dtypes import POOLABLE, poolable
from ..engines.slices import taps, windows, windows_are_fewer
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry

Array = NDArray[Any]


def windows_shape(geometry: Geometry) -> tuple[int, ...]:
    """The shape of an array of all windows: y's, then the window's."""
    if geometry.cells * prod(geometry.y_shape) > 2**59:  # 16 bytes each: all that addresses count
        raise PoolError(
            "kernel_size", "windows of at most 2**59 cells, all together", geometry.kernel
        )
    return (*geometry.y_shape, *geometry.kernel)


def windows_view(x: Array, geometry: Geometry) -> Array | None:
    """All windows as a read-only view of x, where none of them reaches over its border."""
    strides, steps = list(x.strides), []
    for number, axis in enumerate(geometry.axes):
        stride, dilation = geometry.stride[number], geometry.dilation[number]
        last = (geometry.out[number] - 1) * stride + (geometry.kernel[number] - 1) * dilation
        if geometry.before[number] or last >= geometry.sizes[number]:
            return None
        # one window, or a window of one cell, takes no step: its length may be beyond 64 bits
        strides[axis] *= stride if geometry.out[number] > 1 else 1
        steps.append(x.strides[axis] * (dilation if geometry.kernel[number] > 1 else 1))
    shape = windows_shape(geometry)
    return np.lib.stride_tricks.as_strided(x, shape, (*strides, *steps), writeable=False)


def cut(x: Array, geometry: Geometry, w: Array, fill: Any) -> None:
    """Write x's windows to `w`, with `fill` for padding."""
    whole = windows_view(x, geometry)
    if whole is not None:
        w[...] = whole
        return
    w[...] = fill
    for cells, places in _meetings(x, w, geometry):
        places[...] = cells


def add(w: Array, geometry: Geometry, dx: Array) -> None:
    """Add each place of the windows to its cell of `dx`, in the order of the windows."""
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        for cells, places in _meetings(dx, w, geometry, reverse=True):
            cells += places


def filling(fill: object, dtype: np.dtype[Any]) -> Any:
    """`fill` in `dtype`, if it is a number that such an array can hold."""
    value = any_array("fill", fill)
    if value.ndim or not poolable(value.dtype):
        raise PoolTypeError("fill", f"one number: {POOLABLE}", shown(fill))
    with np.errstate(all="ignore"):
        cast = value.astype(dtype)
    if dtype.kind in "biu" and cast != value:
        raise PoolError("fill", f"a number that {dtype} holds", shown(fill))
    return cast[()]


def _meetings(
    x: Array, w: Array, geometry: Geometry, reverse: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Views of x's cells and of their places in the windows, of the same shape.

    In `reverse` a cell meets its windows in their order.
    """
    d = len(geometry.axes)
    if not windows_are_fewer(geometry):
        for offset, cells, outputs in taps(geometry, reverse):
            tap: tuple[Any, ...] = np.unravel_index(offset, geometry.kernel)
            yield x[cells], w[(*outputs, *tap)]
        return
    # (batch axes, pooled axes); (batch axes, outputs, window)
    x_last = np.moveaxis(x, geometry.axes, range(-d, 0))
    w_last = np.moveaxis(w, geometry.axes, range(-2 * d, -d))
    for place, inside, first in windows(geometry):
        part = x_last[inside]
        steps = (slice(at, at + n) for at, n in zip(first, part.shape[-d:], strict=True))
        yield part, w_last[(*place, *steps)]
