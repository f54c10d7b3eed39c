"""Global average, sum and Lp pooling, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

from numpy.typing import ArrayLike, NDArray

from .average import avg_pool, avg_pool_backward
from .layer import Layer, ValueLayer
from .norm import lp_pool, lp_pool_backward
from .norm import smooth as smooth_norm
from .smooth import Smooth
from .total import sum_pool, sum_pool_backward
from .whole import window_of, window_of_shape
from .words import WholeGradientWords, WholeWords, pooling

Array = NDArray[Any]


@pooling
def global_avg_pool(x: ArrayLike, **words: Unpack[WholeWords]) -> Array:
    """The mean over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_avg_pool(np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]))
    array([[4.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {axes}

    Returns:
        What `avg_pool` returns for a window of the pooled axes' sizes.

    {errors}

    Source: Lin, Chen, Yan, "Network in network", ICLR 2014.
    """
    size, given = window_of(x, words)
    return avg_pool(x, size, **given)


@pooling
def global_avg_pool_backward(
    dy: ArrayLike, x_shape: Sequence[SupportsIndex], **words: Unpack[WholeGradientWords]
) -> Array:
    """The gradient of `global_avg_pool`: each `dy` goes to all cells in equal parts.

    >>> import numpy as np, ndpool
    >>> ndpool.global_avg_pool_backward(np.array([[6.0]]), (2, 3))
    array([[1., 1., 1.],
           [1., 1., 1.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        {axes}

    Returns:
        dx of shape `x_shape`, as `avg_pool_backward` returns it.

    {errors}

    Source: see `global_avg_pool`.
    """
    size, given = window_of_shape(x_shape, words)
    return avg_pool_backward(dy, x_shape, size, **given)


class GlobalAvgPool(Layer):
    """Global average pooling with its backward pass; arguments as in `ndpool.global_avg_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GlobalAvgPool()
    >>> layer.forward(np.array([[1.0, 5.0], [2.0, 4.0]]))
    array([[3.]])
    >>> layer.backward(np.array([[8.0]]))
    array([[2., 2.],
           [2., 2.]])

    Of the input only the shape is kept. Raises and source: see `ndpool.global_avg_pool`.
    """

    _pool = staticmethod(global_avg_pool)
    _gradient = staticmethod(global_avg_pool_backward)


@pooling
def global_sum_pool(x: ArrayLike, **words: Unpack[WholeWords]) -> Array:
    """The sum over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_sum_pool(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[24]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {axes}

    Returns:
        What `sum_pool` returns for a window of the pooled axes' sizes.

    {errors}

    Source: see `sum_pool`.
    """
    size, given = window_of(x, words)
    return sum_pool(x, size, **given)


@pooling
def global_sum_pool_backward(
    dy: ArrayLike, x_shape: Sequence[SupportsIndex], **words: Unpack[WholeGradientWords]
) -> Array:
    """The gradient of `global_sum_pool`: each `dy` goes to all cells.

    >>> import numpy as np, ndpool
    >>> ndpool.global_sum_pool_backward(np.array([[6]]), (2, 3))
    array([[6, 6, 6],
           [6, 6, 6]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        {axes}

    Returns:
        dx of shape `x_shape`, as `sum_pool_backward` returns it.

    {errors}

    Source: see `sum_pool`.
    """
    size, given = window_of_shape(x_shape, words)
    return sum_pool_backward(dy, x_shape, size, **given)


class GlobalSumPool(Layer):
    """Global sum pooling with its backward pass; arguments as in `ndpool.global_sum_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GlobalSumPool()
    >>> layer.forward(np.array([[1, 5], [2, 4]]))
    array([[12]])
    >>> layer.backward(np.array([[8]]))
    array([[8, 8],
           [8, 8]])

    Of the input only the shape is kept. Raises and source: see `ndpool.global_sum_pool`.
    """

    _pool = staticmethod(global_sum_pool)
    _gradient = staticmethod(global_sum_pool_backward)


@pooling
def global_lp_pool(x: ArrayLike, norm_type: float, **words: Unpack[WholeWords]) -> Array:
    """The p-norm over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_lp_pool(np.array([[3.0, -4.0], [0.0, 0.0]]), 2)
    array([[5.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        norm_type: p, as in `ndpool.lp_pool`.
        {axes}

    Returns:
        What `lp_pool` returns for a window of the pooled axes' sizes.

    {errors}

    Source: see `ndpool.lp_pool`; GlobalLpPool of the ONNX standard.
    """
    size, given = window_of(x, words)
    return lp_pool(x, norm_type, size, **given)


def smooth(x: Array, norm_type: float, **words: Unpack[WholeWords]) -> Smooth:
    """What the derivatives of `global_lp_pool` at x are made of; see `Smooth`."""
    size, given = window_of(x, words)
    return smooth_norm(x, norm_type, size, **given)


@pooling
def global_lp_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    norm_type: float,
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `global_lp_pool`: ``dy * sign(x) * (|x| / y) ** (p - 1)`` for each cell.

    >>> import numpy as np, ndpool
    >>> x = np.array([[3.0, -4.0], [0.0, 0.0]])
    >>> ndpool.global_lp_pool_backward(np.array([[10.0]]), x, ndpool.global_lp_pool(x, 2), 2)
    array([[ 6., -8.],
           [ 0.,  0.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x, y: The forward call's input and output. Not modified.
        norm_type: As in the forward call.
        {axes}

    Returns:
        dx of x's shape, as `lp_pool_backward` returns it.

    {errors}

    Source: see `ndpool.lp_pool`.
    """
    size, given = window_of(x, words)
    return lp_pool_backward(dy, x, y, norm_type, size, **given)


class GlobalLPPool(ValueLayer):
    """Global Lp pooling with its backward pass; arguments as in `ndpool.global_lp_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GlobalLPPool(2)
    >>> layer.forward(np.array([[3.0, -4.0], [0.0, 0.0]]))
    array([[5.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[ 6., -8.],
           [ 0.,  0.]])

    What it remembers is as in `ndpool.LPPool`. Raises and source: see `ndpool.lp_pool`.
    """

    _pool = staticmethod(global_lp_pool)
    _gradient = staticmethod(global_lp_pool_backward)
