"""All windows of an array, without a copy where there is no padding; and their overlap-add."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..dtypes import sum_dtype
from ..geometry import Size, plain_shape
from ..kinds.mechanism import rounded
from ..kinds.words import GeometryWords, fitting, placed, pooling
from .cells import add, cut, filling, windows_shape, windows_view

Array = NDArray[Any]


@pooling
def windows(
    x: ArrayLike, kernel_size: Size, *, fill: Any = 0, **words: Unpack[GeometryWords]
) -> Array:
    """All windows of `x`: im2col for any number of axes, before any reshaping.

    >>> import numpy as np, ndpool
    >>> x = np.array([1, 5, 2, 7])
    >>> ndpool.windows(x, (2,), stride=1)
    array([[1, 5],
           [5, 2],
           [2, 7]])
    >>> ndpool.windows(x, (3,), padding=1, fill=-1)
    array([[-1,  1,  5],
           [ 2,  7, -1]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        fill: What stands in windows where they reach into padding; a number that x's dtype holds.

    Returns:
        w of x's dtype: its first axes are those of `max_pool`'s output, then follows one axis of
        the window for each pooled one, ascending. Where no window reaches out of x, a read-only
        view of it: nothing is copied. Otherwise a new array.

    {errors}

    Source: Chellapilla, Puri, Simard, "High performance convolutional neural networks for document
    processing", IWFHR 2006; as a view, ``numpy.lib.stride_tricks.sliding_window_view``, which has
    no stride, dilation or padding.
    """
    x = as_array("x", x)
    shapes = placed(x.shape, kernel_size, words)
    value = filling(fill, x.dtype)
    w = windows_view(x, shapes)
    if w is None:
        w = np.empty(windows_shape(shapes), x.dtype)
        cut(x, shapes, w, value)
    return w


@pooling
def overlap_add(
    w: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    **words: Unpack[GeometryWords],
) -> Array:
    """The adjoint of `windows`: each element is added to the cell that it was taken from.

    >>> import numpy as np, ndpool
    >>> ndpool.overlap_add(np.array([[1, 2], [30, 40], [500, 600]]), (4,), (2,), stride=1)
    array([  1,  32, 540, 600])

    Args:
        w: Windows as `windows` returns them; any poolable dtype. Not modified.
        x_shape: Shape of the array that they are windows of.
        {geometry}

    Returns:
        A new array of shape `x_shape` and w's dtype; 0 where no window looks, and what stands in
        padding is left out. A cell's parts are added in the order of the windows (float16 and
        bfloat16 in float32, rounded once; integers wrap around; bools are or-ed).

    {errors}

    Source: Allen, Rabiner, "A unified approach to short-time Fourier analysis and synthesis",
    Proceedings of the IEEE 65(11), 1977.
    """
    w = as_array("w", w)
    shapes = placed(plain_shape("x_shape", x_shape), kernel_size, words)
    fitting("w", w, windows_shape(shapes))
    x = np.zeros(shapes.shape, sum_dtype(w.dtype))
    add(w, shapes, x)
    return rounded(x, w.dtype)
