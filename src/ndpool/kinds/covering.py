"""Uneven regions as unions of boxes of one size, whose maxima the native engine has at once.

A region no longer than two of the smallest is covered by such a box at its beginning and one at its
end, along each axis. Maxima do not mind that boxes overlap.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engines
from ..engines import native
from ..engines.numpy import beats
from ..geometry import Geometry, geometry
from .regions import Regions, along

Array = NDArray[Any]


def max_by_boxes(
    x: Array, regions: Regions, indices: Array | None, engine: str | None
) -> Array | None:
    """What `uneven.max_of` computes, or None where the native engine cannot serve."""
    boxes = _boxes(regions)
    if boxes is None or engines.choose(engine, x.dtype, boxes) is not native:
        return None
    # Zeros of either sign are equal, and so are NaNs: it needs offsets to take the first of those.
    needs_offsets = indices is not None or x.dtype.kind not in "biu"
    maxima = np.empty(boxes.y_shape, x.dtype)
    winners = np.empty(boxes.y_shape, boxes.index_dtype) if needs_offsets else None
    native.max_pool(x, boxes, maxima, winners)
    sides = [
        (False, True) if size > least else (False,)
        for size, least in zip(regions.kernel, boxes.kernel, strict=True)
    ]
    y, offsets = None, None
    for at_end in product(*sides):
        first = [
            end - least if is_end else begin
            for begin, end, least, is_end in zip(
                regions.begin, regions.end, boxes.kernel, at_end, strict=True
            )
        ]
        new = _taken(maxima, first, regions)
        at = None if winners is None else _offsets(winners, first, boxes, regions)
        if y is None:
            y, offsets = new, at
            continue
        wins = beats(new, y)
        if at is not None and offsets is not None:
            wins |= (at < offsets) & ~beats(y, new)  # the first of equal ones
            np.copyto(offsets, at, where=wins)
        np.copyto(y, new, where=wins)
    if indices is not None and offsets is not None:
        indices[...] = offsets
    return y


def _boxes(regions: Regions) -> Geometry | None:
    """All boxes of the smallest region's sizes, one for each cell that they can begin with."""
    ends = zip(regions.begin, regions.end, strict=True)
    least = tuple(int((end - begin).min()) for begin, end in ends)
    if any(size > 2 * k for size, k in zip(regions.kernel, least, strict=True)):
        return None
    return geometry(regions.shape, least, 1, axes=regions.axes)


def _taken(boxes: Array, first: list[Array], regions: Regions) -> Array:
    for axis, cells in zip(regions.axes, first, strict=True):
        boxes = boxes.take(cells, axis)
    return boxes


def _offsets(winners: Array, first: list[Array], boxes: Geometry, regions: Regions) -> Array:
    """Where in its region each of these boxes has its winner."""
    dtype, ndim = regions.index_dtype, len(regions.shape)
    # by the offset in a box the offset in a region that begins where the box does
    table = np.zeros((1,) * len(boxes.kernel), np.int64)
    for number, (size, weight) in enumerate(zip(boxes.kernel, regions.weights, strict=True)):
        table = table + along(np.arange(size) * weight, number, len(boxes.kernel))
    found: Array = table.reshape(-1).astype(dtype).take(_taken(winners, first, regions))
    for number, (axis, weight) in enumerate(zip(regions.axes, regions.weights, strict=True)):
        shift = (first[number] - regions.begin[number]) * weight
        if shift.any():
            found += along(shift.astype(dtype), axis, ndim)
    return found
