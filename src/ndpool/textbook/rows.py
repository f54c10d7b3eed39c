"""The first notebook's dialect: im2col makes one row of each window position, (N*OH*OW, C*h*w).

im2col and col2im follow the notebook's arguments and order, `Pooling` its class, to the bit on
float64. Where the notebook's code goes wrong, this does not: output sizes count the padding,
padding never wins, dtypes are kept, an empty batch works.

Every array of a forward or backward pass can be had by name from `forward_steps` and
`backward_steps`, which are the layer, and for windows of any kind from `forward_over` and
`backward_over`.

Source: the first notebook; the idea of im2col: Chellapilla, Puri, Simard, "High performance
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
    x: ArrayLike,
    h: SupportsIndex,
    w: SupportsIndex,
    stride: SupportsIndex = 1,
    pad: SupportsIndex = 0,
    *,
    fill: Any = 0,
) -> Array:
    """Every window of `x` as a row.

    >>> im2col(np.array([[[[1, 2, 3], [4, 5, 6]]]]), 2, 2)
    array([[1, 2, 4, 5],
           [2, 3, 5, 6]])

    Args:
        x: Images (N, C, H, W). Not modified.
        h, w: Rows and columns of a window.
        stride: Cells from one window to the next, both ways.
        pad: Cells of `fill` around each image.
        fill: The value of padding, cast to x's dtype.

    Returns:
        A new (N*OH*OW, C*h*w) array of x's dtype, rows in the order (n, oh, ow), columns in the
        order (c, i, j), where OH = 1 + (H + 2*pad - h) // stride and OW alike.

    Raises:
        PoolError: No 4-d x, a window longer than the padded image, a size out of range.
        TypeError: An argument of the wrong type.
    """
    x = as_images("x", x)
    _, _, height, width = x.shape
    windows = _windows(height, width, h, w, stride, pad)
    return to_rows(pad_images(x, windows, fill), windows)


def col2im(
    col: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    h: SupportsIndex,
    w: SupportsIndex,
    stride: SupportsIndex = 1,
    pad: SupportsIndex = 0,
) -> Array:
    """The adjoint of `im2col`: each element is added to the cell that it was taken from.

    >>> col2im(im2col(np.ones((1, 1, 2, 3), int), 2, 2), (1, 1, 2, 3), 2, 2)
    array([[[[1, 2, 1],
             [1, 2, 1]]]])

    Args:
        col: (N*OH*OW, C*h*w), as `im2col` makes it. Not modified.
        x_shape: The images' shape (N, C, H, W).
        h, w, stride, pad: As in `im2col`.

    Returns:
        A new (N, C, H, W) array of col's dtype; 0 where no window looks. The 2-byte floats are
        summed in float32 and rounded once.

    Raises:
        PoolError: A col that does not fit, and as `im2col`.
        TypeError: An argument of the wrong type.
    """
    n, c, height, width = image_shape("x_shape", x_shape)
    windows = _windows(height, width, h, w, stride, pad)
    col = as_shaped("col", col, (n * prod(windows.out), c * prod(windows.kernel)))
    padded = add(from_rows(col, n, c, windows), (n, c, height, width), windows)
    return crop(padded, (n, c, height, width), windows)


def to_rows(padded: Array, windows: Windows) -> Array:
    """(N, C, HP, WP) -> (N*OH*OW, C*h*w): `im2col` of images that have their padding.

    >>> to_rows(np.array([[[[1, 2, 3]]]]), Windows(kernel=(1, 2), out=(1, 2), stride=(1, 1)))
    array([[1, 2],
           [2, 3]])
    """
    # -> (N, C, h, w, OH, OW)
    cells = cut(padded, windows)
    n, c, h, w, out_h, out_w = cells.shape
    # -> (N, OH, OW, C, h, w)
    cells = cells.transpose(0, 4, 5, 1, 2, 3)
    # -> (N*OH*OW, C*h*w)
    return cells.reshape(n * out_h * out_w, c * h * w)


def from_rows(col: Array, n: int, c: int, windows: Windows) -> Array:
    """(N*OH*OW, C*h*w) -> (N, C, h, w, OH, OW): the cells of every window, for `add`.

    >>> windows = Windows(kernel=(1, 2), out=(1, 2), stride=(1, 1))
    >>> from_rows(np.array([[1, 2], [2, 3]]), 1, 1, windows)[0, 0, 0, 0, 0]
    array([1, 2])
    """
    (h, w), (out_h, out_w) = windows.kernel, windows.out
    # (N*OH*OW, C*h*w) -> (N, OH, OW, C, h, w)
    cells = col.reshape(n, out_h, out_w, c, h, w)
    # -> (N, C, h, w, OH, OW)
    return cells.transpose(0, 3, 4, 5, 1, 2)


class ForwardSteps(NamedTuple):
    """Every array of `Pooling.forward`, in the order it is made; of x's dtype but for arg_max."""

    x_padded: Array  # (N, C, HP, WP): with padding at the dtype's lowest value
    col: Array  # (N*OH*OW, C*h*w): im2col's, of x_padded
    pools: Array  # (N*OH*OW*C, h*w): one window of one channel a row
    highest: Array  # (N*OH*OW*C,)
    arg_max: Array  # (N*OH*OW*C,) int64: the winner's row-major offset in its window
    out_t: Array  # (N, OH, OW, C)
    out: Array  # (N, C, OH, OW)


class BackwardSteps(NamedTuple):
    """Every array of `Pooling.backward`, in the order it is made; of dout's dtype."""

    dout_t: Array  # (N, OH, OW, C)
    dmax_zeros: Array  # (N*OH*OW*C, h*w)
    dmax: Array  # (N*OH*OW*C, h*w): each dout in its winner's column
    dmax_5d: Array  # (N, OH, OW, C, h*w)
    dcol: Array  # (N*OH*OW, C*h*w)
    dx_padded: Array  # (N, C, HP, WP): what col2im adds
    dx: Array  # (N, C, H, W)


def forward_steps(x: Array, pool_h: int, pool_w: int, stride: int, pad: int) -> ForwardSteps:
    """Max pooling of images `x` (N, C, H, W), step by step.

    >>> forward_steps(np.array([[[[1, 5], [3, 4]]]]), 2, 2, stride=2, pad=0).highest
    array([5])

    Raises PoolError as `ndpool.max_pool` does, for one where a window lies wholly in padding.
    """
    out = geometry(x.shape, (pool_h, pool_w), stride, pad).out
    return forward_over(x, Windows.both_ways((pool_h, pool_w), (out[0], out[1]), stride, pad))


def backward_steps(
    dout: Array,
    arg_max: Array,
    x_shape: Sequence[SupportsIndex],
    pool_h: int,
    pool_w: int,
    stride: int,
    pad: int,
) -> BackwardSteps:
    """The gradient of `forward_steps`: dout (N, C, OH, OW) goes to the cells that won.

    >>> backward_steps(np.array([[[[7]]]]), np.array([1]), (1, 1, 2, 2), 2, 2, stride=2, pad=0).dmax
    array([[0, 7, 0, 0]])
    """
    _, _, out_h, out_w = dout.shape
    windows = Windows.both_ways((pool_h, pool_w), (out_h, out_w), stride, pad)
    return backward_over(dout, arg_max, image_shape("x_shape", x_shape), windows)


@np.errstate(invalid="ignore")  # of NaN in bfloat16, ml_dtypes' maximum warns
def forward_over(x: Array, windows: Windows) -> ForwardSteps:
    """`forward_steps` with windows of any kind: each axis its own stride, padding and dilation.

    >>> windows = Windows(kernel=(1, 2), out=(1, 1), stride=(1, 1), dilation=(1, 2))
    >>> forward_over(np.array([[[[1, 5, 2]]]]), windows).col
    array([[1, 2]])

    No window may lie wholly in padding: `ndpool.geometry.geometry` has seen to that.
    """
    n, c, _, _ = x.shape
    (h, w), (out_h, out_w) = windows.kernel, windows.out

    x_padded = pad_images(x, windows, lowest(x.dtype))
    # (N, C, HP, WP) -> (N*OH*OW, C*h*w)
    col = to_rows(x_padded, windows)
    # -> (N*OH*OW*C, h*w)
    pools = col.reshape(n * out_h * out_w * c, h * w)
    highest = np.max(pools, axis=1)
    arg_max = winners(pools, highest, first_inside(x.shape, windows))
    # (N*OH*OW*C,) -> (N, OH, OW, C)
    out_t = highest.reshape(n, out_h, out_w, c)
    # -> (N, C, OH, OW)
    out = out_t.transpose(0, 3, 1, 2)
    return ForwardSteps(x_padded, col, pools, highest, arg_max, out_t, out)


def backward_over(
    dout: Array, arg_max: Array, x_shape: tuple[int, ...], windows: Windows
) -> BackwardSteps:
    """The gradient of `forward_over`."""
    # (N, C, OH, OW) -> (N, OH, OW, C)
    dout_t = dout.transpose(0, 2, 3, 1)
    n, out_h, out_w, c = dout_t.shape
    pool_size = prod(windows.kernel)
    dmax_zeros = np.zeros((dout_t.size, pool_size), dout.dtype)
    dmax = spread(dmax_zeros, arg_max, dout_t)
    # (N*OH*OW*C, h*w) -> (N, OH, OW, C, h*w)
    dmax_5d = dmax.reshape(n, out_h, out_w, c, pool_size)
    # -> (N*OH*OW, C*h*w)
    dcol = dmax_5d.reshape(n * out_h * out_w, c * pool_size)
    # -> (N, C, HP, WP)
    dx_padded = add(from_rows(dcol, n, c, windows), x_shape, windows)
    # -> (N, C, H, W)
    dx = crop(dx_padded, x_shape, windows)
    return BackwardSteps(dout_t, dmax_zeros, dmax, dmax_5d, dcol, dx_padded, dx)


def spread(zeros: Array, arg_max: Array, values: Array) -> Array:
    """A copy of `zeros` with each row's value in the column that won.

    Shapes: zeros (windows, h*w), arg_max (windows,), values of as many elements.

    >>> spread(np.zeros((2, 3), int), np.array([2, 0]), np.array([8, 9]))
    array([[0, 0, 8],
           [9, 0, 0]])
    """
    filled = zeros.copy()
    filled[np.arange(arg_max.size), arg_max] = values.reshape(-1)
    return filled


class Pooling:
    """The first notebook's max-pooling layer.

    >>> layer = Pooling(2, 2)
    >>> layer.forward(np.array([[[[1, 5], [3, 4]]]]))
    array([[[[5]]]])
    >>> layer.backward(np.array([[[[10]]]]))
    array([[[[ 0, 10],
             [ 0,  0]]]])

    Args:
        pool_h, pool_w: Rows and columns of a window.
        stride: Cells from one window to the next, both ways.
        pad: Cells of padding around each image; they never win.
        engine: "im2col", every step of which can be followed, or "native", which leaves the work
            to `ndpool.max_pool`. Equal results, in another memory layout; but where three or more
            windows won by one cell overlap, float gradients may differ in the last bit, because
            the notebook does not add in the order of the outputs.

    After `forward`, `x` is the input itself and `arg_max` each winner's offset in its window.
    A result has the dtype of what it is made from. NaN wins over all else; of equal cells the
    first in row-major order wins, and of NaNs the first.

    Raises PoolError or TypeError that names the argument, here and in `forward` and `backward`.
    """

    def __init__(
        self,
        pool_h: SupportsIndex,
        pool_w: SupportsIndex,
        stride: SupportsIndex = 2,
        pad: SupportsIndex = 0,
        *,
        engine: str = "im2col",
    ) -> None:
        self.pool_h, self.pool_w, self.stride = integers(
            1, pool_h=pool_h, pool_w=pool_w, stride=stride
        )
        (self.pad,) = integers(0, pad=pad)
        self.engine = checked_engine(engine)
        self.x: Array | None = None
        self._winners: Array | None = None  # (N*OH*OW*C,) from im2col, (N, C, OH, OW) from native
        self._out_shape: tuple[int, ...] = ()

    @property
    def arg_max(self) -> Array | None:
        """(N*OH*OW*C,) int64 in the order (n, oh, ow, c); None before the first forward.

        With the native engine it is made when it is asked for: training need not pay for it.
        """
        return None if self._winners is None else flat_winners(self._winners)

    def forward(self, x: ArrayLike) -> Array:
        """out (N, C, OH, OW) of images x (N, C, H, W), where OH = 1 + (H + 2*pad - h) // stride."""
        x = as_images("x", x)
        if self.engine == "native":
            window = (self.pool_h, self.pool_w)
            out, self._winners = max_pool(
                x, window, stride=self.stride, padding=self.pad, return_indices=True
            )
        else:
            steps = forward_steps(x, self.pool_h, self.pool_w, self.stride, self.pad)
            out, self._winners = steps.out, steps.arg_max
        self.x, self._out_shape = x, out.shape
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """dx (N, C, H, W) of the last forward, from dout (N, C, OH, OW) and of its dtype."""
        if self.x is None or self._winners is None:
            raise PoolError("backward", "a forward call before it", "none")
        dout, x_shape = as_shaped("dout", dout, self._out_shape), self.x.shape
        if self.engine == "native":
            window = (self.pool_h, self.pool_w)
            return max_pool_backward(
                dout, self._winners, x_shape, window, stride=self.stride, padding=self.pad
            )
        winners, h, w = self._winners, self.pool_h, self.pool_w
        return backward_steps(dout, winners, x_shape, h, w, self.stride, self.pad).dx


def _windows(
    height: int,
    width: int,
    h: SupportsIndex,
    w: SupportsIndex,
    stride: SupportsIndex,
    pad: SupportsIndex,
) -> Windows:
    """The windows that fit into images of height x width with `pad` around them."""
    h, w, stride = integers(1, h=h, w=w, stride=stride)
    (pad,) = integers(0, pad=pad)
    out_h = _out_size("h", height + 2 * pad, h, stride)
    out_w = _out_size("w", width + 2 * pad, w, stride)
    return Windows.both_ways((h, w), (out_h, out_w), stride, pad)


def _out_size(argument: str, padded: int, window: int, stride: int) -> int:
    if window > padded:
        raise PoolError(
            argument, f"at most {padded}, the padded image's", window, "lower it or raise pad"
        )
    return 1 + (padded - window) // stride
