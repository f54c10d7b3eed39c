"""Maxima and means of regions, and their gradients; even regions go to the ordinary geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import engines
from ..arguments import any_array, as_array
from ..choices import one_of
from ..dtypes import lowest
from ..errors import PoolError, PoolTypeError
from ..geometry import plain_shape
from ..indices import (
    IndexForm,
    as_offsets,
    asked_form,
    first_outside,
    offsets_at_the_end,
    position_blocks,
    refuse_index,
    to_positions,
)
from ..pool import max_pool, max_pool_backward
from .average import avg_pool, avg_pool_backward
from .covering import max_by_boxes
from .masks import Mask, broadcast_mask, mask_of, refuse_empty
from .mechanism import filled, float_dtype, float_result
from .regions import Regions, adaptive
from .uneven import added, counts_of, max_of, spread_over, sums_of
from .words import fitting

Array = NDArray[Any]
Positions = Literal["plane", "tensor"]


def opened_regions(
    x: object, size: Any, words: Any, regions_of: Callable[..., Any] = adaptive
) -> tuple[Array, Any, Mask | None]:
    """The input as an array, where its regions stand, and which cells are there (None: all)."""
    array = as_array("x", x)
    engines.named(words.get("engine"))
    mask = mask_of(array, words.get("where"), words.get("nan_policy", "propagate"))
    return array, regions_of(array.shape, size, words.get("axes")), mask


def opened_regions_gradient(
    dy: object, x_shape: object, size: Any, words: Any, regions_of: Callable[..., Any] = adaptive
) -> tuple[Array, Any, Mask | None]:
    """The output's gradient as an array, where the regions stand, and which cells are there."""
    array, shape = as_array("dy", dy), plain_shape("x_shape", x_shape)
    engines.named(words.get("engine"))
    mask = broadcast_mask(words.get("where"), shape)
    return array, regions_of(shape, size, words.get("axes")), mask


def asked_positions(asked: object) -> Positions | None:
    """The form that a call wants whose windows have no offsets: True is "plane", False none."""
    if isinstance(asked, (bool, np.bool_)):
        return "plane" if asked else None
    return "plane" if one_of(Positions, "return_indices", asked) == "plane" else "tensor"


def checked_positions(indices: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """`indices` as int64 of this shape; its values are not looked at."""
    array = any_array("indices", indices)
    if array.dtype != np.int64:
        raise PoolTypeError("indices", "dtype int64", f"dtype {array.dtype}")
    return fitting("indices", array, shape)


def checked_winners(
    indices: Any, mode: str, has_winners: bool, shape: tuple[int, ...]
) -> NDArray[np.int64] | None:
    """The winners of a kind that has them in some of its modes, and None in the others."""
    if has_winners:
        return checked_positions(indices, shape)
    if indices is not None:
        raise PoolError("indices", f"None for {mode!r}", "others")
    return None


def pooled_max(
    x: Array,
    regions: Regions,
    asked: bool | IndexForm,
    mask: Mask | None = None,
    engine: str | None = None,
) -> Any:
    """y, or with an index form asked for ``(y, indices)``, of the cells that the mask has.

    Shapes: x and mask `regions.shape`; y and indices `regions.y_shape`. A region without a cell is
    NaN, and a PoolError where x has no NaN.
    """
    form = asked_form("return_indices", asked)
    if mask is None and (even := regions.even) is not None:
        words: dict[str, Any] = {"stride": even.stride, "axes": even.axes, "engine": engine}
        return max_pool(x, even.kernel, return_indices=form or False, **words)
    if form is None and mask is None:
        return _max(x, regions, None, engine)
    dtype = np.int64 if form in ("plane", "tensor") else regions.index_dtype
    indices = np.empty(regions.y_shape, dtype)
    offsets = indices if form in (None, "window") else offsets_at_the_end(indices, regions)
    if mask is None:
        y = _max(x, regions, offsets, engine)
    else:
        y = _masked(x, regions, offsets, mask, engine)
    if form is None:
        return y
    if form != "window":
        to_positions(offsets, regions, form, indices)
    return y, indices


def pooled_max_backward(
    dy: Array,
    indices: Any,
    regions: Regions,
    asked: Any,
    mask: Mask | None = None,
    engine: str | None = None,
) -> Array:
    """The gradient of `pooled_max`: each dy added to the cell that won its region.

    That of a region without a cell goes nowhere.
    """
    if mask is None and (even := regions.even) is not None:
        words: dict[str, Any] = {"stride": even.stride, "axes": even.axes, "engine": engine}
        return max_pool_backward(dy, indices, even.shape, even.kernel, index_form=asked, **words)
    fitting("dy", dy, regions.y_shape)
    offsets = as_offsets(indices, regions, asked)
    if (position := first_outside(offsets, regions)) is not None:
        refuse_index(offsets, regions, position)
    if mask is not None:
        has_cells, won, cells = _cells(mask, regions) > 0, np.empty(dy.shape, bool), mask.ravel()
        for block, at in position_blocks(offsets, regions, "tensor"):
            won[block] = cells[at]
        if (absent := has_cells & ~won).any():
            refuse_index(offsets, regions, int(absent.argmax()))
        dy = filled(dy, has_cells)
    at_cells = position_blocks(offsets, regions, "tensor")
    return added(((dy[block], at) for block, at in at_cells), regions.shape, dy.dtype)


def pooled_mean(
    x: Array, regions: Regions, mask: Mask | None = None, engine: str | None = None
) -> Array:
    """Each region's mean, in x's dtype if that is a float, else float64; NaN without a cell."""
    if mask is None and (even := regions.even) is not None:
        return avg_pool(x, even.kernel, stride=even.stride, axes=even.axes, engine=engine)
    dtype = float_dtype(x.dtype)
    sums = sums_of(filled(x, mask), regions, dtype)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return float_result(sums / _cells(mask, regions).astype(dtype), x.dtype)


def pooled_mean_backward(
    dy: Array, regions: Regions, mask: Mask | None = None, engine: str | None = None
) -> Array:
    """The gradient of `pooled_mean`: each dy to all cells of its region in equal parts."""
    if mask is None and (even := regions.even) is not None:
        words: dict[str, Any] = {"stride": even.stride, "axes": even.axes, "engine": engine}
        return avg_pool_backward(dy, even.shape, even.kernel, **words)
    fitting("dy", dy, regions.y_shape)
    dtype, counts = float_dtype(dy.dtype), _cells(mask, regions)
    parts = filled(dy, None if mask is None else counts > 0).astype(dtype)
    spread = spread_over(parts / np.maximum(counts, 1).astype(dtype), regions, dtype)
    return float_result(filled(spread, mask), dy.dtype)


def _max(x: Array, regions: Regions, indices: Array | None, engine: str | None) -> Array:
    y = max_by_boxes(x, regions, indices, engine)
    return max_of(x, regions, indices) if y is None else y


def _masked(x: Array, regions: Regions, offsets: Array, mask: Mask, engine: str | None) -> Array:
    least = lowest(x.dtype)
    y = _max(filled(x, mask, least), regions, offsets, engine)
    first = np.empty_like(offsets)
    is_there = _max(mask, regions, first, engine)
    # Where nothing is higher than what stands in cells that are not there, those that are there
    # are all equal: the first of them wins.
    with np.errstate(invalid="ignore"):
        np.copyto(offsets, first, where=y == least)
    if x.dtype.kind in "biu":
        refuse_empty(~is_there, f"dtype {x.dtype}")
        return y
    return filled(y, is_there, np.nan)


def _cells(mask: Mask | None, regions: Regions) -> Array:
    """How many cells each region has that are there; broadcasts to y."""
    return counts_of(regions) if mask is None else sums_of(mask, regions, np.dtype(np.float64))
