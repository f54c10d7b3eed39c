"""Lp pooling: the p-norm of each window."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import engines
from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Size
from .layer import Layer
from .mechanism import (
    float_dtype,
    float_result,
    power_sums,
    rounded,
    spread,
    window_sums,
)
from .words import Words, fitting, opened, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def lp_pool(x: ArrayLike, norm_type: float, kernel_size: Size, **words: Unpack[Words]) -> Array:
    """The p-norm of each window of `x`, ``(sum of |x| ** p) ** (1 / p)``; padding adds nothing.

    >>> import numpy as np, ndpool
    >>> ndpool.lp_pool(np.array([[3.0, -4.0], [0.0, 0.0]]), 2, 2)
    array([[5.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        norm_type: p, a finite number above 0: 1 is the sum of magnitudes, 2 the Euclidean norm.
        {geometry}

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once), else float64. No power overflows: squares of float32
        are summed in float64; those of float64, where they leave its range, and all other powers
        are of the magnitudes divided by the window's largest. NaN propagates.

    {errors}

    Source: Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers
    digit classification", ICPR 2012. PyTorch's ``lp_pool2d`` takes powers of x itself, not of its
    magnitude, and gives NaN for odd p where their sum is negative; ONNX's LpPool is as here.
    """
    p = _norm_type(norm_type)
    x, shapes = opened(x, kernel_size, words)
    dtype = float_dtype(x.dtype)
    if p == 1:
        return float_result(power_sums(x.astype(dtype, copy=False), shapes, 1), x.dtype)
    if p != 2:
        return float_result(_scaled(x.astype(dtype), shapes, p), x.dtype)
    wide = x.astype(np.float64, copy=False)
    squares = power_sums(wide, shapes, 2)
    y = np.sqrt(squares)
    if dtype == np.float64:
        unsafe = ~((squares > 2.0**-900) & (squares < np.inf))
        if unsafe.any():
            y = np.where(unsafe, _scaled(wide, shapes, p), y)
    return float_result(rounded(y, dtype), x.dtype)


def _scaled(x: Array, shapes: Geometry, p: float) -> Array:
    """The norms by powers of magnitudes between 0 and 1."""
    sizes, largest = np.abs(x), np.empty(shapes.y_shape, x.dtype)
    engines.choose(None, x.dtype, shapes).max_pool(sizes, shapes, largest, None)
    scale = np.where((largest == 0) | np.isinf(largest), x.dtype.type(1), largest)
    sums = window_sums(sizes, shapes, x.dtype, lambda cells, by: (cells / by) ** p, scale)
    with np.errstate(over="ignore"):
        norms: Array = scale * sums ** (1 / p)
    return norms


@pooling
def lp_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    **words: Unpack[Words],
) -> Array:
    """The gradient of `lp_pool`: ``dy * sign(x) * (|x| / y) ** (p - 1)`` for each cell, summed.

    >>> import numpy as np, ndpool
    >>> x = np.array([[3.0, -4.0], [0.0, 0.0]])
    >>> y = ndpool.lp_pool(x, 2, 2)
    >>> ndpool.lp_pool_backward(np.array([[10.0]]), x, y, 2, 2)
    array([[ 6., -8.],
           [ 0.,  0.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x, y: The forward call's input and output. Not modified.
        norm_type: As in the forward call.
        {geometry}

    Returns:
        dx of x's shape, in dy's dtype if that is a float, else float64. A cell that is 0 gets 0,
        for every p; an infinite one NaN. Parts are added in the order of the outputs.

    {errors}

    Source: see `lp_pool`.
    """
    p = _norm_type(norm_type)
    x, y = as_array("x", x), as_array("y", y)
    dy, shapes = opened_gradient(dy, x.shape, kernel_size, words)
    fitting("y", y, shapes.y_shape)
    dtype = float_dtype(dy.dtype, x.dtype, y.dtype)

    def slope(cells: Array, norm: Array) -> Array:
        # where a cell is 0, in windows of zeros too, 0 / 1 or 1 ** anything stands, times sign 0
        size = np.abs(cells) / np.where(norm == 0, dtype.type(1), norm)
        powers: Array = np.where(cells == 0, dtype.type(1), size) ** (p - 1)
        return np.sign(cells) * powers

    return float_result(spread(dy, shapes, dtype, slope, x, y), dy.dtype)


class LPPool(Layer):
    """Lp pooling with its backward pass; arguments as in `ndpool.lp_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.LPPool(2, 2)
    >>> layer.forward(np.array([[3.0, -4.0], [0.0, 0.0]]))
    array([[5.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[ 6., -8.],
           [ 0.,  0.]])

    Input and output are kept for backward, not copied. Raises and source: see `ndpool.lp_pool`.
    """

    _pool = staticmethod(lp_pool)
    _gradient = staticmethod(lp_pool_backward)

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return x, y


def _norm_type(value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise PoolTypeError("norm_type", "a number", shown(value))
    try:
        p = float(value)
    except OverflowError:
        p = math.inf
    if not 0 < p < math.inf:
        raise PoolError("norm_type", "a finite number above 0", shown(value))
    return p
