"""Max pooling with a mask, or with another rule for ties than the first: by the same engines.

`ndpool.max_pool` and its backward hand over to here; without these words no call comes by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engines
from ..choices import Ties, one_of
from ..dtypes import lowest, sum_dtype
from ..errors import PoolError
from ..geometry import Geometry, geometry
from ..indices import first_outside, refuse_index, to_positions
from .masks import Mask, broadcast_mask, cells_there, mask_of, refuse_empty
from .mechanism import filled, float_dtype, float_result, rounded, spread, window_sums
from .words import fitting

Array = NDArray[Any]


def winners(
    x: Array, shapes: Geometry, engine: str | None, where: object, nan_policy: object, ties: object
) -> tuple[Array, Array]:
    """Each window's maximum, and its winner's offset in the window.

    A window without a cell has NaN and one of its cells inside x; PoolError where x has no NaN.
    """
    mask = mask_of(x, where, nan_policy)
    if one_of(Ties, "ties", ties) == "last":
        return _last(x, shapes, engine, mask)
    return _first(x, shapes, engine, mask)


def gradient(
    dy: Array,
    offsets: Array,
    shapes: Geometry,
    engine: str | None,
    where: object,
    ties: object,
    x: Array | None,
) -> Array:
    """dx of `shapes.shape`: to the winners, or with "split" and "all" to all cells equal to them.

    `offsets` are the winners' in their windows.
    """
    rule = one_of(Ties, "ties", ties)
    mask = broadcast_mask(where, shapes.shape)
    if (position := first_outside(offsets, shapes)) is not None:
        refuse_index(offsets, shapes, position)
    if mask is not None:
        is_empty = cells_there(mask, shapes) == 0
        absent = ~is_empty & ~_at_winners(mask, offsets, shapes)
        if absent.any():
            refuse_index(offsets, shapes, int(np.argmax(absent)))
        dy = filled(dy, ~is_empty)
    if rule in ("first", "last"):
        run = engines.choose(engine, dy.dtype, shapes, backward=True)
        return run.max_pool_backward(dy, offsets, shapes)
    if x is None:
        hint = "pass the forward call's input as x="
        raise PoolError("x", f"an array, as ties={rule!r} looks for equal cells", None, hint)
    return _to_all_equal(dy, fitting("x", x, shapes.shape), offsets, shapes, mask, rule == "split")


def _first(
    x: Array, shapes: Geometry, engine: str | None, mask: Mask | None
) -> tuple[Array, Array]:
    y, offsets = _plain(x if mask is None else filled(x, mask, lowest(x.dtype)), shapes, engine)
    if mask is None:
        return y, offsets
    is_there, first = _plain(mask, shapes, engine)
    # Where nothing is higher than what stands in cells that are not there, those that are there
    # are all equal: the first of them wins.
    with np.errstate(invalid="ignore"):
        np.copyto(offsets, first, where=y == lowest(x.dtype))
    if x.dtype.kind in "biu":
        refuse_empty(~is_there, f"dtype {x.dtype}")
        return y, offsets
    return filled(y, is_there, np.nan), offsets


def _last(x: Array, shapes: Geometry, engine: str | None, mask: Mask | None) -> tuple[Array, Array]:
    """The first of everything in the opposite order."""
    backwards, cells = _opposite(shapes)
    y, offsets = _first(x[cells], backwards, engine, None if mask is None else mask[cells])
    places = tuple(
        slice(None, None, -1 if axis in shapes.axes else 1) for axis in range(len(shapes.shape))
    )
    last = shapes.index_dtype.type(shapes.cells - 1)
    return np.ascontiguousarray(y[places]), np.ascontiguousarray(last - offsets[places])


def _opposite(shapes: Geometry) -> tuple[Geometry, tuple[slice, ...]]:
    """The same windows over cells in the opposite order along the pooled axes; those cells of x.

    Cells behind the last window are left out, so that the first one begins in no less than 0.
    """
    shape, cells, padding = list(shapes.shape), [slice(None)] * len(shapes.shape), []
    for axis, k, s, dil, before, out in zip(
        shapes.axes, shapes.kernel, shapes.stride, shapes.dilation, shapes.before, shapes.out,
        strict=True,
    ):  # fmt: skip
        last = (out - 1) * s - before + (k - 1) * dil  # the last tap of the last window
        shape[axis] = min(shape[axis], last + 1)
        cells[axis] = slice(shape[axis] - 1, None, -1)
        padding.append((last + 1 - shape[axis], before))
    opposite = geometry(
        tuple(shape), shapes.kernel, shapes.stride, tuple(padding), shapes.dilation,
        axes=shapes.axes,
    )  # fmt: skip
    return opposite, tuple(cells)


def _plain(x: Array, shapes: Geometry, engine: str | None) -> tuple[Array, Array]:
    y, offsets = np.empty(shapes.y_shape, x.dtype), np.empty(shapes.y_shape, shapes.index_dtype)
    engines.choose(engine, x.dtype, shapes).max_pool(x, shapes, y, offsets)
    return y, offsets


def _to_all_equal(
    dy: Array, x: Array, offsets: Array, shapes: Geometry, mask: Mask | None, is_split: bool
) -> Array:
    best = _at_winners(x, offsets, shapes)

    def is_equal(cells: Array, best: Array) -> Array:
        equal: Array = (cells == best) | ((cells != cells) & (best != best))
        return equal

    if not is_split:
        dx = spread(dy, shapes, sum_dtype(dy.dtype), is_equal, x, best, mask=mask, exact=True)
        return rounded(dx, dy.dtype)
    dtype = float_dtype(dy.dtype)
    many = window_sums(x, shapes, np.dtype(np.int64), is_equal, best, mask=mask, exact=True)
    parts = dy.astype(dtype) / np.maximum(many, 1).astype(dtype)
    dx = spread(parts, shapes, dtype, is_equal, x, best, mask=mask, exact=True)
    return float_result(dx, dy.dtype)


def _at_winners(values: Array, offsets: Array, shapes: Geometry) -> Array:
    """What stands in the winners' cells, in the shape of y."""
    positions = np.empty(shapes.y_shape, np.int64)
    to_positions(offsets, shapes, "tensor", positions)
    return values.reshape(-1)[positions]
