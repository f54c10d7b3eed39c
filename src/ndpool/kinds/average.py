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
from .mechanism import means, spread_means
from .words import Words, flag, opened, opened_gradient, pooling

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
        it. NaN and infinities propagate as in sums.

    {errors}

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998; divisors as ``torch.nn.AvgPool2d`` has them.
    """
    x, shapes = opened(x, kernel_size, words)
    return means(x, shapes, _divisors(shapes, count_include_pad, divisor_override))


@pooling
def avg_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    **words: Unpack[Words],
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
        added in pairs, the same to the bit for any engine and number of threads, those of float16
        and bfloat16 in float32.

    {errors}

    Source: see `avg_pool`.
    """
    dy, shapes = opened_gradient(dy, x_shape, kernel_size, words)
    return spread_means(dy, shapes, _divisors(shapes, count_include_pad, divisor_override))


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


def _divisors(shapes: Geometry, count_include_pad: object, override: object) -> Array:
    """What each window's sum is divided by, float64; broadcasts to y, or one for all."""
    padding_counts = flag("count_include_pad", count_include_pad)
    if override is not None:
        return np.array(float(_positive("divisor_override", override)))
    found: Array | None = shapes.memo.get(("divisors", padding_counts))
    if found is None:
        found = _counts(shapes, padding_counts)
        if found.size and (found == found.flat[0]).all():
            found = np.array(found.flat[0])
        shapes.memo["divisors", padding_counts] = found
    return found


def _counts(shapes: Geometry, padding_counts: bool) -> Array:
    counts = np.ones((1,) * len(shapes.shape))
    for number, axis in enumerate(shapes.axes):
        along = [1] * len(shapes.shape)
        along[axis] = -1
        taps = shapes.taps_counted(number) if padding_counts else shapes.taps_inside(number)
        counts = counts * taps.reshape(along)
    return counts


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
