"""Lp pooling: the p-norm of each window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError, shown
from ..geometry import Geometry, Size
from .layer import ValueLayer
from .mechanism import (
    filled,
    float_dtype,
    float_result,
    power_sums,
    rounded,
    spread,
    window_max,
    window_sums,
)
from .smooth import Smooth
from .words import GradientWords, Words, finite, fitting, opened, opened_gradient, placed, pooling

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
        are of the magnitudes divided by the window's largest. NaN propagates. A window without a
        cell is 0.

    {errors}

    Source: Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers
    digit classification", ICPR 2012. PyTorch's ``lp_pool2d`` takes powers of x itself, not of its
    magnitude, and gives NaN for odd p where their sum is negative; ONNX's LpPool is as here.
    """
    p = _norm_type(norm_type)
    x, shapes, mask = opened(x, kernel_size, words)
    dtype = float_dtype(x.dtype)
    cells, engine = filled(x, mask), words.get("engine")
    if p == 1:
        return float_result(power_sums(cells.astype(dtype, copy=False), shapes, 1, engine), x.dtype)
    if p != 2:
        return float_result(_scaled(cells.astype(dtype), shapes, p, engine), x.dtype)
    wide = cells.astype(np.float64, copy=False)
    squares = power_sums(wide, shapes, 2, engine)
    y = np.sqrt(squares)
    if dtype == np.float64:
        unsafe = ~((squares > 2.0**-900) & (squares < np.inf))
        if unsafe.any():
            y = np.where(unsafe, _scaled(wide, shapes, p, engine), y)
    return float_result(rounded(y, dtype), x.dtype)


def _scaled(x: Array, shapes: Geometry, p: float, engine: str | None) -> Array:
    """The norms by powers of magnitudes between 0 and 1."""
    sizes = np.abs(x)
    largest = window_max(sizes, shapes, engine=engine)
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
    **words: Unpack[GradientWords],
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
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    fitting("y", y, shapes.y_shape)
    dtype = float_dtype(dy.dtype, x.dtype, y.dtype)
    return float_result(spread(dy, shapes, dtype, _slope(p), x, y, mask=mask), dy.dtype)


class LPPool(ValueLayer):
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


def smooth(x: Array, norm_type: float, kernel_size: Size, **words: Unpack[Words]) -> Smooth:
    """What the derivatives of `lp_pool` at x are made of; see `Smooth`."""
    slope = _slope(_norm_type(norm_type))
    wide = x.astype(float_dtype(x.dtype))
    y = lp_pool(wide, norm_type, kernel_size, **words)
    shapes = placed(x.shape, kernel_size, words)
    return Smooth(wide, shapes, lambda cells, norm: (slope(cells, norm),) * 2, (y,))


def _slope(p: float) -> Callable[[Array, Array], Array]:
    """The derivative of the norm by each of its cells; analytic but for a kink at 0."""

    def slope(cells: Array, norm: Array) -> Array:
        one, real = cells.real.dtype.type(1), cells.real
        sign = np.where(real < 0, -one, one)
        # over infinity in a window of zeros: it has no slope, and none that bends
        size = sign * cells / np.where(norm == 0, norm.dtype.type(np.inf), norm)
        slopes: Array
        if p >= 2:
            slopes = sign * size ** (p - 1)
        else:  # at 0 it jumps, or is steep without bounds
            slopes = sign * np.where(real == 0, one, size) ** (p - 1) * (real != 0)
        return slopes

    return slope


def _norm_type(value: object) -> float:
    p = finite("norm_type", value)
    if not p > 0:
        raise PoolError("norm_type", "a number above 0", shown(value))
    return p
