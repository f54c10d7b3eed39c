"""The second notebook's dialect: im2col makes one column of each window position, (C*h*w, N*OH*OW).

im2col and col2im follow the notebook's arguments and order, `PoolingLayer` its class, to the bit
on float64. Where the notebook's code goes wrong, this does not: an output size that was rounded
up gets its padding on the right and at the bottom, every row and column is seen whatever `pad`
is, padding never wins, dtypes are kept, an empty batch works.

Every array of a forward or backward pass can be had by name from `forward_steps` and
`backward_steps`, which are the layer, and for windows of any kind from `forward_over` and
`backward_over`.

Source: the second notebook; the idea of im2col: Chellapilla, Puri, Simard, "High performance
convolutional neural networks for document processing", IWFHR 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dtypes import lowest
from ..errors import PoolError
from ..geometry import geometry
from ..pool import max_pool, max_pool_backward
from .arguments import as_images, as_shaped, checked_engine, image_shape, integers
from .windows import Windows, add, crop, cut, first_inside, flat_winners, winners
from .windows import pad as pad_images

Array = NDArray[Any]


def im2col(
    images: ArrayLike,
    flt_h: SupportsIndex,
    flt_w: SupportsIndex,
    out_h: SupportsIndex,
    out_w: SupportsIndex,
    stride: SupportsIndex,
    pad: SupportsIndex,
    *,
    fill: Any = 0,
) -> Array:
    """Every window of `images` as a column.

    >>> im2col(np.array([[[[1, 2, 3], [4, 5, 6]]]]), 2, 2, 1, 2, stride=2, pad=0)
    array([[1, 3],
           [2, 0],
           [4, 6],
           [5, 0]])

    Args:
        images: (N, C, H, W). Not modified.
        flt_h, flt_w: Rows and columns of a window.
        out_h, out_w: Windows down and across. Where they reach over the padded image, more
            padding is put on the right and at the bottom.
        stride: Cells from one window to the next, both ways.
        pad: Cells of `fill` around each image.
        fill: The value of padding, cast to images' dtype.

    Returns:
        A new (C*h*w, N*OH*OW) array of images' dtype, rows in the order (c, i, j), columns in the
        order (n, oh, ow): the transpose of `rows.im2col`'s where that makes as many windows.

    Raises:
        PoolError: No 4-d images, or a size out of range.
        TypeError: An argument of the wrong type.
    """
    images = as_images("images", images)
    windows = _windows(flt_h, flt_w, out_h, out_w, stride, pad)
    return to_columns(pad_images(images, windows, fill), windows)


def col2im(
    cols: ArrayLike,
    img_shape: Sequence[SupportsIndex],
    flt_h: SupportsIndex,
    flt_w: SupportsIndex,
    out_h: SupportsIndex,
    out_w: SupportsIndex,
    stride: SupportsIndex,
    pad: SupportsIndex,
) -> Array:
    """The adjoint of `im2col`: each element is added to the cell that it was taken from.

    >>> cols = im2col(np.ones((1, 1, 1, 3), int), 1, 2, 1, 2, stride=1, pad=0)
    >>> col2im(cols, (1, 1, 1, 3), 1, 2, 1, 2, stride=1, pad=0)
    array([[[[1, 2, 1]]]])

    Args:
        cols: (C*h*w, N*OH*OW), as `im2col` makes it. Not modified.
        img_shape: The images' shape (N, C, H, W).
        flt_h, flt_w, out_h, out_w, stride, pad: As in `im2col`.

    Returns:
        A new (N, C, H, W) array of cols' dtype; 0 where no window looks. The 2-byte floats are
        summed in float32 and rounded once.

    Raises:
        PoolError: A cols that does not fit, and as `im2col`.
        TypeError: An argument of the wrong type.
    """
    n, c, height, width = image_shape("img_shape", img_shape)
    windows = _windows(flt_h, flt_w, out_h, out_w, stride, pad)
    cols = as_shaped("cols", cols, (c * prod(windows.kernel), n * prod(windows.out)))
    padded = add(from_columns(cols, n, c, windows), (n, c, height, width), windows)
    return crop(padded, (n, c, height, width), windows)


def to_columns(padded: Array, windows: Windows) -> Array:
    """(N, C, HP, WP) -> (C*h*w, N*OH*OW): `im2col` of images that have their padding.

    >>> to_columns(np.array([[[[1, 2, 3]]]]), Windows(kernel=(1, 2), out=(1, 2), stride=(1, 1)))
    array([[1, 2],
           [2, 3]])
    """
    # -> (N, C, h, w, OH, OW)
    cells = cut(padded, windows)
    n, c, h, w, out_h, out_w = cells.shape
    # -> (C, h, w, N, OH, OW)
    cells = cells.transpose(1, 2, 3, 0, 4, 5)
    # -> (C*h*w, N*OH*OW)
    return cells.reshape(c * h * w, n * out_h * out_w)


def from_columns(cols: Array, n: int, c: int, windows: Windows) -> Array:
    """(C*h*w, N*OH*OW) -> (N, C, h, w, OH, OW): the cells of every window, for `add`.

    >>> windows = Windows(kernel=(1, 2), out=(1, 2), stride=(1, 1))
    >>> from_columns(np.array([[1, 2], [2, 3]]), 1, 1, windows)[0, 0, 0, 0, 0]
    array([1, 2])
    """
    (h, w), (out_h, out_w) = windows.kernel, windows.out
    # (C*h*w, N*OH*OW) -> (C, h, w, N, OH, OW)
    cells = cols.reshape(c, h, w, n, out_h, out_w)
    # -> (N, C, h, w, OH, OW)
    return cells.transpose(3, 0, 1, 2, 4, 5)


class ForwardSteps(NamedTuple):
    """Every array of `PoolingLayer.forward`, in the order it is made; x's dtype but max_index."""

    x_padded: Array  # (N, C, HP, WP): with padding at the dtype's lowest value
    cols: Array  # (C*h*w, N*OH*OW): im2col's, of x_padded; in `PoolingLayer` h = w = pool
    pools: Array  # (N*OH*OW*C, h*w): one window of one channel a row
    highest: Array  # (N*OH*OW*C,)
    max_index: Array  # (N*OH*OW*C,) int64: the winner's row-major offset in its window
    y_t: Array  # (N, OH, OW, C)
    y: Array  # (N, C, OH, OW)


class BackwardSteps(NamedTuple):
    """Every array of `PoolingLayer.backward`, in the order it is made; of grad_y's dtype."""

    grad_y_t: Array  # (N, OH, OW, C)
    zeros: Array  # (h*w, N*OH*OW*C)
    grad_pools: Array  # (h*w, N*OH*OW*C): each grad_y in its winner's row
    grad_pools_6d: Array  # (h, w, N, OH, OW, C)
    grad_cols_6d: Array  # (C, h, w, N, OH, OW)
    grad_cols: Array  # (C*h*w, N*OH*OW)
    grad_x_padded: Array  # (N, C, HP, WP): what col2im adds
    grad_x: Array  # (N, C, H, W)


def forward_steps(x: Array, pool: int, y_h: int, y_w: int, pad: int) -> ForwardSteps:
    """Max pooling of images `x` (N, C, H, W), step by step.

    >>> forward_steps(np.array([[[[1, 5, 2]]]]), pool=2, y_h=1, y_w=2, pad=0).highest
    array([5, 2])

    No window may lie wholly in padding: `PoolingLayer` has seen to that.
    """
    return forward_over(x, Windows.both_ways((pool, pool), (y_h, y_w), pool, pad))


def backward_steps(
    grad_y: Array, max_index: Array, x_shape: Sequence[SupportsIndex], pool: int, pad: int
) -> BackwardSteps:
    """The gradient of `forward_steps`: grad_y (N, C, OH, OW) goes to the cells that won.

    >>> backward_steps(np.array([[[[7]]]]), np.array([1]), (1, 1, 2, 2), pool=2, pad=0).grad_cols
    array([[0],
           [7],
           [0],
           [0]])
    """
    _, _, y_h, y_w = grad_y.shape
    windows = Windows.both_ways((pool, pool), (y_h, y_w), pool, pad)
    return backward_over(grad_y, max_index, image_shape("x_shape", x_shape), windows)


@np.errstate(invalid="ignore")  # of NaN in bfloat16, ml_dtypes' maximum warns
def forward_over(x: Array, windows: Windows) -> ForwardSteps:
    """`forward_steps` with windows of any kind: each axis its own stride, padding and dilation.

    >>> windows = Windows(kernel=(1, 2), out=(1, 1), stride=(1, 1), dilation=(1, 2))
    >>> forward_over(np.array([[[[1, 5, 2]]]]), windows).cols
    array([[1],
           [2]])

    No window may lie wholly in padding: `ndpool.geometry.geometry` has seen to that.
    """
    n, c, _, _ = x.shape
    (h, w), (y_h, y_w) = windows.kernel, windows.out

    x_padded = pad_images(x, windows, lowest(x.dtype))
    # (N, C, HP, WP) -> (C*h*w, N*OH*OW)
    cols = to_columns(x_padded, windows)
    # -> (N*OH*OW, C*h*w) -> (N*OH*OW*C, h*w)
    pools = cols.T.reshape(n * y_h * y_w * c, h * w)
    highest = np.max(pools, axis=1)
    max_index = winners(pools, highest, first_inside(x.shape, windows))
    # (N*OH*OW*C,) -> (N, OH, OW, C)
    y_t = highest.reshape(n, y_h, y_w, c)
    # -> (N, C, OH, OW)
    y = y_t.transpose(0, 3, 1, 2)
    return ForwardSteps(x_padded, cols, pools, highest, max_index, y_t, y)


def backward_over(
    grad_y: Array, max_index: Array, x_shape: tuple[int, ...], windows: Windows
) -> BackwardSteps:
    """The gradient of `forward_over`."""
    # (N, C, OH, OW) -> (N, OH, OW, C)
    grad_y_t = grad_y.transpose(0, 2, 3, 1)
    n, y_h, y_w, c = grad_y_t.shape
    h, w = windows.kernel
    zeros = np.zeros((h * w, grad_y_t.size), grad_y.dtype)
    grad_pools = spread(zeros, max_index, grad_y_t)
    # (h*w, N*OH*OW*C) -> (h, w, N, OH, OW, C)
    grad_pools_6d = grad_pools.reshape(h, w, n, y_h, y_w, c)
    # -> (C, h, w, N, OH, OW)
    grad_cols_6d = grad_pools_6d.transpose(5, 0, 1, 2, 3, 4)
    # -> (C*h*w, N*OH*OW)
    grad_cols = grad_cols_6d.reshape(c * h * w, n * y_h * y_w)
    # -> (N, C, HP, WP)
    grad_x_padded = add(from_columns(grad_cols, n, c, windows), x_shape, windows)
    # -> (N, C, H, W)
    grad_x = crop(grad_x_padded, x_shape, windows)
    return BackwardSteps(
        grad_y_t,
        zeros,
        grad_pools,
        grad_pools_6d,
        grad_cols_6d,
        grad_cols,
        grad_x_padded,
        grad_x,
    )


def spread(zeros: Array, max_index: Array, values: Array) -> Array:
    """A copy of `zeros` with each column's value in the row that won.

    Shapes: zeros (h*w, windows), max_index (windows,), values of as many elements.

    >>> spread(np.zeros((3, 2), int), np.array([2, 0]), np.array([8, 9]))
    array([[0, 9],
           [0, 0],
           [8, 0]])
    """
    filled = zeros.copy()
    filled[max_index, np.arange(max_index.size)] = values.reshape(-1)
    return filled


class PoolingLayer:
    """The second notebook's max-pooling layer: windows of pool x pool side by side.

    >>> layer = PoolingLayer(x_ch=1, x_h=1, x_w=3, pool=2, pad=0)
    >>> layer.forward(np.array([[[[1, 5, 2]]]]))
    >>> layer.y
    array([[[[5, 2]]]])
    >>> layer.backward(np.array([[[[10, 1]]]]))
    >>> layer.grad_x
    array([[[[ 0, 10,  1]]]])

    Args:
        x_ch, x_h, x_w: Channels, height and width of the images.
        pool: Rows and columns of a window, and cells from one to the next.
        pad: Cells of padding around each image; they never win.
        engine: "im2col", every step of which can be followed, or "native", which leaves the work
            to `ndpool.max_pool`; equal results, in another memory layout.

    The first window begins `pad` cells before the image, and there are as many windows as it
    takes to see every row and column: ``y_h = ceil((x_h + pad) / pool)``, y_w alike. Without
    padding that is the notebook's size. The last window may reach over the image; the padding
    put there is as wide as it needs, and a window with padding alone is not made, so `pad` on the
    right and at the bottom is never more than that.

    `forward` and `backward` return nothing and leave `y`, `max_index`, `grad_x`. A result has the
    dtype of what it is made from. NaN wins over all else; of equal cells the first in row-major
    order wins, and of NaNs the first.

    Raises PoolError or TypeError that names the argument, here and in `forward` and `backward`.
    """

    y: Array  # (N, C, OH, OW), after forward
    grad_x: Array  # (N, C, H, W), after backward

    def __init__(
        self,
        x_ch: SupportsIndex,
        x_h: SupportsIndex,
        x_w: SupportsIndex,
        pool: SupportsIndex,
        pad: SupportsIndex,
        *,
        engine: str = "im2col",
    ) -> None:
        x_ch, x_h, x_w, pool = integers(1, x_ch=x_ch, x_h=x_h, x_w=x_w, pool=pool)
        (pad,) = integers(0, pad=pad)
        self.engine = checked_engine(engine)
        self.params = (x_ch, x_h, x_w, pool, pad)
        self.y_ch = x_ch
        self.y_h = -(-(x_h + pad) // pool)  # rounded up
        self.y_w = -(-(x_w + pad) // pool)
        # (before, after) for rows and columns, so that y_h and y_w windows fit to the cell
        self._padding = (
            (pad, self.y_h * pool - pad - x_h),
            (pad, self.y_w * pool - pad - x_w),
        )
        geometry((1, x_ch, x_h, x_w), pool, padding=self._padding)  # refuses what cannot be pooled
        self._winners: Array | None = None  # (N*OH*OW*C,) from im2col, (N, C, OH, OW) from native

    @property
    def max_index(self) -> Array | None:
        """(N*OH*OW*C,) int64 in the order (n, oh, ow, c); None before the first forward.

        With the native engine it is made when it is asked for: training need not pay for it.
        """
        return None if self._winners is None else flat_winners(self._winners)

    def forward(self, x: ArrayLike) -> None:
        """Set `y` (N, C, OH, OW) and `max_index` for images x (N, C, H, W)."""
        x_ch, x_h, x_w, pool, pad = self.params
        x = as_images("x", x)
        x = as_shaped("x", x, (x.shape[0], x_ch, x_h, x_w))
        if self.engine == "native":
            self.y, self._winners = max_pool(x, pool, padding=self._padding, return_indices=True)
        else:
            steps = forward_steps(x, pool, self.y_h, self.y_w, pad)
            self.y, self._winners = steps.y, steps.max_index

    def backward(self, grad_y: ArrayLike) -> None:
        """Set `grad_x` (N, C, H, W) for the last forward, from grad_y (N, C, OH, OW)."""
        if self._winners is None:
            raise PoolError("backward", "a forward call before it", "none")
        grad_y = as_shaped("grad_y", grad_y, self.y.shape)
        x_ch, x_h, x_w, pool, pad = self.params
        x_shape = (grad_y.shape[0], x_ch, x_h, x_w)
        if self.engine == "native":
            self.grad_x = max_pool_backward(
                grad_y, self._winners, x_shape, pool, padding=self._padding
            )
        else:
            self.grad_x = backward_steps(grad_y, self._winners, x_shape, pool, pad).grad_x


def _windows(
    flt_h: SupportsIndex,
    flt_w: SupportsIndex,
    out_h: SupportsIndex,
    out_w: SupportsIndex,
    stride: SupportsIndex,
    pad: SupportsIndex,
) -> Windows:
    h, w, out_h, out_w, stride = integers(
        1, flt_h=flt_h, flt_w=flt_w, out_h=out_h, out_w=out_w, stride=stride
    )
    (pad,) = integers(0, pad=pad)
    return Windows.both_ways((h, w), (out_h, out_w), stride, pad)
