"""The cells of each window in a row, for kinds that choose one of them by looking at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..blocks import MOST, blocks
from ..geometry import Geometry
from ..indices import IndexForm, to_positions
from .masks import Mask, cells_there, refuse_empty
from .mechanism import filled

Array = NDArray[Any]


class Rows(NamedTuple):
    """Some windows: (batch axes, pooled axes, cells) of an array with its pooled axes last.

    `place` says which windows. `there` is False where a row goes on behind its window's last cell,
    and for cells that a mask leaves out; `offsets` are those in the window. Both broadcast to
    `cells`.
    """

    place: tuple[slice, ...]
    cells: Array
    there: Array
    offsets: Array


def chosen(
    x: Array,
    geometry: Geometry,
    mask: Mask | None,
    choices: int,
    choose: Callable[[Rows], Array],
) -> tuple[Array, Array]:
    """The cells that `choose` picks in each window, and their offsets there, `choices` of each.

    `choose` returns places in the rows, of shape (choices, batch axes, pooled axes); the first for
    a window whose cells the mask leaves none of. Shapes of the results: (choices,
    *`geometry.y_shape`).
    """
    y = np.empty((choices, *geometry.y_shape), x.dtype)
    offsets = np.empty(y.shape, geometry.index_dtype)
    y_last, offsets_last = pooled_last(y, geometry), pooled_last(offsets, geometry)
    for rows in _window_rows(x, geometry, mask):
        for number, places in enumerate(choose(rows)):
            at = places[..., None]
            here: tuple[Any, ...] = (number, *rows.place)
            y_last[here] = np.take_along_axis(rows.cells, at, -1)[..., 0]
            every = np.broadcast_to(rows.offsets, rows.cells.shape)
            offsets_last[here] = np.take_along_axis(every, at, -1)[..., 0]
    return y, offsets


def with_nan(y: Array, geometry: Geometry, mask: Mask | None) -> Array:
    """`y` with NaN for windows without a cell; PoolError where its dtype has none."""
    if mask is None:
        return y
    is_empty = cells_there(mask, geometry) == 0
    if y.dtype.kind in "biu":
        refuse_empty(is_empty, f"dtype {y.dtype}")
    return filled(y, ~is_empty, np.nan) if is_empty.any() else y


def in_form(offsets: Array, geometry: Geometry, form: IndexForm) -> Array:
    """Offsets in the window, in another form of indices."""
    if form == "window":
        return offsets
    positions = np.empty(offsets.shape, np.int64)
    to_positions(offsets, geometry, form, positions)
    return positions


def pooled_last(array: Array, geometry: Geometry) -> Array:
    """A view with the pooled axes behind all others; of y, x, or several of these."""
    more = array.ndim - len(geometry.shape)
    axes = [axis + more for axis in geometry.axes]
    return np.moveaxis(array, axes, range(-len(axes), 0))


def _window_rows(x: Array, geometry: Geometry, mask: Mask | None) -> Iterator[Rows]:
    """All windows, as many at a time as the cache holds."""
    d = len(geometry.axes)
    x_last = pooled_last(x, geometry)
    batch = x_last.shape[:-d]
    along = [_AxisRows.of(geometry, number) for number in range(d)]
    length = prod(axis.cells.shape[1] for axis in along)
    for place in blocks((*batch, *geometry.out), max(MOST * 8 // length, 1)):
        # (windows, cells) of each axis -> (windows of all, cells of all), by broadcasting
        axes = [axis.placed(place[number - d], number, d) for number, axis in enumerate(along)]
        windows = tuple(here.stop - here.start for here in place[-d:])
        there, offsets = np.ones((), bool), np.zeros((), np.int64)
        for axis, weight in zip(axes, geometry.weights, strict=True):
            there, offsets = there & axis.there, offsets + axis.taps * weight
        here: tuple[Any, ...] = (*place[:-d], *(axis.cells for axis in axes))
        there, offsets = (each.reshape(*windows, length) for each in (there, offsets))
        if mask is not None:
            masked = pooled_last(mask, geometry)[here]
            there = there & masked.reshape(*masked.shape[:-d], length)
        cells = x_last[here]
        rows = np.ascontiguousarray(cells).reshape(*cells.shape[:-d], length)
        yield Rows(place, rows, there, offsets)


class _AxisRows(NamedTuple):
    """Along one pooled axis, (windows, cells): which cells, whether there are so many, their taps.

    As many cells as the window has that has most; none is in padding.
    """

    cells: Array
    there: Array
    taps: Array

    @classmethod
    def of(cls, geometry: Geometry, number: int) -> _AxisRows:
        inside, first = geometry.taps_inside(number), geometry.first_inside(number)
        # (windows, 1) + (cells,)
        taps = first[:, None] + np.arange(inside.max(initial=0))
        starts = np.arange(geometry.out[number]) * geometry.stride[number]
        cells = starts[:, None] - geometry.before[number] + taps * geometry.dilation[number]
        there = taps < (first + inside)[:, None]
        return cls(np.where(there, cells, 0), there, taps)

    def placed(self, windows: slice, number: int, d: int) -> _AxisRows:
        """Those of some windows, where they broadcast with those of the d - 1 other axes."""
        shape = [1] * (2 * d)
        shape[number], shape[d + number] = windows.stop - windows.start, self.cells.shape[1]
        return _AxisRows(*(array[windows].reshape(shape) for array in self))
