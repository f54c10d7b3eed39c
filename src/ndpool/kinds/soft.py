"""Soft pooling: the sum of each window's cells, weighted by their softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..geometry import Geometry, Size
from .layer import Layer
from .masks import Mask
from .mechanism import filled, float_dtype, float_result, spread, window_max, window_sums
from .smooth import Smooth
from .words import GradientWords, Words, finite, opened, opened_gradient, placed, pooling

Array = NDArray[Any]


@pooling
def soft_pool(
    x: ArrayLike, kernel_size: Size, *, beta: float = 1.0, **words: Unpack[Words]
) -> Array:
    """The sum of each window's cells, each times ``exp(beta * x)`` over the sum of those.

    >>> import numpy as np, ndpool
    >>> x = np.log(np.array([[1.0, 2.0], [4.0, 8.0]]))
    >>> ndpool.soft_pool(x, 2).round(4)
    array([[1.5711]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        beta: A finite number, one over the softmax's temperature: 1 is the paper's, 0 makes the
            mean, large ones come near the maximum, and negative ones near the minimum.

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once), else float64. Padding has no weight. No power
        overflows. NaN propagates, and a window without a cell is NaN. Infinities are limits:
        where the cell of the most weight is infinite, so is y; cells of no weight are as if they
        were not there, -inf with a beta above 0 among them.

    {errors}

    Source: Stergiou, Poppe, Kalliatakis, "Refining activation downsampling with SoftPool",
    ICCV 2021; their code, with padding, counts its zeros.
    """
    sharpness = finite("beta", beta)
    x, shapes, mask = opened(x, kernel_size, words)
    wide = x.astype(float_dtype(x.dtype))
    _, sums, y = _soft(wide, sharpness, shapes, mask, words.get("engine"))
    return float_result(filled(y, sums != 0, np.nan), x.dtype)


@pooling
def soft_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Size,
    *,
    beta: float = 1.0,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `soft_pool`: ``dy * weight * (1 + beta * (x - y))`` for each cell, summed.

    >>> import numpy as np, ndpool
    >>> x = np.log(np.array([[1.0, 2.0], [4.0, 8.0]]))
    >>> dx = ndpool.soft_pool_backward(np.array([[15.0]]), x, 2)
    >>> dx.round(4)
    array([[-0.5711,  0.244 ],
           [ 3.2606, 12.0665]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x: The forward call's input. Not modified.
        {geometry}
        beta: As in the forward call.

    Returns:
        dx of x's shape, in dy's dtype if that is a float, else float64; it sums to what dy sums
        to. Made from x, not from y as it was rounded; parts are added in the order of the outputs.
        A cell of no weight gets 0, an infinite one that has weight NaN.

    {errors}

    Source: see `soft_pool`.
    """
    sharpness = finite("beta", beta)
    x = as_array("x", x)
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    dtype = float_dtype(dy.dtype, x.dtype)
    wide = x.astype(dtype)
    top, sums, y = _soft(wide, sharpness, shapes, mask, words.get("engine"))
    dx = spread(dy, shapes, dtype, _slope(sharpness), wide, top, sums, y, mask=mask)
    return float_result(dx, dy.dtype)


class SoftPool(Layer):
    """Soft pooling with its backward pass; arguments as in `ndpool.soft_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.SoftPool(2)
    >>> layer.forward(np.zeros((2, 2)))
    array([[0.]])
    >>> layer.backward(np.array([[8.0]]))
    array([[2., 2.],
           [2., 2.]])

    The input is kept for backward, not copied. Raises and source: see `ndpool.soft_pool`.
    """

    _pool = staticmethod(soft_pool)
    _gradient = staticmethod(soft_pool_backward)

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return (x,)


def smooth(x: Array, kernel_size: Size, *, beta: float = 1.0, **words: Unpack[Words]) -> Smooth:
    """What the derivatives of `soft_pool` at x are made of; see `Smooth`."""
    sharpness, shapes = finite("beta", beta), placed(x.shape, kernel_size, words)
    wide, slope = x.astype(float_dtype(x.dtype)), _slope(sharpness)

    def slopes(cells: Array, top: Array, sums: Array, y: Array) -> tuple[Array, ...]:
        along = slope(cells, top, sums, y)
        # y is the same for every top, so that the top may be taken not to change
        return along, 0 * along, sharpness * _exponential(cells, top, sharpness), along

    return Smooth(wide, shapes, slopes, _soft(wide, sharpness, shapes, None, None))


def _slope(beta: float) -> Callable[..., Array]:
    def slope(cells: Array, top: Array, sums: Array, y: Array) -> Array:
        weight = _exponential(cells, top, beta) / sums
        return np.where(weight == 0, cells.dtype.type(0), weight * (1 + beta * (cells - y)))

    return slope


def _soft(
    x: Array, beta: float, shapes: Geometry, mask: Mask | None, engine: str | None
) -> tuple[Array, Array, Array]:
    """Each window's cell of the most weight, its sum of exponentials over that cell's, and y."""
    sign = 1 if beta > 0 else -1
    top = sign * window_max(sign * x, shapes, mask, engine)

    def exponentials(cells: Array, top: Array) -> Array:
        return _exponential(cells, top, beta)

    sums = window_sums(x, shapes, x.dtype, exponentials, top, mask=mask)

    def weighted(cells: Array, top: Array, sums: Array) -> Array:
        weight = _exponential(cells, top, beta) / sums
        return np.where(weight == 0, cells.dtype.type(0), weight * cells)

    return top, sums, window_sums(x, shapes, x.dtype, weighted, top, sums, mask=mask)


def _exponential(cells: Array, top: Array, beta: float) -> Array:
    """``exp(beta * (cells - top))``; by halves, whose difference is finite."""
    below = (cells / 2 - top / 2) * (2 * beta)
    # where both are the same infinity they have no difference, and where beta is 0 no weight
    same = cells == (top if beta else cells)
    return np.exp(np.where(same, cells.dtype.type(0), below))
