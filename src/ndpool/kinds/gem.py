"""Generalised-mean pooling (GeM): from the mean of each window towards its maximum, by a power."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError, shown
from ..geometry import Geometry, Size
from .layer import Layer, first_size
from .masks import Mask, cells_there
from .mechanism import (
    filled,
    float_dtype,
    float_result,
    spread,
    total,
    window_max,
    window_sums,
)
from .smooth import Smooth
from .words import GradientWords, Words, finite, opened, opened_gradient, placed, pooling

Array = NDArray[Any]


@pooling
def gem_pool(
    x: ArrayLike, p: float, kernel_size: Size, *, eps: float = 1e-6, **words: Unpack[Words]
) -> Array:
    """The generalised mean of each window of `x`, ``(mean of x ** p) ** (1 / p)``.

    >>> import numpy as np, ndpool
    >>> ndpool.gem_pool(np.array([[1.0, 7.0], [0.0, 5.0]]), 1, 2).round(4)
    array([[3.25]])
    >>> ndpool.gem_pool(np.array([[1.0, 7.0], [0.0, 5.0]]), 3, 2).round(4)
    array([[4.8945]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        p: A finite number other than 0: 1 is the mean, -1 the harmonic mean; the larger, the
            nearer to the maximum, and the smaller, to the minimum.
        {geometry}
        eps: A number above 0, to which all cells below it are raised.

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once), else float64. The mean is of the cells inside the
        input: padding is not among them. Powers are of the cells divided by the window's largest,
        for negative p its smallest, so that none overflows. NaN propagates. A
        window without a cell is NaN.

    {errors}

    Source: Radenovic, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation",
    IEEE TPAMI 41(7), 2018; `eps` as in their code.
    """
    power = _power(p)
    x, shapes, mask = opened(x, kernel_size, words)
    cells = _raised(x, float_dtype(x.dtype), eps)
    scale, growth = _scaled_mean(cells, power, shapes, mask, words.get("engine"))
    with np.errstate(all="ignore"):
        return float_result(scale * np.exp(np.log1p(growth) / power), x.dtype)


@pooling
def gem_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    p: float,
    kernel_size: Size,
    *,
    eps: float = 1e-6,
    **words: Unpack[GradientWords],
) -> tuple[Array, float]:
    """The gradients of `gem_pool`: ``dx = dy * (x / y) ** (p - 1) / cells``, and that for p.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1.0, 7.0], [0.0, 5.0]])
    >>> dx, dp = ndpool.gem_pool_backward(np.array([[8.0]]), x, 1, 2)
    >>> dx.round(4)
    array([[2., 2.],
           [0., 2.]])
    >>> round(dp, 4)
    12.6921

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x: The forward call's input. Not modified.
        p: As in the forward call.
        {geometry}
        eps: As in the forward call.

    Returns:
        The pair ``(dx, dp)``. dx is of x's shape, in dy's dtype if that is a float, else float64;
        a cell below `eps` gets 0. Its parts are added in the order of the outputs. dp, the
        derivative by p of ``(dy * y).sum()``, is a Python float. Both are made from x, not from y
        as it was rounded. In a window with NaN or, where p > 0, an infinity, all are NaN.

    {errors}

    Source: see `gem_pool`; equations 6 and 7 of the paper.
    """
    power = _power(p)
    x = as_array("x", x)
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    dtype = float_dtype(dy.dtype, x.dtype)
    cells = _raised(x, dtype, eps)
    scale, growth = _scaled_mean(cells, power, shapes, mask, words.get("engine"))
    there = cells_there(mask, shapes)

    def entropy(cells: Array, scale: Array) -> Array:  # r ** p * log(r), 0 where r ** p is
        logs = np.log(cells / scale)
        powers = np.exp(power * logs)
        terms: Array = np.where(powers == 0, dtype.type(0), powers * logs)
        return terms

    with np.errstate(all="ignore"):
        log_mean = np.log1p(growth)
        y = np.exp(log_mean / power)  # over scale
        sums = there.astype(dtype) * (1 + growth)
        logs = window_sums(cells, shapes, dtype, entropy, scale, mask=mask) / sums
        y_by_p = scale.astype(np.float64) * (y * (logs - log_mean / power) / power)
        dp = total(filled(dy.astype(np.float64) * y_by_p, there > 0))
        dx = spread(dy, shapes, dtype, _slope(power), cells, scale, y / sums, mask=mask)
        dx[x.astype(dtype) < dtype.type(eps)] = 0
    return float_result(dx, dy.dtype), dp


class GeMPool(Layer):
    """Generalised-mean pooling with its backward pass; arguments as in `ndpool.gem_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GeMPool(1.0, 2)
    >>> layer.forward(np.array([[1.0, 7.0], [0.0, 5.0]])).round(4)
    array([[3.25]])
    >>> layer.backward(np.array([[8.0]])).round(4)
    array([[2., 2.],
           [0., 2.]])
    >>> layer.p -= 0.1 * layer.dp    # p is learnt

    `p` is used by the next `forward`; `dp` is its gradient after `backward`. The input is kept for
    backward, not copied. Raises and source: see `ndpool.gem_pool`.
    """

    _pool = staticmethod(gem_pool)
    _gradient = staticmethod(gem_pool_backward)
    p = first_size
    dp: float

    def backward(self, dy: ArrayLike, **words: Any) -> Array:
        """dx of the last forward's input shape, and `dp`; dy has y's shape."""
        dx: Array
        dx, self.dp = self._gradients(dy, words)
        return dx

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return (x,)


def smooth(
    x: Array, p: float, kernel_size: Size, *, eps: float = 1e-6, **words: Unpack[Words]
) -> Smooth:
    """What the derivatives of `gem_pool` at x are made of; see `Smooth`."""
    power, shapes = _power(p), placed(x.shape, kernel_size, words)
    raised = _raised(x, float_dtype(x.dtype), eps)
    scale, growth = _scaled_mean(raised, power, shapes, None, None)
    sums = cells_there(None, shapes).astype(raised.dtype) * (1 + growth)
    with np.errstate(all="ignore"):
        share = np.exp(np.log1p(growth) / power) / sums
    slope = _slope(power)

    def slopes(cells: Array, scale: Array, share: Array, sums: Array) -> tuple[Array, ...]:
        inside = cells.real >= eps
        along = inside * slope(np.where(inside, cells, raised.dtype.type(eps)), scale, share)
        of_sums = power * along / (share * scale)
        # y is the same for every scale, so that the scale may be taken not to change
        return along, 0 * along, (1 / power - 1) * of_sums * share / sums, of_sums

    return Smooth(x.astype(raised.dtype), shapes, slopes, (scale, share, sums))


def _slope(p: float) -> Callable[[Array, Array, Array], Array]:
    def slope(cells: Array, scale: Array, share: Array) -> Array:
        slopes: Array = share * np.exp((p - 1) * np.log(cells / scale))
        return slopes

    return slope


def _scaled_mean(
    cells: Array, p: float, shapes: Geometry, mask: Mask | None, engine: str | None
) -> tuple[Array, Array]:
    """Each window's scale, and how far the mean of ``(cells / scale) ** p`` is above 1.

    What it is above 1, as a p near 0 leaves little of it.
    """
    sign = 1 if p > 0 else -1
    scale = sign * window_max(sign * cells, shapes, mask, engine)
    scale = np.where(np.isinf(scale), cells.dtype.type(1), scale)

    def above_one(cells: Array, scale: Array) -> Array:
        above: Array = np.expm1(p * np.log(cells / scale))
        return above

    sums = window_sums(cells, shapes, cells.dtype, above_one, scale, mask=mask)
    with np.errstate(invalid="ignore"):  # no cell, no mean
        return scale, sums / cells_there(mask, shapes).astype(cells.dtype)


def _raised(x: Array, dtype: np.dtype[Any], eps: object) -> Array:
    with np.errstate(over="ignore"):
        least = dtype.type(finite("eps", eps))
    if not 0 < least < np.inf:
        raise PoolError("eps", f"a number above 0 that is finite in {dtype}", shown(eps))
    raised: Array = np.maximum(x.astype(dtype), least)
    return raised


def _power(value: object) -> float:
    p = finite("p", value)
    if p == 0:
        raise PoolError("p", "a number other than 0", shown(value), "close to 0 is possible")
    return p
