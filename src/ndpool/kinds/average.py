"""Average pooling: the mean of each window."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Size
from .layer import Layer
from .masks import Mask, cells_there, taps
from .mechanism import filled, float_dtype, float_result, spread, window_sums
from .words import GradientWords, Words, flag, opened, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def avg_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
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
        count_include_pad: Whether cells of the padding count in the divisor. Cells beyond it,
            which the last windows of `ceil_mode` have, never do: PyTorch's rule.
        divisor_override: An integer to divide every sum by, instead of the number of cells.

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once); float64 for integers and bool, as `numpy.mean` has
        it. NaN and infinities propagate as in sums. Cells that `where` or `nan_policy` left out
        count in no divisor; a window without a cell is NaN.

    {errors}

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998; divisors as ``torch.nn.AvgPool2d`` has them.
    """
    x, shapes, mask = opened(x, kernel_size, words)
    dtype = float_dtype(x.dtype)
    counts = _divisors(shapes, mask, count_include_pad, divisor_override).astype(dtype)
    return float_result(window_sums(x, shapes, dtype, mask=mask) / counts, x.dtype)


@pooling
def avg_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `avg_pool`: each `dy` goes to all cells of its window in equal parts.

    >>> import numpy as np, ndpool
    >>> ndpool.avg_pool_backward(np.array([[4.0, 8.0]]), (2, 3), 2, stride=1)
    array([[1., 3., 2.],
           [1., 3., 2.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}
        count_include_pad, divisor_override: As in the forward call.

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64; a cell's parts are
        added in the order of the outputs, those of float16 and bfloat16 in float32.

    {errors}

    Source: see `avg_pool`.
    """
    dy, shapes, mask = opened_gradient(dy, x_shape, kernel_size, words)
    dtype = float_dtype(dy.dtype)
    counts = _divisors(shapes, mask, count_include_pad, divisor_override).astype(dtype)
    parts = dy.astype(dtype) / counts
    if mask is not None:  # what belongs to windows without a cell goes nowhere
        parts = filled(parts, counts == counts)
    return float_result(spread(parts, shapes, dtype, mask=mask), dy.dtype)


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


def _divisors(
    shapes: Geometry, mask: Mask | None, count_include_pad: object, override: object
) -> Array:
    """What each window's sum is divided by, float64, NaN without a cell; broadcasts to y."""
    padding_counts = flag("count_include_pad", count_include_pad)
    there = cells_there(mask, shapes)
    if override is not None:
        counts = np.array(float(_positive("divisor_override", override)))
    elif padding_counts:
        padding = taps(shapes, shapes.taps_counted) - cells_there(None, shapes)
        counts = (there + padding).astype(float)
    else:
        counts = there.astype(float)
    return counts if mask is None else np.where(there == 0, np.nan, counts)


def _positive(argument: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise PoolTypeError(argument, "an integer or None", shown(value))
    try:
        number = operator.index(value)
    except TypeError:  # such as an array of more than one
        raise PoolTypeError(argument, "an integer or None", shown(value)) from None
    if not 1 <= number < 2**63:
        raise PoolError(argument, "an integer from 1 to 2**63 - 1", shown(value))
    return number
