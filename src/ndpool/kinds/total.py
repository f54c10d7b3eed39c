"""Sum pooling: the sum of each window. Its two functions are each other's adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

from numpy.typing import ArrayLike, NDArray

from ..dtypes import sum_dtype
from ..geometry import Size
from .layer import Layer
from .mechanism import rounded, spread, window_sums
from .words import GradientWords, Words, opened, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def sum_pool(x: ArrayLike, kernel_size: Size, **words: Unpack[Words]) -> Array:
    """The sum of each window of `x`; padding adds nothing.

    >>> import numpy as np, ndpool
    >>> ndpool.sum_pool(np.array([[1, 5, 2], [3, 4, 9]]), 2, stride=1)
    array([[13, 20]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}

    Returns:
        y of `max_pool`'s output shape and x's dtype. Integers wrap around as NumPy's do, and bools
        are or-ed, as they are by NumPy's ``+``: convert x first for a wider sum. float16 and
        bfloat16 are summed in float32 and rounded once. A window without a cell is 0.

    {errors}

    Source: ``jax.lax.reduce_window`` with ``add``; as a layer of a network, Boureau, Ponce, LeCun,
    "A theoretical analysis of feature pooling in visual recognition", ICML 2010.
    """
    x, shapes, mask = opened(x, kernel_size, words)
    dtype, engine = sum_dtype(x.dtype), words.get("engine")
    return rounded(window_sums(x, shapes, dtype, mask=mask, engine=engine), x.dtype)


@pooling
def sum_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `sum_pool`: each `dy` goes to all cells of its window.

    >>> import numpy as np, ndpool
    >>> ndpool.sum_pool_backward(np.array([[1, 2]]), (2, 3), 2, stride=1)
    array([[1, 3, 2],
           [1, 3, 2]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}

    Returns:
        dx of shape `x_shape` and dy's dtype; a cell's parts are added in pairs, the same to the bit
        for any engine and number of threads, in the dtypes of `sum_pool`.

    {errors}

    Source: see `sum_pool`.
    """
    dy, shapes, mask = opened_gradient(dy, x_shape, kernel_size, words)
    dtype, engine = sum_dtype(dy.dtype), words.get("engine")
    return rounded(spread(dy, shapes, dtype, mask=mask, engine=engine), dy.dtype)


class SumPool(Layer):
    """Sum pooling with its backward pass; arguments as in `ndpool.sum_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.SumPool(2)
    >>> layer.forward(np.array([[1, 5], [3, 4]]))
    array([[13]])
    >>> layer.backward(np.array([[2]]))
    array([[2, 2],
           [2, 2]])

    Of the input only the shape is kept. Raises and source: see `ndpool.sum_pool`.
    """

    _pool = staticmethod(sum_pool)
    _gradient = staticmethod(sum_pool_backward)
