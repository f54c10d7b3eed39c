"""What the two dialects share: the windows of images, cut out, put back, and their winners.

The dialects differ only in how they flatten one array, `cut`'s (N, C, h, w, OH, OW).
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dtypes import lowest, sum_dtype

Array = NDArray[Any]
Pair = tuple[int, int]


class Windows(NamedTuple):
    """Where the windows stand; everything but `both_ways` is (along rows, along columns).

    The first window begins `before` cells before the image, up and left. The image is padded to
    `after` on the other side, or as far as the last window reaches, whichever is more.
    """

    kernel: Pair  # cells of a window
    out: Pair  # windows
    stride: Pair  # from one window to the next
    before: Pair = (0, 0)
    after: Pair = (0, 0)
    dilation: Pair = (1, 1)  # from one cell of a window to the next

    @classmethod
    def both_ways(cls, kernel: Pair, out: Pair, stride: int, pad: int) -> Windows:
        """The notebooks' windows: one stride, and one padding on all sides."""
        return cls(kernel, out, (stride, stride), (pad, pad), (pad, pad))

    def padded(self, size: Pair) -> Pair:
        """Rows and columns of an image of `size` with its padding.

        >>> Windows((2, 2), out=(1, 2), stride=(2, 2), after=(1, 0)).padded((2, 3))
        (3, 4)
        """
        reach = [
            max(before + n + after, (out - 1) * stride + (kernel - 1) * dilation + 1)
            for n, kernel, out, stride, before, after, dilation in zip(size, *self, strict=True)
        ]
        return reach[0], reach[1]

    def places(self, i: int, j: int) -> tuple[slice, slice]:
        """Where cell (i, j) of every window stands in the padded image."""
        row, column = i * self.dilation[0], j * self.dilation[1]
        (out_h, out_w), (down, across) = self.out, self.stride
        return (
            slice(row, row + down * out_h, down),
            slice(column, column + across * out_w, across),
        )

    def inside(self, size: Pair) -> tuple[slice, slice]:
        """Where an image of `size` stands in the padded one."""
        top, left = self.before
        return slice(top, top + size[0]), slice(left, left + size[1])


def pad(images: Array, windows: Windows, fill: Any = 0) -> Array:
    """(N, C, H, W) -> (N, C, HP, WP): the images with `fill` around them, of their dtype.

    >>> pad(np.array([[[[1, 2, 3]]]]), Windows(kernel=(1, 2), out=(1, 2), stride=(2, 2)))
    array([[[[1, 2, 3, 0]]]])
    """
    n, c, height, width = images.shape
    padded = np.full((n, c, *windows.padded((height, width))), fill, images.dtype)
    rows, columns = windows.inside((height, width))
    padded[:, :, rows, columns] = images
    return padded


def cut(padded: Array, windows: Windows) -> Array:
    """(N, C, HP, WP) -> (N, C, h, w, OH, OW): cell (i, j) of every window, for each (i, j).

    A new array of the padded images' dtype.

    >>> cut(np.array([[[[1, 2, 3, 0]]]]), Windows(kernel=(1, 2), out=(1, 2), stride=(2, 2)))
    array([[[[[[1, 3]],
    <BLANKLINE>
              [[2, 0]]]]]])
    """
    n, c, _, _ = padded.shape
    (h, w), (out_h, out_w) = windows.kernel, windows.out
    cells = np.empty((n, c, h, w, out_h, out_w), padded.dtype)
    for i in range(h):
        for j in range(w):
            rows, columns = windows.places(i, j)
            cells[:, :, i, j] = padded[:, :, rows, columns]
    return cells


def add(cells: Array, image_shape: tuple[int, ...], windows: Windows) -> Array:
    """(N, C, h, w, OH, OW) -> (N, C, HP, WP): the adjoint of `cut`, so it adds.

    A cell that several windows hold gets the sum, one that none holds gets 0. Of cells' dtype,
    though the 2-byte floats are summed in float32 and rounded once.

    >>> windows = Windows(kernel=(1, 2), out=(1, 2), stride=(1, 1))
    >>> add(cut(np.ones((1, 1, 1, 3), int), windows), (1, 1, 1, 3), windows)
    array([[[[1, 2, 1]]]])
    """
    n, c, height, width = image_shape
    h, w = windows.kernel
    padded_h, padded_w = windows.padded((height, width))
    # stride - 1 rows and columns to spare, as in the books, though no window needs them: so dx
    # has the books' memory layout, and what is summed over it later is summed in the same order.
    spare = [
        before + n + after + stride - 1
        for n, _, _, stride, before, after, _ in zip((height, width), *windows, strict=True)
    ]
    with_spare = (n, c, max(padded_h, spare[0]), max(padded_w, spare[1]))
    padded = np.zeros(with_spare, sum_dtype(cells.dtype))

    for i in range(h):
        for j in range(w):
            rows, columns = windows.places(i, j)
            padded[:, :, rows, columns] += cells[:, :, i, j]
    return padded[:, :, :padded_h, :padded_w].astype(cells.dtype, copy=False)


def crop(padded: Array, image_shape: tuple[int, ...], windows: Windows) -> Array:
    """(N, C, HP, WP) -> (N, C, H, W): the adjoint of `pad`, what came to the padding is lost.

    >>> crop(np.array([[[[1, 2, 3, 0]]]]), (1, 1, 1, 2), Windows((1, 2), (1, 2), (1, 1), (0, 1)))
    array([[[[2, 3]]]])
    """
    _, _, height, width = image_shape
    rows, columns = windows.inside((height, width))
    return padded[:, :, rows, columns]


def winners(pools: Array, highest: Array, first_inside: Array) -> Array:
    """Which cell of each window won: the first of the highest, never padding.

    Shapes: pools (windows, h*w), padding filled with the dtype's lowest value; highest, its
    maximum, and first_inside (windows,). A window that has padding for its highest value has
    nothing but that value, so the first cell of it that is no padding wins.

    >>> winners(np.array([[0, 7], [0, 0]], np.uint8), np.array([7, 0]), np.array([1, 1]))
    array([1, 1])
    """
    return np.where(highest == lowest(pools.dtype), first_inside, np.argmax(pools, axis=1))


def first_inside(image_shape: tuple[int, ...], windows: Windows) -> Array:
    """(N*OH*OW*C,): the first cell, row-major, of each window that is no padding.

    >>> first_inside((1, 1, 2, 2), Windows.both_ways((2, 2), out=(2, 2), stride=2, pad=1))
    array([3, 2, 1, 0])
    """
    n, c, height, width = image_shape
    inside = cut(pad(np.ones((1, 1, height, width), bool), windows, False), windows)
    # (1, 1, h, w, OH, OW) -> (h*w, OH*OW)
    inside = inside.reshape(prod(windows.kernel), prod(windows.out))
    # (OH*OW,) -> (OH*OW*C,) -> (N*OH*OW*C,)
    return np.tile(np.repeat(np.argmax(inside, axis=0), c), n)


def flat_winners(winners: Array) -> Array:
    """Winners in the notebooks' order: (N*OH*OW*C,) int64.

    >>> flat_winners(np.array([[[[0, 1]], [[2, 3]]]], np.uint8))
    array([0, 2, 1, 3])

    `winners` (N, C, OH, OW) as `ndpool.max_pool` returns them, or in this order already.
    """
    if winners.ndim == 1:
        return winners
    # (N, C, OH, OW) -> (N, OH, OW, C) -> (N*OH*OW*C,)
    return winners.transpose(0, 2, 3, 1).reshape(-1).astype(np.int64)
