"""Blur pooling: each window's mean by binomial weights, as comes before an anti-aliased stride."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..choices import one_of
from ..errors import PoolError
from ..geometry import Geometry, Size, geometry, plain_shape
from .layer import Layer
from .mechanism import float_dtype, float_result
from .words import fitting, pooling

Array = NDArray[Any]
Mode = Literal["reflect", "edge", "symmetric", "wrap", "constant"]
MOST = 1023  # taps: the largest binomial coefficient of more is no float64


@pooling
def blur_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 2,
    axes: Size | None = None,
    mode: Mode = "reflect",
    out: Array | None = None,
) -> Array:
    """Every `stride`-th cell of `x` after a blur with binomial weights, such as [1, 2, 1] / 4.

    >>> import numpy as np, ndpool
    >>> ndpool.blur_pool(np.array([0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 4.0]), (3,))
    array([0., 4., 0., 2.])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        kernel_size: Taps of the blur along each pooled axis, at most 1023: 1 is none, 2 is
            [1, 1] / 2, 3 is [1, 2, 1] / 4. An int pools the last two axes, a tuple of d the
            last d.
        stride, axes: As in `ndpool.max_pool`; the default of the stride is 2, not `kernel_size`.
        mode: What stands beyond the border, in `numpy.pad`'s words; "constant" is zeros.
        out: Array of the result's shape and dtype to write to. May overlap any other.

    Returns:
        y with every n-th cell along an axis of stride n, the first among them: windows have those
        cells in their middle, or if `kernel_size` is even just behind it. In x's dtype if that
        is a float (float16 and bfloat16 are computed in float32 and rounded once), else float64.
        NaN and infinities propagate as in sums.

    {errors}

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019; the filters
    are those of Burt, Adelson, "The Laplacian pyramid as a compact image code", 1983.
    """
    x = as_array("x", x)
    shapes, border = _placed(x.shape, kernel_size, stride, axes, mode)
    y = x.astype(float_dtype(x.dtype))
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        for along in _axes(shapes, border):
            y = along.blurred(y)
    return float_result(y, x.dtype)


@pooling
def blur_pool_backward(
    dy: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    stride: Size = 2,
    axes: Size | None = None,
    mode: Mode = "reflect",
    out: Array | None = None,
) -> Array:
    """The gradient of `blur_pool`, its adjoint: each `dy` goes to its window by the same weights.

    >>> import numpy as np, ndpool
    >>> ndpool.blur_pool_backward(np.array([8.0, 4.0]), (4,), (3,))
    array([4., 5., 2., 1.])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x_shape: Shape of the forward call's input.
        kernel_size, stride, axes, mode: As in the forward call.
        out: Array of the result's shape and dtype to write to. May overlap any other.

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64. What falls beyond
        the border goes to the cells that stood for it, after all others.

    {errors}

    Source: see `blur_pool`.
    """
    dy = as_array("dy", dy)
    shape = plain_shape("x_shape", x_shape)
    shapes, border = _placed(shape, kernel_size, stride, axes, mode)
    dx = fitting("dy", dy, shapes.y_shape).astype(float_dtype(dy.dtype))
    with np.errstate(all="ignore"):
        for along in reversed(list(_axes(shapes, border))):
            dx = along.spread(dx)
    return float_result(dx, dy.dtype)


class BlurPool(Layer):
    """Blur pooling with its backward pass; arguments as in `ndpool.blur_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.BlurPool((3,))
    >>> layer.forward(np.array([0.0, 0.0, 8.0, 0.0]))
    array([0., 4.])
    >>> layer.backward(np.array([8.0, 4.0]))
    array([4., 5., 2., 1.])

    Of the input only the shape is kept. Raises and source: see `ndpool.blur_pool`.
    """

    _pool = staticmethod(blur_pool)
    _gradient = staticmethod(blur_pool_backward)


class _Along(NamedTuple):
    """The blur along one axis. `source` says which cell stands at each place of the padded axis:
    n inside, -1 where there is none; the padding is `before` cells and some behind."""

    axis: int
    weights: list[float]
    stride: int
    out: int
    before: int
    source: Array

    def blurred(self, x: Array) -> Array:
        # the axis last
        padded = np.moveaxis(x, self.axis, -1)[..., self.source]
        padded[..., self.source < 0] = 0
        y = np.zeros((*padded.shape[:-1], self.out), x.dtype)
        for tap, weight in enumerate(self.weights):
            y += padded[..., self._cells(tap)] * weight
        return np.moveaxis(y, -1, self.axis)

    def spread(self, dy: Array) -> Array:
        # the axis last
        dy = np.moveaxis(dy, self.axis, -1)
        padded = np.zeros((*dy.shape[:-1], self.source.size), dy.dtype)
        for tap in reversed(range(len(self.weights))):
            padded[..., self._cells(tap)] += dy * self.weights[tap]
        n = self.source.size - len(self.weights) + 1
        dx = padded[..., self.before : self.before + n].copy()
        for place, cell in enumerate(self.source):
            if cell >= 0 and not self.before <= place < self.before + n:
                dx[..., cell] += padded[..., place]
        return np.moveaxis(dx, -1, self.axis)

    def _cells(self, tap: int) -> slice:
        return slice(tap, tap + (self.out - 1) * self.stride + 1, self.stride)


def _axes(shapes: Geometry, mode: Mode) -> Iterator[_Along]:
    for number, axis in enumerate(shapes.axes):
        n, taps = shapes.sizes[number], shapes.kernel[number]
        before, after = (taps - 1) // 2, taps // 2
        empty: dict[str, Any] = {"constant_values": -1} if mode == "constant" else {}
        source = np.pad(np.arange(n), (before, after), mode, **empty)
        weights = [comb(taps - 1, tap) / 2 ** (taps - 1) for tap in range(taps)]
        yield _Along(axis, weights, shapes.stride[number], shapes.out[number], before, source)


def _placed(
    shape: tuple[int, ...], kernel_size: Size, stride: Size, axes: Size | None, mode: object
) -> tuple[Geometry, Mode]:
    """The geometry, of which only the padding is not the blur's, and the checked mode."""
    border: Any = one_of(Mode, "mode", mode)
    # "same" padding makes ceil(n / stride) windows, as many as there are cells to be kept
    shapes = geometry(shape, kernel_size, stride, "same", axes=axes)
    if max(shapes.kernel) > MOST:
        raise PoolError("kernel_size", f"at most {MOST} taps", kernel_size)
    return shapes, border
