"""Mixed pooling: the maximum and the mean of each window, in a proportion that can be learnt."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import any_array, as_array
from ..dtypes import poolable
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Size
from ..pool import max_pool, max_pool_backward
from .average import avg_pool, avg_pool_backward
from .chance import ChanceLayer
from .layer import first_size
from .masks import cells_there
from .mechanism import filled, float_dtype, float_result, total
from .words import GradientWords, Words, opened, opened_gradient, pooling

Array = NDArray[Any]


@pooling
def mixed_pool(x: ArrayLike, alpha: ArrayLike, kernel_size: Size, **words: Unpack[Words]) -> Array:
    """The mixture ``alpha * maximum + (1 - alpha) * mean`` of each window of `x`.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1.0, 5.0], [3.0, 3.0]])
    >>> ndpool.mixed_pool(x, 0.5, 2)
    array([[4.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        alpha: A finite number, or an array of them that broadcasts to y, such as one for each
            channel: 1 is the maximum alone, 0 the mean alone, whatever the other would be.
        {geometry}

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once), else float64. The mean is of the cells inside the
        input: padding is not among them. NaN propagates; infinities as in sums. A window
        without a cell is NaN.

    {errors}

    Source: Lee, Gallagher, Tu, "Generalizing pooling functions in convolutional neural networks:
    mixed, gated, and tree", AISTATS 2016. Yu, Wang, Chen, Wei, "Mixed pooling for convolutional
    neural networks", RSKT 2014, draw 0 or 1 for each feature map in training: an `alpha` of
    ``rng.integers(2, size=(channels, 1, 1))``, or the layer's ``rng``.
    """
    x, shapes, _ = opened(x, kernel_size, words)
    dtype = float_dtype(x.dtype)
    share = _proportion(alpha, shapes).astype(dtype)
    highest = max_pool(x.astype(dtype), kernel_size, **words)
    mean = avg_pool(x.astype(dtype), kernel_size, count_include_pad=False, **words)
    with np.errstate(all="ignore"):
        # a part of 0 is nothing, of an infinity or NaN too
        y = np.where(share == 0, 0, share * highest) + np.where(share == 1, 0, (1 - share) * mean)
        return float_result(y, x.dtype)


@pooling
def mixed_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    alpha: ArrayLike,
    kernel_size: Size,
    **words: Unpack[GradientWords],
) -> tuple[Array, Any]:
    """The gradients of `mixed_pool`: for x that of both poolings, for alpha their difference.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1.0, 5.0], [3.0, 3.0]])
    >>> dx, dalpha = ndpool.mixed_pool_backward(np.array([[8.0]]), x, 0.5, 2)
    >>> dx
    array([[1., 5.],
           [1., 1.]])
    >>> dalpha
    16.0

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x: The forward call's input. Not modified.
        alpha: As in the forward call.
        {geometry}

    Returns:
        The pair ``(dx, dalpha)``. dx is of x's shape, in dy's dtype if that is a float, else
        float64: what the maxima's parts add up to, in the order of the outputs, and then the
        means'. dalpha, the derivative by alpha of ``(dy * y).sum()``, is a Python float for a
        number, for an array a float64 array of its shape.

    {errors}

    Source: see `mixed_pool`.
    """
    x = as_array("x", x)
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    dtype = float_dtype(dy.dtype, x.dtype)
    proportion = _proportion(alpha, shapes)
    share, slopes, wide = proportion.astype(dtype), dy.astype(dtype), x.astype(dtype)
    highest, indices = max_pool(wide, kernel_size, return_indices=True, **words)
    mean = avg_pool(wide, kernel_size, count_include_pad=False, **words)
    with np.errstate(all="ignore"):
        dx = max_pool_backward(slopes * share, indices, x.shape, kernel_size, **words)
        slopes_of_mean = slopes * (1 - share)
        dx += avg_pool_backward(
            slopes_of_mean, x.shape, kernel_size, count_include_pad=False, **words
        )
        differences = slopes * (highest - mean)
        dalpha = _like(filled(differences, cells_there(mask, shapes) > 0), proportion)
    return float_result(dx, dy.dtype), dalpha


class MixedPool(ChanceLayer):
    """Mixed pooling with its backward pass; arguments as in `ndpool.mixed_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MixedPool(0.5, 2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 3.0]]))
    array([[4.]])
    >>> layer.backward(np.array([[8.0]]))
    array([[1., 5.],
           [1., 1.]])
    >>> layer.alpha -= 0.01 * layer.dalpha    # alpha is learnt

    `alpha` is used by the next `forward`; `dalpha` is its gradient after `backward`. With a seed
    or a `numpy.random.Generator` as `rng`, each `forward` while `training` is True draws 0 or 1
    for each alpha, 1 with that probability, and pools by that (Yu et al.); `rng` is one generator
    for all of them. The input is kept for backward, not copied. Raises and source: see
    `ndpool.mixed_pool`.
    """

    _pool = staticmethod(mixed_pool)
    _gradient = staticmethod(mixed_pool_backward)
    alpha = first_size
    dalpha: Any

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        alpha, *sizes = self.sizes
        if self.training and self.seed is not None:
            alpha = (self.rng.random(np.shape(alpha)) < alpha) * 1.0
        return mixed_pool(x, alpha, *sizes, **words), (x, alpha, *sizes)

    def backward(self, dy: ArrayLike, **words: Any) -> Array:
        """dx of the last forward's input shape, and `dalpha`; dy has y's shape."""
        dx: Array
        dx, self.dalpha = self._gradients(dy, words)
        return dx


def _proportion(alpha: object, shapes: Geometry) -> Array:
    """`alpha` as an array that broadcasts to y."""
    array = any_array("alpha", alpha)
    expected = f"a number, or an array that broadcasts to {shapes.y_shape}"
    if array.dtype.kind == "b" or not poolable(array.dtype):
        raise PoolTypeError("alpha", expected, shown(alpha))
    try:
        fits = np.broadcast_shapes(array.shape, shapes.y_shape) == shapes.y_shape
    except ValueError:
        fits = False
    if not fits:
        raise PoolError("alpha", expected, f"shape {array.shape}")
    if not np.isfinite(array.astype(np.float64)).all():
        raise PoolError("alpha", "finite numbers", shown(alpha))
    return array


def _like(values: Array, model: Array) -> Any:
    """The sums of the values over all axes along which the model broadcasts."""
    if not model.ndim:
        return total(values)
    more = values.ndim - model.ndim
    over = (*range(more), *(more + axis for axis, n in enumerate(model.shape) if n == 1))
    rows = np.ascontiguousarray(values)  # so that the order of the sum is always the same
    return rows.sum(axis=over, keepdims=True, dtype=np.float64).reshape(model.shape)
