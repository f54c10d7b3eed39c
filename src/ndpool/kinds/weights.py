"""The gradient of a weighted average for its weights."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..geometry import Size
from .divisors import rule
from .mechanism import filled, float_dtype, float_result, spread
from .words import GradientWords, fitting, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def avg_pool_weights_backward(
    dy: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike,
    kernel_size: Size,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `avg_pool` for its `weights`: ``dy * (x - y) / sum(weights)``, summed.

    >>> import numpy as np, ndpool
    >>> x, weights = np.array([[1.0, 5.0, 3.0]]), np.array([1.0, 3.0, 4.0])
    >>> y = ndpool.avg_pool(x, (3,), weights=weights)
    >>> y
    array([[3.5]])
    >>> ndpool.avg_pool_weights_backward(np.array([[16.0]]), x, y, weights, (3,))
    array([-5.,  3., -1.])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x, y: The forward call's input and output. Not modified.
        weights: As in the forward call.
        {geometry}

    Returns:
        A gradient of weights' shape, in its dtype if that is a float, else float64: where weights
        were broadcast, the sum over all cells that had them. A cell that is not there has part in
        nothing, nor has a window whose weights add up to 0.

    {errors}

    Source: the derivative of a quotient; see `avg_pool`.
    """
    x, y = as_array("x", x), as_array("y", y)
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    fitting("y", y, shapes.y_shape)
    how = rule("torch", None, None, weights)
    given = as_array("weights", weights)
    dtype = float_dtype(dy.dtype, x.dtype, y.dtype, given.dtype)
    totals = how.divisors(shapes, mask, dtype)
    is_defined = totals == totals
    with np.errstate(over="ignore", invalid="ignore"):
        parts = filled(dy.astype(dtype) / totals, is_defined)

    def slope(cells: Array, mean: Array, is_defined: Array) -> Array:
        return np.where(is_defined != 0, cells - mean, dtype.type(0))

    each = spread(parts, shapes, dtype, slope, x, y, is_defined, mask=mask)
    with np.errstate(over="ignore", invalid="ignore"):  # of weights so small that parts are inf
        return float_result(_summed_to(given.shape, each), given.dtype)


def _summed_to(shape: tuple[int, ...], array: Array) -> Array:
    """The sums over all that a broadcast from `shape` repeats: its adjoint."""
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    repeated = tuple(axis for axis, n in enumerate(shape) if n == 1 and array.shape[axis] != 1)
    sums: Array = array.sum(axis=repeated, keepdims=True)
    return sums
