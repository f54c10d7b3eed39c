"""Folding each window into one value: by a ufunc, tap by tap, or by a function of rows.

By taps nothing is stored but the result: the cells that stand at one place of all windows are one
slice of x, and one call of the ufunc adds them. A function gets rows of whole windows instead, a
block of them at a time.

`fill` is what stands in padding; None leaves padding out, so that windows there have fewer cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..blocks import blocks
from ..engines.slices import taps
from ..errors import PoolError
from ..geometry import Geometry

Array = NDArray[Any]
Rows = Callable[..., Any]
_CELLS = 2**18  # in a block of rows: 2 MiB of float64, about what a core's own cache holds


def by_taps(x: Array, ufunc: np.ufunc, geometry: Geometry, dtype: np.dtype[Any]) -> Array:
    """The windows' cells inside x joined by `ufunc`, row-major; padding is left out."""
    y = np.empty(geometry.y_shape, dtype)
    firsts = [geometry.first_inside(number) for number in range(len(geometry.axes))]
    for offset, cells, outputs in taps(geometry):
        part, new = y[outputs], x[cells]
        begins = _beginning(firsts, offset, outputs, geometry)
        if begins is None:
            ufunc(part, new, out=part, dtype=dtype, casting="unsafe")
        else:
            np.copyto(part, new, where=begins, casting="unsafe")
            ufunc(part, new, out=part, where=~begins, dtype=dtype, casting="unsafe")
    return y


def _beginning(
    firsts: list[Array], offset: int, outputs: tuple[slice, ...], geometry: Geometry
) -> Array | None:
    """Of these windows those whose first cell inside x is the tap at `offset`; None for none.

    Shape: broadcasts to the windows.
    """
    begins = np.ones((1,) * len(geometry.shape), bool)
    for first, tap, axis in zip(
        firsts, np.unravel_index(offset, geometry.kernel), geometry.axes, strict=True
    ):
        along = first[outputs[axis]] == tap
        if not along.any():
            return None
        begins = begins & along.reshape([-1 if n == axis else 1 for n in range(begins.ndim)])
    return begins


def by_filled_taps(
    x: Array, ufunc: np.ufunc, geometry: Geometry, dtype: np.dtype[Any], fill: Any
) -> Array:
    """The same with padding as cells that hold `fill`."""
    y = np.empty(geometry.y_shape, dtype)
    inside = {offset: (cells, outputs) for offset, cells, outputs in taps(geometry)}
    whole = tuple(slice(0, n) for n in geometry.y_shape)
    for offset in range(geometry.cells):
        cells, outputs = inside.get(offset, (None, None))
        new = np.array(fill, x.dtype)
        if cells is not None and outputs is not None:
            if all(o in (slice(None), w) for o, w in zip(outputs, whole, strict=True)):
                new = x[cells]
            else:
                new = np.full(geometry.y_shape, fill, x.dtype)
                new[outputs] = x[cells]
        if offset:
            ufunc(y, new, out=y, dtype=dtype, casting="unsafe")
        else:
            y[...] = new
    return y


def by_rows(x: Array, reduction: Rows, geometry: Geometry, fill: Any = None) -> Array:
    """``reduction(rows, axis=-1)`` of the windows as rows, row-major, each a copy or read-only."""
    d = len(geometry.axes)
    # (batch axes, pooled axes)
    x_last, y = np.moveaxis(x, geometry.axes, range(-d, 0)), None
    for runs in product(*(list(_runs(geometry, number)) for number in range(d))):
        # (batch axes, outputs, window)
        view = _view(x_last, runs, geometry)
        place: list[Any] = [slice(run.start, run.start + run.windows) for run in runs]
        for block in blocks(view.shape[:-d], max(_CELLS // geometry.cells, 1)):
            rows = _rows(view[block], runs, geometry, fill)
            found = _reduced(rows, reduction)
            if y is None:
                y = np.empty(geometry.y_shape, found.dtype)
            if found.dtype != y.dtype:
                raise PoolError("reduction", f"one dtype ({y.dtype})", f"also {found.dtype}")
            np.moveaxis(y, geometry.axes, range(-d, 0))[(..., *place)][block] = found
    if y is None:  # an empty batch: a row of zeros tells the dtype
        found = _reduced(np.zeros((1, geometry.cells), x.dtype), reduction)
        y = np.empty(geometry.y_shape, found.dtype)
    return y


class _Run(NamedTuple):
    """Neighbouring windows along one axis with the same taps inside x."""

    start: int
    windows: int
    first: int  # tap
    taps: int


def _runs(geometry: Geometry, number: int) -> Iterator[_Run]:
    first, inside = geometry.first_inside(number), geometry.taps_inside(number)
    changes = np.flatnonzero(np.diff(first) | np.diff(inside)) + 1
    starts = [0, *changes.tolist(), geometry.out[number]]
    for start, stop in pairwise(starts):
        yield _Run(start, stop - start, int(first[start]), int(inside[start]))


def _view(x_last: Array, runs: tuple[_Run, ...], geometry: Geometry) -> Array:
    """The cells inside x of these windows: (batch axes, outputs, window), read-only."""
    d = len(runs)
    corner: list[Any] = [...]
    outputs, window = [], []
    for number, run in enumerate(runs):
        stride, dilation = geometry.stride[number], geometry.dilation[number]
        corner.append(
            slice(run.start * stride - geometry.before[number] + run.first * dilation, None)
        )
        step = x_last.strides[number - d]
        # one of either takes no step: its length may be beyond 64 bits
        outputs.append((run.windows, step * stride if run.windows > 1 else 0))
        window.append((run.taps, step * dilation if run.taps > 1 else 0))
    start = x_last[tuple(corner)]
    shape = (*start.shape[:-d], *(n for n, _ in outputs + window))
    strides = (*start.strides[:-d], *(step for _, step in outputs + window))
    return np.lib.stride_tricks.as_strided(start, shape, strides, writeable=False)


def _rows(view: Array, runs: tuple[_Run, ...], geometry: Geometry, fill: Any) -> Array:
    """(batch axes, outputs, window) -> (batch axes, outputs, cells)."""
    d = len(runs)
    lead = view.shape[:-d]
    if fill is None or view.shape[-d:] == geometry.kernel:
        return view.reshape(*lead, prod(view.shape[-d:]))
    rows = np.full((*lead, *geometry.kernel), fill, view.dtype)
    inside: list[Any] = [slice(run.first, run.first + run.taps) for run in runs]
    rows[(..., *inside)] = view
    return rows.reshape(*lead, geometry.cells)


def _reduced(rows: Array, reduction: Rows) -> Array:
    found = np.asarray(reduction(rows, axis=-1))
    if found.shape != rows.shape[:-1]:
        raise PoolError(
            "reduction",
            "a function of (array, axis) that reduces that axis",
            f"shape {found.shape} from shape {rows.shape} and axis -1",
        )
    return found
