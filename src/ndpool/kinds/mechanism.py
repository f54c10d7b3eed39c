"""What all kinds of pooling share that sum something over each window, and its adjoint.

`window_sums` adds up a term for every cell of a window; `spread` hands something for every window
back to its cells. Both go over the same meetings of cells and windows: tap by tap, or window by
window where those are fewer. Padding is in no meeting, so that a kind never sees it.

With no term and no slope the two are linear, and each is the other's adjoint (transpose):
``(window_sums(x) * dy).sum() == (x * spread(dy)).sum()``. Then an engine does them, in the order of
`engines.trees`; `means` and `spread_means` are the same with divisors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engines
from ..dtypes import lowest, sum_dtype
from ..engines.slices import Slices, taps, windows, windows_are_fewer
from ..geometry import Geometry

Array = NDArray[Any]


def window_sums(
    x: Array,
    geometry: Geometry,
    dtype: np.dtype[Any],
    term: Callable[..., Array] | None = None,
    *beside: Array,
    mask: Array | None = None,
    exact: bool = False,
    engine: str | None = None,
) -> Array:
    """For each window the sum over its cells of ``term(cells, *beside)``; of the cells by default.

    Shapes: x and mask `geometry.shape`; beside, and the result, `geometry.y_shape`. `dtype` is what
    the sums are made in and the cells are converted to, unless `term` is to see the `exact` ones.
    Cells that the mask has False for add nothing. `engine` is for sums without a term.
    """
    dtype = dtype.newbyteorder("=")
    if term is None:
        run = engines.choose(engine, dtype, geometry, sums=True)
        return run.window_sums(filled(x, mask).astype(dtype, copy=False), geometry)
    total = np.zeros(geometry.y_shape, dtype)
    cells_of, windows_of = _views(geometry, x), _views(geometry, total, *beside)
    is_there = _views(geometry, *(() if mask is None else (mask,)))
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        for cells, places in _meetings(geometry):
            (values,) = cells_of(cells, None if exact else dtype)
            sums, *others = windows_of(places)
            terms = term(values, *others)
            for there in is_there(cells):
                terms = filled(terms, there)
            sums += _row_sums(terms.astype(dtype, copy=False), sums.shape, len(geometry.axes))
    return total


def spread(
    dy: Array,
    geometry: Geometry,
    dtype: np.dtype[Any],
    slope: Callable[..., Array] | None = None,
    x: Array | None = None,
    *beside: Array,
    mask: Array | None = None,
    exact: bool = False,
    engine: str | None = None,
) -> Array:
    """For each cell the sum over its windows of ``dy * slope(x, *beside)``; of dy by default.

    Shapes: dy and beside `geometry.y_shape`; x, mask, and the result, `geometry.shape`. Sums are
    made in `dtype`, with a slope in the order of the outputs; x and beside are converted to it,
    unless `slope` is to see the `exact` ones. Where a slope is a bool, it says whether dy goes
    there. Cells that the mask has False for get 0. `engine` is for sums without a slope.
    """
    dtype = dtype.newbyteorder("=")
    if slope is None:
        run = engines.choose(engine, dtype, geometry, backward=True, sums=True)
        return filled(run.spread(dy.astype(dtype, copy=False), geometry), mask)
    dx = np.zeros(geometry.shape, dtype)
    cells_of, x_of = _views(geometry, dx), _views(geometry, *(() if x is None else (x,)))
    windows_of = _views(geometry, dy, *beside)
    seen = None if exact else dtype
    with np.errstate(all="ignore"):
        # The last tap first: for any one cell that is the order of its outputs.
        for cells, places in _meetings(geometry, reverse=True):
            (sums,) = cells_of(cells)
            slopes, *others = windows_of(places, seen)
            slopes = slopes.astype(dtype, copy=False)
            factor = slope(*x_of(cells, seen), *others)
            # a bool one selects: an infinite dy times False would be NaN
            sums += filled(slopes, factor) if factor.dtype == bool else slopes * factor
    return filled(dx, mask)


def filled(x: Array, mask: Array | None, value: Any = 0) -> Array:
    """`x` with `value` in all cells that the mask has False for; x itself without a mask."""
    if mask is None:
        return x
    # NumPy's result has this machine's byte order
    return np.where(mask, x, np.array(value).astype(x.dtype)).astype(x.dtype, copy=False)


def window_max(
    x: Array, geometry: Geometry, mask: Array | None = None, engine: str | None = None
) -> Array:
    """For each window the largest of its cells, NaN if there is one; in x's dtype.

    The lowest that the dtype has, where the mask leaves no cell.
    """
    largest = np.empty(geometry.y_shape, x.dtype)
    run = engines.choose(engine, x.dtype, geometry)
    run.max_pool(filled(x, mask, lowest(x.dtype)), geometry, largest, None)
    return largest


def total(values: Array) -> float:
    """The sum of all, in float64 and in the same order for every memory layout."""
    with np.errstate(all="ignore"):
        return float(np.ascontiguousarray(values).sum(dtype=np.float64))


def power_sums(x: Array, geometry: Geometry, p: int, engine: str | None = None) -> Array:
    """The windows' sums of magnitudes (p = 1) or squares (2), in x's dtype."""
    dtype = x.dtype.newbyteorder("=")
    run = engines.choose(engine, dtype, geometry, sums=True)
    return run.window_sums(x.astype(dtype, copy=False), geometry, powers=p)


def means(x: Array, geometry: Geometry, divisors: Array, engine: str | None = None) -> Array:
    """The windows' sums over `divisors`, in x's dtype if that is a float, else float64.

    The divisors have one value along each batch axis; the 2-byte floats are rounded once.
    """
    dtype = _mean_dtype(x.dtype)
    run = engines.choose(engine, dtype, geometry, sums=True)
    found = run.window_sums(
        x.astype(dtype, copy=False), geometry, divisors.astype(sum_dtype(dtype))
    )
    return float_result(found, x.dtype)


def spread_means(
    dy: Array, geometry: Geometry, divisors: Array, engine: str | None = None
) -> Array:
    """`dy` over `divisors` for every cell of its window, summed; the adjoint of `means`."""
    dtype = _mean_dtype(dy.dtype)
    run = engines.choose(engine, dtype, geometry, backward=True, sums=True)
    found = run.spread(dy.astype(dtype, copy=False), geometry, divisors.astype(sum_dtype(dtype)))
    return float_result(found, dy.dtype)


def _mean_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64) if dtype.kind in "biu" else dtype.newbyteorder("=")


def float_dtype(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """What means and norms are computed in: float64 for integers and bool, as NumPy's mean is."""
    found = [sum_dtype(dtype) if dtype.kind not in "biu" else np.float64 for dtype in dtypes]
    return np.result_type(*found)


def float_result(result: Array, dtype: np.dtype[Any]) -> Array:
    """A `result` for an input of `dtype`: in that if it is a float, else as it was computed."""
    return result if dtype.kind in "biu" else rounded(result, dtype)


def rounded(result: Array, dtype: np.dtype[Any]) -> Array:
    """The `result` in `dtype`."""
    if result.dtype == dtype:  # the common case, and np.errstate takes longer than a small pooling
        return result
    with np.errstate(over="ignore"):
        return result.astype(dtype, copy=False)


def _meetings(geometry: Geometry, reverse: bool = False) -> Iterator[tuple[Slices, Slices]]:
    """Slices of x's cells and of y's windows that belong together; see `_views`."""
    if not windows_are_fewer(geometry):
        for _, cells, places in taps(geometry, reverse):
            yield cells, places
        return
    for place, cells, _ in windows(geometry):
        # an axis of one window stays, so that it broadcasts against that window's cells
        kept = (slice(at, at + 1) if isinstance(at, int) else at for at in place)
        yield cells, tuple(kept)


def _views(geometry: Geometry, *arrays: Array) -> Callable[..., list[Array]]:
    """A function that takes slices out of all these arrays, in a dtype if one is named."""
    if windows_are_fewer(geometry):  # whose slices are for arrays with the pooled axes last
        last = range(-len(geometry.axes), 0)
        arrays = tuple(np.moveaxis(array, geometry.axes, last) for array in arrays)

    def views(slices: Slices, dtype: np.dtype[Any] | None = None) -> list[Array]:
        cut = [array[slices] for array in arrays]
        return cut if dtype is None else [part.astype(dtype, copy=False) for part in cut]

    return views


def _row_sums(terms: Array, shape: tuple[int, ...], d: int) -> Array:
    """One window's `terms`, summed over the d last axes; one tap's are of `shape` already."""
    if terms.shape == shape:
        return terms
    # (batch axes, pooled axes) -> (batch axes, cells); contiguous, so that NumPy adds in the same
    # order for every memory layout
    rows = np.ascontiguousarray(terms).reshape(*terms.shape[:-d], prod(terms.shape[-d:]))
    sums: Array = rows.sum(axis=-1, dtype=terms.dtype)
    return sums.reshape(shape)
