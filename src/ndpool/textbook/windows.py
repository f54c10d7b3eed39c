"""What the two dialects share: the windows of images, cut out, put back, and their winners.

The dialects differ only in how they flatten one array, `cut`'s (N, C, h, w, OH, OW).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dtypes import lowest, sum_dtype

Array = NDArray[Any]


class Windows(NamedTuple):
    """OH x OW windows of h x w cells; the first begins `pad` before the image, up and left."""

    h: int
    w: int
    out_h: int
    out_w: int
    stride: int
    pad: int

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first window's first to the last window's last."""
        return (self.out_h - 1) * self.stride + self.h, (self.out_w - 1) * self.stride + self.w


def cut(images: Array, windows: Windows, fill: Any = 0) -> Array:
    """(N, C, H, W) -> (N, C, h, w, OH, OW): cell (i, j) of every window, for each (i, j).

    Windows may reach over all four borders; there they find `fill`. A new array of images' dtype.

    >>> cut(np.array([[[[1, 2, 3]]]]), Windows(h=1, w=2, out_h=1, out_w=2, stride=2, pad=0))
    array([[[[[[1, 3]],
    <BLANKLINE>
              [[2, 0]]]]]])
    """
    n, c, height, width = images.shape
    h, w, out_h, out_w, stride, pad = windows
    bottom = max(pad, windows.span[0] - pad - height)
    right = max(pad, windows.span[1] - pad - width)
    borders = ((0, 0), (0, 0), (pad, bottom), (pad, right))
    padded = np.pad(images, borders, constant_values=fill)

    cells = np.empty((n, c, h, w, out_h, out_w), images.dtype)
    for i in range(h):
        rows = slice(i, i + stride * out_h, stride)
        for j in range(w):
            columns = slice(j, j + stride * out_w, stride)
            cells[:, :, i, j] = padded[:, :, rows, columns]
    return cells


def paste(cells: Array, image_shape: tuple[int, ...], windows: Windows) -> Array:
    """(N, C, h, w, OH, OW) -> (N, C, H, W): the adjoint of `cut`, so it adds.

    A cell that several windows hold gets the sum, one that none holds gets 0. Of cells' dtype,
    though the 2-byte floats are summed in float32 and rounded once.

    >>> cells = cut(np.ones((1, 1, 1, 3), int), windows := Windows(1, 2, 1, 2, stride=1, pad=0))
    >>> paste(cells, (1, 1, 1, 3), windows)
    array([[[[1, 2, 1]]]])
    """
    n, c, height, width = image_shape
    h, w, out_h, out_w, stride, pad = windows
    # stride - 1 rows and columns to spare, as in the books, though no window needs them: so dx
    # has the books' memory layout, and what is summed over it later is summed in the same order.
    padded_h = max(height + 2 * pad + stride - 1, windows.span[0])
    padded_w = max(width + 2 * pad + stride - 1, windows.span[1])
    padded = np.zeros((n, c, padded_h, padded_w), sum_dtype(cells.dtype))

    for i in range(h):
        rows = slice(i, i + stride * out_h, stride)
        for j in range(w):
            columns = slice(j, j + stride * out_w, stride)
            padded[:, :, rows, columns] += cells[:, :, i, j]
    return padded[:, :, pad : pad + height, pad : pad + width].astype(cells.dtype, copy=False)


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

    >>> first_inside((1, 1, 2, 2), Windows(2, 2, out_h=2, out_w=2, stride=2, pad=1))
    array([3, 2, 1, 0])
    """
    n, c, height, width = image_shape
    inside = cut(np.ones((1, 1, height, width), bool), windows, fill=False)
    # (1, 1, h, w, OH, OW) -> (h*w, OH*OW)
    inside = inside.reshape(windows.h * windows.w, windows.out_h * windows.out_w)
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
