"""Spatial pyramid pooling: adaptive pooling at several sizes, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, SupportsIndex, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..choices import one_of
from ..dtypes import sum_dtype
from ..errors import PoolError, PoolTypeError, shown
from .by_name import NamedLayer
from .mechanism import float_dtype, float_result, rounded
from .pooled import (
    Positions,
    asked_positions,
    checked_winners,
    opened_regions,
    opened_regions_gradient,
    pooled_max,
    pooled_max_backward,
    pooled_mean,
    pooled_mean_backward,
)
from .regions import OutputSize, Regions, adaptive, is_row
from .words import WholeGradientWords, WholeWords, fitting, pooling

Array = NDArray[Any]
Levels = Sequence[OutputSize]
Kind = Literal["max", "avg"]


@overload
def spatial_pyramid_pool(
    x: ArrayLike,
    levels: Levels = ...,
    *,
    kind: Kind = ...,
    return_indices: Literal[False] = ...,
    **words: Unpack[WholeWords],
) -> Array: ...


@overload
def spatial_pyramid_pool(
    x: ArrayLike,
    levels: Levels = ...,
    *,
    kind: Kind = ...,
    return_indices: Literal[True] | Positions,
    **words: Unpack[WholeWords],
) -> tuple[Array, Array]: ...


@pooling
def spatial_pyramid_pool(
    x: ArrayLike,
    levels: Levels = (1, 2, 4),
    *,
    kind: Kind = "max",
    return_indices: bool | Positions = False,
    **words: Unpack[WholeWords],
) -> Array | tuple[Array, Array]:
    """The maxima, or means, of all regions of a pyramid: as many for any size of `x`.

    >>> import numpy as np, ndpool
    >>> x = np.arange(12).reshape(3, 4)
    >>> ndpool.spatial_pyramid_pool(x, (1, 2))
    array([11,  5,  7,  9, 11])
    >>> ndpool.spatial_pyramid_pool(x, (1, 2), kind="avg")
    array([5.5, 2.5, 4.5, 6.5, 8.5])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        levels: Output sizes as `adaptive_max_pool` takes them, one for each level.
        kind: "max" or "avg".
        {axes}
        return_indices: For maxima: True or "plane", or "tensor": int64 positions of the winners as
            in `ndpool.max_pool`.

    Returns:
        y of shape (batch axes, regions): level by level, each row-major; in the dtype of
        `adaptive_max_pool` or `adaptive_avg_pool`. Of (N, C, H, W) that is (N, C, regions), and
        ``y.reshape(len(y), -1)`` the vector for SPP-net's first dense layer. With `return_indices`
        the pair ``(y, indices)``.

    {errors}

    Source: He, Zhang, Ren, Sun, "Spatial pyramid pooling in deep convolutional networks for visual
    recognition", ECCV 2014.
    """
    x, pyramid, mask = opened_regions(x, levels, words, _pyramid)
    is_max = one_of(Kind, "kind", kind) == "max"
    form = asked_positions(return_indices)
    if form is not None and not is_max:
        raise PoolError("return_indices", "False where kind is 'avg'", shown(return_indices))
    found, winners = [], []
    engine = words.get("engine")
    for regions in pyramid:
        if not is_max:
            y = pooled_mean(x, regions, mask, engine)
        elif form is None:
            y = pooled_max(x, regions, False, mask, engine)
        else:
            y, indices = pooled_max(x, regions, form, mask, engine)
            winners.append(_flat(indices, regions))
        found.append(_flat(y, regions))
    y = np.concatenate(found, axis=-1, dtype=found[0].dtype)  # big-endian, if it was
    return y if form is None else (y, np.concatenate(winners, axis=-1))


@pooling
def spatial_pyramid_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    levels: Levels = (1, 2, 4),
    *,
    kind: Kind = "max",
    indices: ArrayLike | None = None,
    index_form: Positions = "plane",
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `spatial_pyramid_pool`: the sum of the levels' gradients.

    >>> import numpy as np, ndpool
    >>> dy = np.array([8.0, 1.0, 2.0, 3.0, 4.0])
    >>> ndpool.spatial_pyramid_pool_backward(dy, (2, 2), (1, 2), kind="avg")
    array([[3., 4.],
           [5., 6.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        levels, kind: As in the forward call.
        {axes}
        indices: The winners, as the forward call returned them; None where kind is "avg".
        index_form: The form of `indices`: "plane" or "tensor".

    Returns:
        dx of shape `x_shape`, in the dtype of `adaptive_max_pool_backward` or
        `adaptive_avg_pool_backward`; float16 and bfloat16 are summed in float32 and rounded once.

    {errors}

    Source: see `spatial_pyramid_pool`.
    """
    dy, pyramid, mask = opened_regions_gradient(dy, x_shape, levels, words, _pyramid)
    is_max = one_of(Kind, "kind", kind) == "max"
    form = one_of(Positions, "index_form", index_form)
    shape, engine = pyramid[0].shape, words.get("engine")
    batch = tuple(n for axis, n in enumerate(shape) if axis not in pyramid[0].axes)
    y_shape = (*batch, sum(prod(regions.out) for regions in pyramid))
    fitting("dy", dy, y_shape)
    winners = checked_winners(indices, kind, is_max, y_shape)
    dtype = (sum_dtype if is_max else float_dtype)(dy.dtype)
    slopes, dx, first = dy.astype(dtype), np.zeros(shape, dtype.newbyteorder("=")), 0
    for regions in pyramid:
        here = slice(first, first + prod(regions.out))
        part = _unflat(slopes[..., here], regions)
        with np.errstate(all="ignore"):
            if winners is None:
                dx += pooled_mean_backward(part, regions, mask, engine)
            else:
                at = _unflat(winners[..., here], regions)
                dx += pooled_max_backward(part, at, regions, form, mask, engine)
        first = here.stop
    return rounded(dx, dy.dtype) if is_max else float_result(dx, dy.dtype)


class SpatialPyramidPool(NamedLayer):
    """Spatial pyramid pooling with its backward pass; see `ndpool.spatial_pyramid_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.SpatialPyramidPool((1, 2))
    >>> layer.forward(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([4., 1., 2., 4., 3.])
    >>> layer.backward(np.array([10.0, 1.0, 2.0, 3.0, 4.0]))
    array([[ 1.,  2.],
           [13.,  4.]])

    It keeps the winners, of maxima, and the input's shape. Raises and source: see
    `ndpool.spatial_pyramid_pool`.
    """

    _pool = staticmethod(spatial_pyramid_pool)
    _gradient = staticmethod(spatial_pyramid_pool_backward)
    _named = ("levels",)
    _mode = ("kind", "max")


def _pyramid(shape: tuple[int, ...], levels: Any, axes: Any) -> list[Regions]:
    """The regions of each level, all over the same axes."""
    if not is_row(levels):
        raise PoolTypeError("levels", "a row of output sizes", shown(levels))
    if not len(levels):
        raise PoolError("levels", "at least one", "none")
    pyramid = [adaptive(shape, level, axes, "levels") for level in levels]
    for regions in pyramid:
        if regions.axes != pyramid[0].axes:
            raise PoolError("levels", "the same number of axes for each", shown(levels))
    return pyramid


def _flat(y: Array, regions: Regions) -> Array:
    """(batch axes, regions) of an array of y's shape."""
    # (batch axes, pooled axes) -> (batch axes, regions)
    last = np.moveaxis(y, regions.axes, range(-len(regions.axes), 0))
    return last.reshape(*last.shape[: -len(regions.axes)], prod(regions.out))


def _unflat(rows: Array, regions: Regions) -> Array:
    """The way back."""
    # (batch axes, regions) -> (batch axes, pooled axes)
    last = rows.reshape(*rows.shape[:-1], *regions.out)
    return np.moveaxis(last, range(-len(regions.axes), 0), regions.axes)
