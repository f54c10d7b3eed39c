"""im2col and col2im for any number of axes: windows as a matrix, and back by adding."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, NamedTuple, SupportsIndex, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..dtypes import sum_dtype
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Size, geometry, plain_shape
from ..kinds.mechanism import rounded
from ..kinds.words import GeometryWords, fitting, placed, pooling
from .cells import add, cut, filling, windows_shape

Array = NDArray[Any]
Layout = Literal["rows", "columns", "unfold"]


@pooling
def im2col(
    x: ArrayLike,
    kernel_size: Size,
    *,
    layout: Layout = "rows",
    channel_axes: Size | None = None,
    fill: Any = 0,
    **words: Unpack[GeometryWords],
) -> Array:
    """The windows of `x` as a matrix, all channels of a window together.

    >>> import numpy as np, ndpool
    >>> x = np.array([[[[1, 2, 3], [4, 5, 6]]]])
    >>> ndpool.im2col(x, 2, stride=1)
    array([[1, 2, 4, 5],
           [2, 3, 5, 6]])
    >>> ndpool.im2col(x, 2, stride=1, layout="columns")
    array([[1, 2],
           [2, 3],
           [4, 5],
           [5, 6]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        layout: With images (N, C, H, W), windows (h, w) and OH x OW of them

            ========= ====================== ===================================================
            "rows"    (N*OH*OW, C*h*w)       rows (n, oh, ow), columns (c, i, j)
            "columns" (C*h*w, N*OH*OW)       its transpose
            "unfold"  (N, C*h*w, OH*OW)      PyTorch's ``unfold``; every batch axis stays an axis
            ========= ====================== ===================================================
        channel_axes: The axes of `x` that go with the cells of a window, before them; None is the
            last axis that is not pooled, () none.
        fill: What stands where windows reach into padding; a number that x's dtype holds.

    Returns:
        A new array of x's dtype, written once. All orders are row-major. As in all of ndpool the
        stride is `kernel_size` unless it is given; in books and PyTorch's ``unfold`` it is 1.

    {errors}

    Source: Chellapilla, Puri, Simard, "High performance convolutional neural networks for document
    processing", IWFHR 2006. `ndpool.textbook.rows` and `columns` have the first two layouts as two
    books write them, for images.
    """
    x = as_array("x", x)
    shapes = placed(x.shape, kernel_size, words)
    value, matrix = filling(fill, x.dtype), _matrix(shapes, layout, channel_axes)
    col = np.empty(matrix.shape, x.dtype)
    cut(x, shapes, matrix.windows(col), value)
    return col


@pooling
def col2im(
    col: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    layout: Layout = "rows",
    channel_axes: Size | None = None,
    **words: Unpack[GeometryWords],
) -> Array:
    """The adjoint of `im2col`: each element is added to the cell that it was taken from.

    >>> import numpy as np, ndpool
    >>> col = ndpool.im2col(np.ones((1, 1, 2, 3), int), 2, stride=1)
    >>> ndpool.col2im(col, (1, 1, 2, 3), 2, stride=1)
    array([[[[1, 2, 1],
             [1, 2, 1]]]])

    Args:
        col: A matrix as `im2col` returns it; any poolable dtype. Not modified.
        x_shape: Shape of the array that it was made of.
        {geometry}
        layout, channel_axes: As in `im2col`.

    Returns:
        A new array of shape `x_shape` and col's dtype, added up as by `ndpool.overlap_add`: 0 where
        no window looks; what stands in padding is left out.

    {errors}

    Source: see `im2col`; with ``layout="unfold"`` it is PyTorch's ``fold``.
    """
    col = as_array("col", col)
    shapes = placed(plain_shape("x_shape", x_shape), kernel_size, words)
    matrix = _matrix(shapes, layout, channel_axes)
    x = np.zeros(shapes.shape, sum_dtype(col.dtype))
    add(matrix.windows(fitting("col", col, matrix.shape)), shapes, x)
    return rounded(x, col.dtype)


class _Matrix(NamedTuple):
    """How the axes of an array of windows are put together."""

    groups: tuple[tuple[int, ...], ...]  # for each axis of the matrix the windows' axes in it
    sizes: tuple[int, ...]  # of the windows' axes

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(prod(self.sizes[axis] for axis in group) for group in self.groups)

    def windows(self, col: Array) -> Array:
        """`col` as an array of windows; a view if col is contiguous."""
        order = [axis for group in self.groups for axis in group]
        # (groups) -> (axes in the order of the groups) -> (y's axes, window's axes)
        return col.reshape([self.sizes[axis] for axis in order]).transpose(np.argsort(order))


def _matrix(shapes: Geometry, layout: object, channel_axes: Size | None) -> _Matrix:
    if not isinstance(layout, str):
        raise PoolTypeError("layout", "'rows', 'columns' or 'unfold'", shown(layout))
    if layout not in get_args(Layout):
        raise PoolError("layout", "'rows', 'columns' or 'unfold'", shown(layout))
    channels = _channels(shapes, channel_axes)
    apart = (*shapes.axes, *channels)
    batch = tuple(axis for axis in range(len(shapes.shape)) if axis not in apart)
    sizes = windows_shape(shapes)
    window = (*channels, *range(len(shapes.shape), len(sizes)))
    groups: tuple[tuple[int, ...], ...]
    if layout == "unfold":
        groups = (*((axis,) for axis in batch), window, shapes.axes)
    else:
        rows = (*batch, *shapes.axes)
        groups = (rows, window) if layout == "rows" else (window, rows)
    return _Matrix(groups, sizes)


def _channels(shapes: Geometry, asked: Size | None) -> tuple[int, ...]:
    others = [axis for axis in range(len(shapes.shape)) if axis not in shapes.axes]
    if asked is None:
        return tuple(others[-1:])
    if isinstance(asked, (tuple, list)) and not asked:
        return ()
    try:  # windows of one cell are right for any array: they say which axes are meant
        channels = geometry((1,) * len(shapes.shape), 1, axes=asked).axes
    except (PoolError, PoolTypeError) as error:
        _, expected, got, hint = error._parts
        raise type(error)("channel_axes", expected, got, hint) from None
    if set(channels) & set(shapes.axes):
        raise PoolError("channel_axes", f"axes that are not pooled: {others}", asked)
    return channels
