"""Adaptive pooling: the output's size is given, and the windows follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

from numpy.typing import ArrayLike, NDArray

from ..indices import IndexForm
from .layer import Layer, WinnerLayer
from .pooled import (
    opened_regions,
    opened_regions_gradient,
    pooled_max,
    pooled_max_backward,
    pooled_mean,
    pooled_mean_backward,
)
from .regions import OutputSize
from .words import WholeGradientWords, WholeWords, pooling

Array = NDArray[Any]


@overload
def adaptive_max_pool(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: Literal[False] = ...,
    **words: Unpack[WholeWords],
) -> Array: ...


@overload
def adaptive_max_pool(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: Literal[True] | IndexForm,
    **words: Unpack[WholeWords],
) -> tuple[Array, Array]: ...


@pooling
def adaptive_max_pool(
    x: ArrayLike,
    output_size: OutputSize,
    *,
    return_indices: bool | IndexForm = False,
    **words: Unpack[WholeWords],
) -> Array | tuple[Array, Array]:
    """The maximum of each of `output_size` regions, which cover `x` as evenly as they can.

    >>> import numpy as np, ndpool
    >>> ndpool.adaptive_max_pool(np.array([3, 1, 4, 1, 5]), (2,), return_indices="plane")
    (array([4, 5]), array([2, 4]))

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        output_size: The output's size along each pooled axis; None among others keeps the input's.
            An int is for the last two axes, a tuple of d for the last d. It may be larger than
            the input's: then neighbouring regions repeat cells.
        {axes}
        return_indices: True or "window" for each winner's offset in its region, row-major as in a
            window of the largest region's sizes, in the smallest unsigned dtype; "plane" or
            "tensor" for int64 positions as in `ndpool.max_pool`.

    Returns:
        y of x's dtype and, along the pooled axes, of `output_size`; with `return_indices` the pair
        ``(y, indices)``. Region i of out over n cells is ``floor(i * n / out)`` to
        ``ceil((i + 1) * n / out)``. Ties and NaN are as in `ndpool.max_pool`.

    {errors}

    Source: the rule of ``torch.nn.AdaptiveMaxPool2d``; regions that scale with the input so that
    the output's size does not, after He, Zhang, Ren, Sun, "Spatial pyramid pooling in deep
    convolutional networks for visual recognition", ECCV 2014.
    """
    x, regions, mask = opened_regions(x, output_size, words)
    found: Array | tuple[Array, Array]
    found = pooled_max(x, regions, return_indices, mask, words.get("engine"))
    return found


@pooling
def adaptive_max_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    output_size: OutputSize,
    *,
    index_form: IndexForm = "window",
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `adaptive_max_pool`: each `dy` goes to the cell that won its region.

    >>> import numpy as np, ndpool
    >>> x = np.array([3, 1, 4, 1, 5])
    >>> y, indices = ndpool.adaptive_max_pool(x, (2,), return_indices=True)
    >>> ndpool.adaptive_max_pool_backward(np.array([10, 1]), indices, x.shape, (2,))
    array([ 0,  0, 10,  0,  1])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        output_size: As in the forward call.
        {axes}
        index_form: The form of `indices`: "window", "plane" or "tensor".

    Returns:
        dx of shape `x_shape` and dy's dtype, summed as by `ndpool.max_pool_backward`.

    {errors}

    Source: see `ndpool.max_pool_backward`.
    """
    dy, regions, mask = opened_regions_gradient(dy, x_shape, output_size, words)
    return pooled_max_backward(dy, indices, regions, index_form, mask, words.get("engine"))


@pooling
def adaptive_avg_pool(x: ArrayLike, output_size: OutputSize, **words: Unpack[WholeWords]) -> Array:
    """The mean of each of `output_size` regions, which cover `x` as evenly as they can.

    >>> import numpy as np, ndpool
    >>> ndpool.adaptive_avg_pool(np.array([3.0, 1.0, 5.0, 1.0, 6.0]), (2,))
    array([3., 4.])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        output_size: As in `ndpool.adaptive_max_pool`.
        {axes}

    Returns:
        y of `output_size` along the pooled axes, in x's dtype if that is a float (float16 and
        bfloat16 are computed in float32 and rounded once), else float64. The regions are those
        of `adaptive_max_pool`. NaN and infinities propagate as in sums.

    {errors}

    Source: the rule of ``torch.nn.AdaptiveAvgPool2d``; see `ndpool.adaptive_max_pool`.
    """
    x, regions, mask = opened_regions(x, output_size, words)
    return pooled_mean(x, regions, mask, words.get("engine"))


@pooling
def adaptive_avg_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    output_size: OutputSize,
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `adaptive_avg_pool`: each `dy` to all cells of its region in equal parts.

    >>> import numpy as np, ndpool
    >>> ndpool.adaptive_avg_pool_backward(np.array([3.0, 6.0]), (5,), (2,))
    array([1., 1., 3., 2., 2.])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        output_size: As in the forward call.
        {axes}

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64; the parts of float16
        and bfloat16 are added in float32. As the map is linear, the gradient of this function
        is `adaptive_avg_pool` itself.

    {errors}

    Source: see `adaptive_avg_pool`.
    """
    dy, regions, mask = opened_regions_gradient(dy, x_shape, output_size, words)
    return pooled_mean_backward(dy, regions, mask, words.get("engine"))


class AdaptiveMaxPool(WinnerLayer):
    """Adaptive max pooling with its backward pass; arguments as in `ndpool.adaptive_max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.AdaptiveMaxPool((2,))
    >>> layer.forward(np.array([3, 1, 4, 1, 5]))
    array([4, 5])
    >>> layer.backward(np.array([10, 1]))
    array([ 0,  0, 10,  0,  1])

    Of a forward call it keeps the winners and the input's shape. Raises and source: see
    `ndpool.adaptive_max_pool`.
    """

    _pool = staticmethod(adaptive_max_pool)
    _gradient = staticmethod(adaptive_max_pool_backward)


class AdaptiveAvgPool(Layer):
    """Adaptive average pooling with its backward pass; see `ndpool.adaptive_avg_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.AdaptiveAvgPool((2,))
    >>> layer.forward(np.array([3.0, 1.0, 5.0, 1.0, 6.0]))
    array([3., 4.])
    >>> layer.backward(np.array([3.0, 6.0]))
    array([1., 1., 3., 2., 2.])

    Of the input only the shape is kept. Raises and source: see `ndpool.adaptive_avg_pool`.
    """

    _pool = staticmethod(adaptive_avg_pool)
    _gradient = staticmethod(adaptive_avg_pool_backward)
