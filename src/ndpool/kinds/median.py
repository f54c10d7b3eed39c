"""Median pooling: the middle of each window's cells in ascending order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import any_array
from ..choices import one_of
from ..dtypes import highest, sum_dtype
from ..errors import PoolError
from ..geometry import Size, plain_shape
from ..indices import IndexForm, asked_form
from ..pool import max_pool_backward
from .layer import WinnerLayer
from .mechanism import float_dtype, float_result
from .rows import Rows, chosen, in_form, with_nan
from .words import GradientWords, Words, opened, opened_gradient, pooling

Array = NDArray[Any]
Method = Literal["midpoint", "lower", "higher"]


@overload
def median_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    method: Method = ...,
    return_indices: Literal[False] = ...,
    **words: Unpack[Words],
) -> Array: ...


@overload
def median_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    method: Method = ...,
    return_indices: Literal[True] | IndexForm,
    **words: Unpack[Words],
) -> tuple[Array, Array]: ...


@pooling
def median_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    method: Method = "midpoint",
    return_indices: bool | IndexForm = False,
    **words: Unpack[Words],
) -> Array | tuple[Array, Array]:
    """The median of each window of `x`, and on request which cells it came from.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> ndpool.median_pool(x, 2)
    array([[3.5, 4.5]])
    >>> ndpool.median_pool(x, 2, method="lower", return_indices=True)
    (array([[3, 2]]), array([[2, 0]], dtype=uint8))

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        method: What the median of an even number of cells is, in `numpy.quantile`'s words: the
            mean of the two in the middle ("midpoint"), the "lower" or the "higher" of them.
        return_indices: As in `ndpool.max_pool`; for "midpoint" of shape ``(2, *y.shape)``, first
            those of the lower cells, then those of the higher, which are the same where the
            number of cells is odd.

    Returns:
        y of `max_pool`'s output shape; in x's dtype, but float64 for "midpoint" of integers and
        bool, as `numpy.median` has it; with `return_indices` the pair ``(y, indices)``. The median
        is of the cells inside the input: padding is not among them. Of equal cells the first in
        row-major order is the one. In a window with NaN that is it, the first one.
        A window without a cell is NaN, its index that of a cell inside x; for dtypes without NaN
        it is an error.

    {errors}

    Source: Tukey, "Exploratory data analysis", 1977, as a filter of signals; of images, Huang,
    Yang, Tang, "A fast two-dimensional median filtering algorithm", IEEE TASSP 27(1), 1979.
    """
    how = one_of(Method, "method", method)
    form = asked_form("return_indices", return_indices)
    x, shapes, mask = opened(x, kernel_size, words)
    ranks = ("lower", "higher") if how == "midpoint" else (how,)
    found, offsets = chosen(x, shapes, mask, len(ranks), lambda rows: _winners(rows, ranks))
    y: Array = found[0]
    if how == "midpoint":
        y = float_result(_midpoints(found.astype(float_dtype(x.dtype))), x.dtype)
    y = with_nan(y, shapes, mask)
    if form is None:
        return y
    indices = np.stack([in_form(each, shapes, form) for each in offsets])
    return y, (indices if how == "midpoint" else indices[0])


@pooling
def median_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    method: Method = "midpoint",
    index_form: IndexForm = "window",
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `median_pool`: each `dy` goes to its window's median, or in halves to two.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> y, indices = ndpool.median_pool(x, 2, return_indices=True)
    >>> ndpool.median_pool_backward(np.array([[6.0, 8.0]]), indices, x.shape, 2)
    array([[0., 0., 4., 0.],
           [3., 3., 0., 4.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: The median's cells as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}
        method: As in the forward call.
        index_form: The form of `indices`: "window", "plane" or "tensor", see `ndpool.max_pool`.

    Returns:
        dx of shape `x_shape` and dy's dtype, but float64 for "midpoint" of integers and bool.
        A cell's parts are added in the order of the outputs, halves of the lower before those of
        the higher; in float32 for float16 and bfloat16.

    {errors}

    Source: see `median_pool`.
    """
    how = one_of(Method, "method", method)
    dy, shapes, _ = opened_gradient(dy, plain_shape("x_shape", x_shape), kernel_size, words)
    given = any_array("indices", indices)
    if how != "midpoint":
        return max_pool_backward(
            dy, given, shapes.shape, kernel_size, index_form=index_form, **words
        )
    if given.shape != (2, *shapes.y_shape):
        raise PoolError("indices", f"shape {(2, *shapes.y_shape)}", f"shape {given.shape}")
    halves = dy.astype(float_dtype(dy.dtype)) / 2
    lower, higher = (
        max_pool_backward(halves, each, shapes.shape, kernel_size, index_form=index_form, **words)
        for each in given
    )
    with np.errstate(all="ignore"):
        return float_result(lower + higher, dy.dtype)


class MedianPool(WinnerLayer):
    """Median pooling with its backward pass; arguments as in `ndpool.median_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MedianPool(2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    array([[3.5]])
    >>> layer.backward(np.array([[10.0]]))
    array([[0., 0.],
           [5., 5.]])

    The medians' indices are kept for backward, and not the input. Raises and source: see
    `ndpool.median_pool`.
    """

    _pool = staticmethod(median_pool)
    _gradient = staticmethod(median_pool_backward)


def _winners(rows: Rows, ranks: Sequence[str]) -> Array:
    """The places in the rows of the lower and the higher median, as asked."""
    dtype = sum_dtype(rows.cells.dtype).newbyteorder("=")
    cells = rows.cells.astype(dtype, copy=False)
    # What is not there is as high as can be, so that the cells' own order is not changed by it.
    ordered = np.sort(np.where(rows.there, cells, highest(dtype)), axis=-1)
    last = rows.there.sum(axis=-1, keepdims=True) - 1
    is_nan = (cells != cells) & rows.there
    has_nan = is_nan.any(axis=-1, keepdims=True)
    is_odd = not (last % 2).any()  # then the two in the middle are one
    places: list[Array] = []
    for rank in ranks[:1] if is_odd else ranks:
        middle = (last + (rank == "higher")) // 2
        middle = middle.reshape((1,) * (cells.ndim - middle.ndim) + middle.shape)
        value = np.take_along_axis(ordered, middle, -1)
        found = (cells == value) & rows.there
        if has_nan.any():
            found = np.where(has_nan, is_nan, found)
        places.append(found.argmax(axis=-1))
    return np.stack(places * len(ranks) if is_odd else places)


def _midpoints(pair: Array) -> Array:
    """The means of the lower and the higher, the first axis; no sum of finite ones overflows."""
    with np.errstate(all="ignore"):
        sums: Array = pair[0] + pair[1]
        return np.where(np.isinf(sums), pair[0] / 2 + pair[1] / 2, sums / 2)
