"""Correct max pooling in three styles, cut into steps that a mistake can replace.

The styles are those in which people write this layer. They compute the same, but the same slip of
the pen shows differently in each:

======= =============================================== ====================================
style   forward                                         backward
======= =============================================== ====================================
rows    im2col counts its windows itself; one window    col2im adds tap by tap
        and channel a row, in the order (n, oh, ow, c)
columns the layer says how many windows there are;      col2im adds tap by tap
        otherwise as rows
loops   the layer says how many windows there are;      adds window by window
        slices that reach over the border are shorter;
        order (n, c, oh, ow)
again   as loops                                        as loops, but the winners are looked
                                                        for again, in x
======= =============================================== ====================================

A mistake is a mixin that overrides one step, as ``class Wrong(SomeMistake, Rows)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...dtypes import lowest
from ..geometry import Pair, Pool, out_size

Array = NDArray[Any]
Where = tuple[slice, slice]


class Layer:
    """What the styles share. One step a method, in the order in which they run."""

    style = ""
    pool: Pool
    out: Pair  # windows down and across, as the layer itself counts them
    taps: Pair  # rows and columns of the windows that were cut
    weights: Array  # (windows, h*w): the share of each window's gradient that a cell gets
    x_shape: tuple[int, ...]

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def geometry(self, phase: str) -> Pool:
        """The windows as this phase ("forward" or "backward") understands them."""
        return self.pool

    # forward

    def forward(self, x: Array) -> Array:
        """(N, C, H, W) -> (N, C, OH, OW)"""
        pool = self.geometry("forward")
        self.x_shape = x.shape
        self.out = self.out_sizes(x.shape[2:], pool)
        windows = self.cut(self.padded(x, pool), pool)
        self.taps = windows.shape[4], windows.shape[5]
        pools = self.to_pools(windows)
        highest = self.highest(pools)
        self.weights = self.shares(pools, highest)
        return self.to_output(highest)

    def out_sizes(self, sizes: tuple[int, ...], pool: Pool) -> Pair:
        return self.out_axis(sizes[0], pool, 0), self.out_axis(sizes[1], pool, 1)

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return out_size(n, pool, axis)

    def padded(self, x: Array, pool: Pool) -> Array:
        """(N, C, H, W) -> (N, C, HP, WP); room too for windows that ceil mode lets reach over."""
        if not pool.padded and not pool.ceil:
            return x
        after = [
            max(pool.after[i], (self.out[i] - 1) * pool.stride[i] + pool.span[i] - n)
            if pool.ceil
            else pool.after[i]
            for i, n in enumerate(x.shape[2 + i] + pool.before[i] for i in (0, 1))
        ]
        return self.put_padding(x, pool.before, (after[0], after[1]))

    def put_padding(self, x: Array, before: Pair, after: Pair) -> Array:
        (n, c, height, width), fill = x.shape, self.fill(x.dtype)
        padded = np.full(
            (n, c, before[0] + height + after[0], before[1] + width + after[1]), fill, x.dtype
        )
        padded[:, :, before[0] : before[0] + height, before[1] : before[1] + width] = x
        return padded

    def fill(self, dtype: np.dtype[Any]) -> Any:
        """The value of padding."""
        return lowest(dtype)

    def cut(self, padded: Array, pool: Pool) -> Array:
        """(N, C, HP, WP) -> (N, C, OH, OW, h, w)"""
        raise NotImplementedError

    def to_pools(self, windows: Array) -> Array:
        """(N, C, OH, OW, h, w) -> (windows, h*w)"""
        raise NotImplementedError

    def highest(self, pools: Array) -> Array:
        """(windows, h*w) -> (windows,)"""
        found: Array = pools.max(1)
        return found

    def shares(self, pools: Array, highest: Array) -> Array:
        """(windows, h*w): 1 for the winner of each window."""
        shares = np.zeros(pools.shape)
        shares[np.arange(len(pools)), self.winner(pools, highest)] = 1
        return shares

    def winner(self, pools: Array, highest: Array) -> Array:
        """(windows,): the winner's row-major offset in its window; never one of the padding."""
        best = pools.argmax(1)
        low = lowest(pools.dtype)
        if self.geometry("forward").padded and (highest == low).any():
            best = np.where(highest == low, self.inside().argmax(1), best)
        found: Array = best
        return found

    def inside(self) -> Array:
        """(windows, h*w): whether a cell is no padding."""
        pool, plain = self.geometry("forward"), np.zeros(self.x_shape)
        return np.isfinite(self.to_pools(self.cut(Layer.padded(self, plain, pool), pool)))

    def to_output(self, highest: Array) -> Array:
        """(windows,) -> (N, C, OH, OW)"""
        raise NotImplementedError

    # backward

    def backward(self, dout: Array) -> Array:
        """(N, C, OH, OW) -> (N, C, H, W)"""
        pool = self.geometry("backward")
        spread = self.spread(self.to_rows(dout))
        cells = self.to_windows(spread, dout.shape)
        canvas = self.canvas(cells.shape, pool)
        self.add_up(canvas, cells, pool)
        return self.cropped(canvas, pool)

    def to_rows(self, dout: Array) -> Array:
        """(N, C, OH, OW) -> (windows,), in the order of `to_pools`"""
        raise NotImplementedError

    def spread(self, rows: Array) -> Array:
        """(windows,) -> (windows, h*w)"""
        return self.weights * rows[:, None]

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        """(windows, h*w) -> (N, C, OH, OW, h, w)"""
        raise NotImplementedError

    def canvas(self, cells_shape: tuple[int, ...], pool: Pool) -> Array:
        """Zeros (N, C, HP, WP) that hold the padded input and all windows."""
        sides = [
            max(
                self.x_shape[2 + i] + pool.before[i] + pool.after[i],
                (cells_shape[2 + i] - 1) * pool.stride[i] + pool.span[i] if pool.ceil else 0,
            )
            for i in (0, 1)
        ]
        return np.zeros((*self.x_shape[:2], *sides))

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        """col2im: every cell of every window goes to where it was cut from."""
        for where, values in self.pieces(cells, pool):
            self.put(canvas, where, values)

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        raise NotImplementedError

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        canvas[:, :, where[0], where[1]] += values

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        """(N, C, HP, WP) -> (N, C, H, W)"""
        (top, left), (height, width) = pool.before, self.x_shape[2:]
        return canvas[:, :, top : top + height, left : left + width]


class _TapByTap(Layer):
    """What the im2col styles share: windows in the order (n, oh, ow, c), added tap by tap."""

    def to_pools(self, windows: Array) -> Array:
        n, c, out_h, out_w, h, w = windows.shape
        # (N, C, OH, OW, h, w) -> (N, OH, OW, C, h, w) -> (N*OH*OW*C, h*w)
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * out_h * out_w * c, h * w)

    def to_output(self, highest: Array) -> Array:
        n, c = self.x_shape[:2]
        # (N*OH*OW*C,) -> (N, OH, OW, C) -> (N, C, OH, OW)
        return highest.reshape(n, *self.out, c).transpose(0, 3, 1, 2)

    def to_rows(self, dout: Array) -> Array:
        # (N, C, OH, OW) -> (N, OH, OW, C) -> (N*OH*OW*C,)
        return dout.transpose(0, 2, 3, 1).reshape(-1)

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        n, c, out_h, out_w = dout_shape
        # (N*OH*OW*C, h*w) -> (N, OH, OW, C, h, w) -> (N, C, OH, OW, h, w)
        cells = spread.reshape(n, out_h, out_w, c, *self.taps)
        return cells.transpose(0, 3, 1, 2, 4, 5)

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        out = cells.shape[2:4]
        for i in range(cells.shape[4]):
            for j in range(cells.shape[5]):
                yield self.seen_by_tap((i, j), out, pool), cells[:, :, :, :, i, j]

    def seen_by_tap(self, tap: Pair, out: tuple[int, ...], pool: Pool) -> Where:
        """The padded image's cells that tap (i, j) of all windows looks at."""
        starts = tap[0] * pool.dilation[0], tap[1] * pool.dilation[1]
        rows = slice(starts[0], starts[0] + pool.stride[0] * out[0], pool.stride[0])
        columns = slice(starts[1], starts[1] + pool.stride[1] * out[1], pool.stride[1])
        return rows, columns

    def canvas(self, cells_shape: tuple[int, ...], pool: Pool) -> Array:
        """With the stride - 1 spare rows and columns of the books, where slices may end."""
        plain = super().canvas(cells_shape, pool)
        n, c, height, width = plain.shape
        return np.zeros((n, c, height + pool.stride[0] - 1, width + pool.stride[1] - 1))


class Rows(_TapByTap):
    """The first notebook's way."""

    style = "rows"

    def cut(self, padded: Array, pool: Pool) -> Array:
        windows = sliding_window_view(padded, pool.span, axis=(2, 3))
        (s, t), (d, e) = pool.stride, pool.dilation
        return windows[:, :, ::s, ::t, ::d, ::e]


class Columns(_TapByTap):
    """The second notebook's way; also that of slices x[:, :, i::stride, j::stride], tap by tap."""

    style = "columns"

    def cut(self, padded: Array, pool: Pool) -> Array:
        (n, c), (h, w) = padded.shape[:2], pool.kernel
        cells = np.empty((n, c, *self.out, h, w), padded.dtype)
        for i in range(h):
            for j in range(w):
                rows, columns = self.read_by_tap((i, j), pool)
                cells[:, :, :, :, i, j] = padded[:, :, rows, columns]
        return cells

    def read_by_tap(self, tap: Pair, pool: Pool) -> Where:
        return self.seen_by_tap(tap, self.out, pool)


class Loops(Layer):
    """Window by window: four nested loops, here with those over n and c taken together."""

    style = "loops"

    def cut(self, padded: Array, pool: Pool) -> Array:
        reach = [(self.out[i] - 1) * pool.stride[i] + pool.span[i] for i in (0, 1)]
        over = [max(0, reach[i] - padded.shape[2 + i]) for i in (0, 1)]
        if any((self.out[i] - 1) * pool.stride[i] >= padded.shape[2 + i] for i in (0, 1)):
            raise ValueError("zero-size array to reduction operation maximum which has no identity")
        if any(over):  # a slice that reaches over the border is shorter: what is not there loses
            n, c, height, width = padded.shape
            whole = np.full((n, c, height + over[0], width + over[1]), lowest(padded.dtype))
            whole[:, :, :height, :width] = padded
            padded = whole
        windows = sliding_window_view(padded, pool.span, axis=(2, 3))
        d, e = pool.dilation
        rows, columns = (slice(0, reach[i], pool.stride[i]) for i in (0, 1))
        return windows[:, :, rows, columns, ::d, ::e][:, :, : self.out[0], : self.out[1]]

    def to_pools(self, windows: Array) -> Array:
        n, c, out_h, out_w, h, w = windows.shape
        # (N, C, OH, OW, h, w) -> (N*C*OH*OW, h*w)
        return windows.reshape(n * c * out_h * out_w, h * w)

    def to_output(self, highest: Array) -> Array:
        # (N*C*OH*OW,) -> (N, C, OH, OW)
        return highest.reshape(*self.x_shape[:2], *self.out)

    def to_rows(self, dout: Array) -> Array:
        # (N, C, OH, OW) -> (N*C*OH*OW,)
        return dout.reshape(-1)

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        # (N*C*OH*OW, h*w) -> (N, C, OH, OW, h, w)
        return spread.reshape(*dout_shape, *self.taps)

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        for oh in range(cells.shape[2]):
            for ow in range(cells.shape[3]):
                yield self.window_at(oh, ow, pool), cells[:, :, oh, ow]

    def window_at(self, oh: int, ow: int, pool: Pool) -> Where:
        top, left = oh * pool.stride[0], ow * pool.stride[1]
        rows = slice(top, top + pool.span[0], pool.dilation[0])
        return rows, slice(left, left + pool.span[1], pool.dilation[1])

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        target += values[:, :, : target.shape[2], : target.shape[3]]


class Again(Loops):
    """Loops whose backward pass remembers x alone, and looks for the winners again."""

    style = "again"
    x: Array

    def forward(self, x: Array) -> Array:
        self.x = x
        return super().forward(x)

    def backward(self, dout: Array) -> Array:
        pool = self.geometry("backward")
        if dout.ndim == 4:
            self.out = dout.shape[2], dout.shape[3]
        windows = self.cut(self.padded(self.x, pool), pool)
        self.taps = windows.shape[4], windows.shape[5]
        pools = self.to_pools(windows)
        self.weights = self.shares(pools, pools.max(1))
        return super().backward(dout)


STYLES: tuple[type[Layer], ...] = (Rows, Columns, Loops, Again)
