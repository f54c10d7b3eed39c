"""The engine that runs anywhere, and the readable specification of max pooling.

It goes tap by tap, vectorised over the windows: the cells that stand at one place of their windows
are one strided slice of the input, and the outputs that they belong to are one slice of the output.
Where there are fewer windows than taps, as in global pooling, it goes window by window, vectorised
over the taps. Either way padding is not looked at: it is in no slice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import lowest, sum_dtype
from ..geometry import Geometry
from ..indices import first_outside, refuse_index
from .slices import Window, taps, windows, windows_are_fewer
from .trees import Row, parts, row_sums

Array = NDArray[Any]


def serves(dtype: np.dtype[Any], geometry: Geometry, backward: bool = False) -> bool:
    """Every geometry and dtype."""
    return True


serves_sums = serves


def max_pool(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    """Fill `y` with each window's maximum and `indices` with the winner's offset in its window.

    Shapes: x `geometry.shape`; y and indices `geometry.y_shape`.
    """
    if not y.size:
        return
    if geometry.cells == 1:
        (tap,) = taps(geometry)
        y[...] = x[tap.cells]
        if indices is not None:
            indices[...] = 0
    elif windows_are_fewer(geometry):
        _by_windows(x, geometry, y, indices)
    else:
        _by_taps(x, geometry, y, indices)


def max_pool_backward(dy: Array, indices: Array, geometry: Geometry) -> Array:
    """dx of `geometry.shape`: each dy added to the cell that won its window.

    Sums in the order of the outputs, in float32 for the 2-byte floats, as the native engine does.
    """
    if (position := first_outside(indices, geometry)) is not None:
        refuse_index(indices, geometry, position)
    dx = np.zeros(geometry.shape, sum_dtype(dy.dtype))
    if not dx.size:
        return dx.astype(dy.dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):  # inf and NaN add up as they do in C
        if windows_are_fewer(geometry):
            _add_by_windows(dy, indices, geometry, dx)
        else:
            _add_by_taps(dy, indices, geometry, dx)
        return dx.astype(dy.dtype, copy=False)


def beats(new: Array, best: Array) -> Array:
    """Where a cell wins over those before it: if it is higher, or the first NaN."""
    with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN where float32 does not
        wins: Array = new > best
    if new.dtype.kind not in "iub":
        wins |= (new != new) & (best == best)
    return wins


def window_sums(
    x: Array, geometry: Geometry, divisors: Array | None = None, powers: int = 0
) -> Array:
    """The sum of each window, in x's dtype: along the first pooled axis, then the next.

    Along an axis in the order of `trees`. The 2-byte floats are summed in float32 and rounded once;
    of bools it is whether any is True. `divisors` (of that dtype, broadcastable to y) divide the
    sums. With `powers` of 1 or 2 those of the magnitudes are summed.
    """
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        sums = x.astype(sum_dtype(x.dtype).newbyteorder("="), copy=False)
        if powers:
            sums = np.abs(sums) if powers == 1 else sums * sums
        for number, axis in enumerate(geometry.axes):
            row = Row(
                geometry.kernel[number], -geometry.before[number], geometry.dilation[number],
                geometry.stride[number], geometry.out[number],
            )  # fmt: skip
            sums = row_sums(sums, axis, row)
        sums = sums + sums.dtype.type(0)  # a sum begins with zero: there is no -0.0
        y: Array = (sums if divisors is None else sums / divisors).astype(x.dtype, copy=False)
        return y


def spread(dy: Array, geometry: Geometry, divisors: Array | None = None) -> Array:
    """dx of `geometry.shape` and dy's dtype: the sum of dy over the windows that a cell is in.

    The adjoint of `window_sums`: along the last pooled axis, then the one before, in the order of
    `trees` over the windows. `divisors` divide dy. Dtypes are as there.
    """
    with np.errstate(all="ignore"):
        sums = dy.astype(sum_dtype(dy.dtype).newbyteorder("="), copy=False)
        if divisors is not None:
            sums = sums / divisors
        for number in reversed(range(len(geometry.axes))):
            sums = _spread_along(sums, geometry, number)
        dx: Array = (sums + sums.dtype.type(0)).astype(dy.dtype, copy=False)
        return dx


def _spread_along(dy: Array, geometry: Geometry, number: int) -> Array:
    n, axis, stride = geometry.sizes[number], geometry.axes[number], geometry.stride[number]
    kernel, dilation = geometry.kernel[number], geometry.dilation[number]
    before = geometry.before[number]
    dx = np.zeros((*dy.shape[:axis], n, *dy.shape[axis + 1 :]), dy.dtype)
    cells = dx.swapaxes(axis, 0)
    if (kernel - 1) * dilation < stride:  # no cell is in two windows: no sums
        dy = dy.swapaxes(axis, 0)
        if len(dy) < kernel:
            for place in range(len(dy)):
                start = place * stride - before
                first = -(start // dilation) if start < 0 else 0
                stop = start + (kernel - 1) * dilation + 1
                cells[start + first * dilation : stop : dilation] = dy[place]
            return dx
        for tap in range(kernel):
            start = tap * dilation - before
            first = -(start // stride) if start < 0 else 0
            some = cells[start + first * stride :: stride][: len(dy) - first]
            some[...] = dy[first : first + len(some)]
        return dx
    for start, row in parts(n, kernel, stride, dilation, before):
        cells[start::stride] = row_sums(dy, axis, row).swapaxes(axis, 0)
    return dx


def _by_taps(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    # With nothing seen yet the lowest value stands at the first tap that is no padding: the right
    # answer already if no cell of the window is higher.
    y[...] = lowest(x.dtype)
    if indices is not None:
        indices[...] = _first_inside(geometry)
    for offset, cells, outputs in taps(geometry):
        new, best = x[cells], y[outputs]
        wins = beats(new, best)
        np.copyto(best, new, where=wins)
        if indices is not None:
            np.copyto(indices[outputs], offset, where=wins, casting="unsafe")


def _add_by_taps(dy: Array, indices: Array, geometry: Geometry, dx: Array) -> None:
    zero = np.zeros((), dx.dtype)
    # The last tap first: for any one cell that is the order of its outputs.
    for offset, cells, outputs in taps(geometry, reverse=True):
        dx[cells] += np.where(indices[outputs] == offset, dy[outputs], zero)


def _by_windows(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    # (batch axes, pooled axes)
    x_last, y_last = _pooled_last(x, geometry), _pooled_last(y, geometry)
    for window in windows(geometry):
        cells = x_last[window.cells]
        sides = cells.shape[y.ndim - len(geometry.axes) :]
        # (batch axes, taps inside)
        cells = cells.reshape(*cells.shape[: -len(sides)], -1)
        winner = cells.argmax(axis=-1, keepdims=True)  # the first NaN, or the first of the highest
        y_last[window.place] = np.take_along_axis(cells, winner, -1)[..., 0]
        if indices is not None:
            offset = _offset(winner[..., 0], sides, window, geometry)
            _pooled_last(indices, geometry)[window.place] = offset


def _add_by_windows(dy: Array, indices: Array, geometry: Geometry, dx: Array) -> None:
    # (batch axes, pooled axes)
    dy_last, indices_last, dx_last = (_pooled_last(a, geometry) for a in (dy, indices, dx))
    batch = np.ix_(*(np.arange(n) for n in dy_last.shape[: -len(geometry.axes)]))
    for window in windows(geometry):
        # One cell of each batch item, so that none is there twice.
        winners: tuple[Array, ...] = (*batch, *_taps_inside(indices_last, window, geometry))
        dx_last[window.cells][winners] += dy_last[window.place]


def _offset(winner: Array, sides: tuple[int, ...], window: Window, geometry: Geometry) -> Array:
    """Row-major among the window's cells inside the input -> row-major in the whole window."""
    steps = np.unravel_index(winner, sides)
    offset = np.zeros(winner.shape, np.int64)
    for step, first, weight in zip(steps, window.first, geometry.weights, strict=True):
        offset += (first + step) * weight
    return offset


def _taps_inside(indices_last: Array, window: Window, geometry: Geometry) -> list[Array]:
    """Along each pooled axis, the winner's place among the window's cells inside the input."""
    left, steps = indices_last[window.place].astype(np.int64), []
    for first, weight in zip(window.first, geometry.weights, strict=True):
        tap, left = np.divmod(left, weight)
        steps.append(tap - first)
    return steps


def _pooled_last(array: Array, geometry: Geometry) -> Array:
    """A view with the pooled axes behind all others."""
    return np.moveaxis(array, geometry.axes, range(-len(geometry.axes), 0))


def _first_inside(geometry: Geometry) -> Array:
    """For every output, the row-major offset of its window's first tap that is no padding.

    Shape: broadcasts to `geometry.y_shape`.
    """
    total = np.zeros((1,) * len(geometry.shape), np.int64)
    for number, axis in enumerate(geometry.axes):
        along = [1] * len(geometry.shape)
        along[axis] = -1
        total = total + (geometry.first_inside(number) * geometry.weights[number]).reshape(along)
    return total.astype(geometry.index_dtype)
