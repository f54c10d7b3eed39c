"""Average pooling: the mean of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..geometry import Size
from .divisors import Divisor, rule
from .layer import Layer
from .mechanism import filled, float_dtype, float_result, means, spread, spread_means, window_sums
from .words import GradientWords, Words, opened, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def avg_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    count_include_pad: bool | None = None,
    divisor_override: SupportsIndex | None = None,
    divisor: Divisor = "torch",
    weights: ArrayLike | None = None,
    **words: Unpack[Words],
) -> Array:
    """The mean of each window of `x`; padding counts as zeros, or not at all.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]])
    >>> ndpool.avg_pool(x, 2, stride=1)
    array([[3.25, 5.  ]])
    >>> ndpool.avg_pool(x, 2, padding=((0, 0), (1, 0)), count_include_pad=False)
    array([[2., 5.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        count_include_pad: Whether cells of the padding count in the divisor; None is the default
            of `divisor`. Cells beyond it, which the last windows of `ceil_mode` have, never do.
        divisor_override: An integer to divide every sum by, instead of the number of cells.
        divisor: Whose rule: "torch" (padding counts, unless `count_include_pad` is False), "onnx"
            (it does not, unless that is True) or "tensorflow" (it never does).
        weights: Numbers that broadcast to x's shape, for ``sum(weights * x) / sum(weights)``;
            padding has weight 0, negative ones are allowed.

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once); float64 for integers and bool, as `numpy.mean` has
        it. NaN and infinities propagate as in sums. Cells that `where` or `nan_policy` left out
        count in no divisor; a window without a cell is NaN, as is one whose weights add up to 0.

    {errors}

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998; divisors as ``torch.nn.AvgPool2d`` has them.
    """
    cells, shapes, mask = opened(x, kernel_size, words)
    given = cells.dtype
    how = rule(divisor, count_include_pad, divisor_override, weights)
    if mask is None and weights is None:
        return means(cells, shapes, how.counts(shapes), words.get("engine"))
    factors = how.weights_of(shapes, mask)
    dtype = float_dtype(given) if factors is None else float_dtype(given, factors.dtype)
    divisors = how.divisors(shapes, mask, dtype)
    if factors is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # as in sums
            cells, mask = filled(cells, mask).astype(dtype) * factors.astype(dtype), None
    sums = window_sums(cells, shapes, dtype, mask=mask, engine=words.get("engine"))
    with np.errstate(over="ignore", invalid="ignore"):
        return float_result(sums / divisors, given)


@pooling
def avg_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    count_include_pad: bool | None = None,
    divisor_override: SupportsIndex | None = None,
    divisor: Divisor = "torch",
    weights: ArrayLike | None = None,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `avg_pool`: each `dy` goes to all cells of its window by their weights.

    >>> import numpy as np, ndpool
    >>> ndpool.avg_pool_backward(np.array([[4.0, 8.0]]), (2, 3), 2, stride=1)
    array([[1., 3., 2.],
           [1., 3., 2.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}
        count_include_pad, divisor_override, divisor, weights: As in the forward call.

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64; a cell's parts are
        added in pairs, the same to the bit for any engine and number of threads, those of float16
        and bfloat16 in float32. What belongs to a window that has no mean goes nowhere.

    {errors}

    Source: see `avg_pool`.
    """
    dy, shapes, mask = opened_gradient(dy, x_shape, kernel_size, words)
    how = rule(divisor, count_include_pad, divisor_override, weights)
    if mask is None and weights is None:
        return spread_means(dy, shapes, how.counts(shapes), words.get("engine"))
    factors = how.weights_of(shapes, mask)
    dtype = float_dtype(dy.dtype) if factors is None else float_dtype(dy.dtype, factors.dtype)
    divisors = how.divisors(shapes, mask, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = dy.astype(dtype) / divisors
        if np.isnan(divisors).any():
            parts = filled(parts, divisors == divisors)
        dx = spread(parts, shapes, dtype, mask=mask, engine=words.get("engine"))
        return float_result(dx if factors is None else dx * factors.astype(dtype), dy.dtype)


class AvgPool(Layer):
    """Average pooling with its backward pass; arguments as in `ndpool.avg_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.AvgPool(2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    array([[3.25]])
    >>> layer.backward(np.array([[4.0]]))
    array([[1., 1.],
           [1., 1.]])

    Of the input only the shape is kept. Raises and source: see `ndpool.avg_pool`.
    """

    _pool = staticmethod(avg_pool)
    _gradient = staticmethod(avg_pool_backward)
