"""Mistakes in where the gradient goes inside a window, how much of it, and in which order."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ..geometry import Pool
from .layers import Array, Layer, Where
from .registry import GRADIENT, IM2COL, LOOPS, mistake


@mistake("ties-last", affects=GRADIENT, policy=True)
class TiesLast(Layer):
    """Of equal cells the last wins, as >= makes it."""

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.shape[1] - 1 - pools[:, ::-1].argmax(1)
        return found


@mistake("ties-last", affects=GRADIENT, policy=True)
class NanLast(Layer):
    """Of equal cells the first wins, but of NaN the last, as PyTorch has it."""

    def winner(self, pools: Array, highest: Array) -> Array:
        best = super().winner(pools, highest)
        return np.where(np.isnan(pools).any(1), TiesLast.winner(self, pools, highest), best)  # type: ignore[arg-type]


@mistake("ties-first-in-columns", affects=GRADIENT, policy=True)
class TiesFirstInColumns(Layer):
    """Of equal cells the first wins, column by column."""

    def winner(self, pools: Array, highest: Array) -> Array:
        h, w = self.taps
        # (windows, h, w) -> (windows, w, h)
        best = pools.reshape(-1, h, w).transpose(0, 2, 1).reshape(-1, h * w).argmax(1)
        found: Array = best % h * w + best // h
        return found


@mistake("ties-split", affects=GRADIENT, policy=True)
class TiesSplit(Layer):
    """Equal cells share the gradient evenly."""

    def shares(self, pools: Array, highest: Array) -> Array:
        mask = pools == pools.max(1)[:, None]
        with np.errstate(invalid="ignore"):
            found: Array = mask / mask.sum(1)[:, None]
            return found


@mistake("ties-all", affects=GRADIENT)
class TiesAll(Layer):
    """mask = window == window.max(): all equal cells get the whole gradient; NaN equals none."""

    def shares(self, pools: Array, highest: Array) -> Array:
        found: Array = (pools == pools.max(1)[:, None]) * 1.0
        return found


@mistake("window-transposed-backward", affects=GRADIENT)
class ArgmaxColumnFirst(Layer):
    """i, j = best % h, best // h: argmax counts along the rows, this along the columns."""

    def winner(self, pools: Array, highest: Array) -> Array:
        best, (h, w) = super().winner(pools, highest), self.taps
        found: Array = best % h * w + best // h
        return found


class _ArgmaxMisread(Layer):
    """Row and column of the winner computed wrongly; outside the window that is an error."""

    outside = False

    def place(self, best: Array, h: int, w: int) -> tuple[Array, Array]:
        raise NotImplementedError

    def winner(self, pools: Array, highest: Array) -> Array:
        h, w = self.taps
        row, column = self.place(super().winner(pools, highest), h, w)
        self.outside = bool((row >= h).any() or (column >= w).any())
        return np.minimum(row, h - 1) * w + np.minimum(column, w - 1)

    def backward(self, dout: Array) -> Array:
        if self.outside:
            raise IndexError("index is out of bounds")
        return super().backward(dout)


@mistake("window-transposed-backward", affects=GRADIENT)
class ArgmaxSwapped(_ArgmaxMisread):
    """j, i = divmod(best, w): the two are swapped."""

    def place(self, best: Array, h: int, w: int) -> tuple[Array, Array]:
        return best % w, best // w


@mistake("window-transposed-backward", affects=GRADIENT, needs=["rectangular"])
class ArgmaxByHeight(_ArgmaxMisread):
    """i, j = divmod(best, h): the number of rows, where the number of columns belongs."""

    def place(self, best: Array, h: int, w: int) -> tuple[Array, Array]:
        return best // h, best % h


@mistake("window-transposed-backward", affects=GRADIENT, needs=["rectangular"], styles=LOOPS)
class ArgmaxByHeightAnywhere(Layer):
    """The same; what lies outside the window is an error only where it lies outside dx."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        self.taps = self.taps[::-1]
        return super().to_windows(spread, dout_shape)

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        h, w = values.shape[2:]
        top, left = where[0].start, where[1].start
        target = canvas[:, :, top : top + h, left : left + w]
        lost = values.copy()
        lost[:, :, : target.shape[2], : target.shape[3]] = 0
        if lost.any():
            raise IndexError("index is out of bounds")
        target += values[:, :, : target.shape[2], : target.shape[3]]


@mistake("window-transposed-backward", affects=GRADIENT)
class TapsSwapped(Layer):
    """transpose(0, 3, 5, 4, 1, 2) in col2im: the two axes of the window change places."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        return super().to_windows(spread, dout_shape).swapaxes(4, 5)


@mistake("window-transposed-backward", affects=GRADIENT, needs=["rectangular"])
class TapsSwappedInLoops(TapsSwapped):
    """The same; loops over the taps then run out of the shorter axis."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        if self.taps[0] != self.taps[1]:
            raise IndexError("index is out of bounds")
        return super().to_windows(spread, dout_shape)


class _OneCell(Layer):
    """The gradient goes to the same cell of each window."""

    def winner(self, pools: Array, highest: Array) -> Array:
        return np.full(len(pools), self.cell(*self.taps))

    def cell(self, h: int, w: int) -> int:
        return 0


@mistake("gradient-to-fixed-cell", affects=GRADIENT)
class ToTheFirst(_OneCell):
    """dx[oh * stride, ow * stride]"""


@mistake("gradient-to-fixed-cell", affects=GRADIENT)
class ToTheLast(_OneCell):
    def cell(self, h: int, w: int) -> int:
        return h * w - 1


@mistake("gradient-to-fixed-cell", affects=GRADIENT)
class ToTheMiddle(_OneCell):
    def cell(self, h: int, w: int) -> int:
        return h // 2 * w + w // 2


@mistake("gradient-to-whole-window", affects=GRADIENT)
class ToAll(Layer):
    """dx[window] += dout: no mask."""

    def shares(self, pools: Array, highest: Array) -> Array:
        return np.ones(pools.shape)


@mistake("gradient-to-whole-window", affects=GRADIENT)
class ToAllEvenly(Layer):
    """dx[window] += dout / (h * w): the backward pass of average pooling."""

    def shares(self, pools: Array, highest: Array) -> Array:
        return np.full(pools.shape, 1 / pools.shape[1])


@mistake("gradient-to-lowest", affects=GRADIENT)
class ToTheLowest(Layer):
    """argmin where argmax belongs."""

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.argmin(1)
        return found


class _Scaled(Layer):
    """The right cell gets too little or too much."""

    def spread(self, rows: Array) -> Array:
        return super().spread(rows * self.factor())

    def factor(self) -> float:
        raise NotImplementedError


@mistake("gradient-scaled", affects=GRADIENT)
class DividedByWindow(_Scaled):
    def factor(self) -> float:
        return 1 / (self.taps[0] * self.taps[1])


@mistake("gradient-scaled", affects=GRADIENT)
class DividedByBatch(_Scaled):
    def factor(self) -> float:
        return 1 / max(1, self.x_shape[0])


@mistake("gradient-scaled", affects=GRADIENT)
class DividedByChannels(_Scaled):
    def factor(self) -> float:
        return 1 / self.x_shape[1]


@mistake("gradient-scaled", affects=GRADIENT)
class DividedByOutputs(_Scaled):
    def factor(self) -> float:
        found: float = 1 / max(1, self.weights.shape[0])
        return found


@mistake("gradient-scaled", affects=GRADIENT)
class TimesWindow(_Scaled):
    def factor(self) -> float:
        return float(self.taps[0] * self.taps[1])


@mistake("gradient-scaled", affects=GRADIENT)
class Negated(_Scaled):
    def factor(self) -> float:
        return -1.0


@mistake("gradient-scaled", affects=GRADIENT)
class Doubled(_Scaled):
    def factor(self) -> float:
        return 2.0


@mistake("gradient-scaled", affects=GRADIENT)
class TimesChannels(_Scaled):
    """Added once for every channel."""

    def factor(self) -> float:
        return float(self.x_shape[1])


@mistake("gradient-scaled", affects=GRADIENT)
class TimesBatch(_Scaled):
    """Added once for every image."""

    def factor(self) -> float:
        return float(self.x_shape[0])


@mistake("value-for-gradient", affects=GRADIENT)
class ValueForGradient(Layer):
    """The maximum itself is written back, not dout."""

    def shares(self, pools: Array, highest: Array) -> Array:
        self.kept = pools.max(1) if len(pools) else pools.sum(1)
        return super().shares(pools, highest)

    def spread(self, rows: Array) -> Array:
        return super().spread(self.kept)


@mistake("value-for-gradient", affects=GRADIENT)
class ValueTimesGradient(ValueForGradient):
    """mask * x * dout"""

    def spread(self, rows: Array) -> Array:
        return super(ValueForGradient, self).spread(self.kept * rows)


@mistake("dout-ignored", affects=GRADIENT)
class OneForGradient(Layer):
    """The mask itself is returned: 1 where dout belongs."""

    def spread(self, rows: Array) -> Array:
        return super().spread(np.ones_like(rows))


@mistake("dout-ignored", affects=GRADIENT)
class ZeroForGradient(Layer):
    """dx is made, but nothing is ever written into it."""

    def spread(self, rows: Array) -> Array:
        return super().spread(np.zeros_like(rows))


class _FirstOutputForAll(Layer):
    """dout[n, c, 0, 0] for every window."""

    def to_rows(self, dout: Array) -> Array:
        return super().to_rows(np.broadcast_to(dout[:, :, :1, :1], dout.shape))


mistake("dout-ignored", affects=GRADIENT)(_FirstOutputForAll)


class _SumOfOutputs(Layer):
    """dout[n, c].sum() for every window."""

    def to_rows(self, dout: Array) -> Array:
        return super().to_rows(np.broadcast_to(dout.sum((2, 3), keepdims=True), dout.shape))


mistake("dout-ignored", affects=GRADIENT)(_SumOfOutputs)


# Indices of another form than the backward pass takes them for


class _PlaneIndex(Layer):
    """Each window's gradient goes to a position counted over the plane."""

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        n, c = canvas.shape[:2]
        top, left = pool.before
        rows, columns = self.x_shape[2:]
        plane = np.zeros((n, c, rows * columns))
        where = self.position(cells, pool)
        if where.size and (where.max() >= rows * columns or where.min() < -rows * columns):
            raise IndexError("index is out of bounds")
        images, channels = np.ogrid[:n, :c]
        values = cells.reshape(n, c, -1, cells.shape[4] * cells.shape[5]).sum(-1)
        for number in range(where.shape[2]):
            at = (images, channels, where[:, :, number])
            self.place(plane, at, values[:, :, number])
        canvas[:, :, top : top + rows, left : left + columns] = plane.reshape(n, c, rows, columns)

    def place(self, plane: Array, at: tuple[Array, Array, Array], values: Array) -> None:
        plane[at] += values

    def position(self, cells: Array, pool: Pool) -> Array:
        """(N, C, OH*OW)"""
        n, c = cells.shape[:2]
        # (N, C, OH, OW, h, w) -> (N, C, OH*OW, h*w)
        best: Array = self.won(cells, pool)
        return best.reshape(n, c, -1)

    def won(self, cells: Array, pool: Pool) -> Array:
        """(N, C, OH, OW): each winner's offset in its window."""
        shares = self.to_windows(self.weights, cells.shape[:4])
        offsets: Array = shares.reshape(*shares.shape[:4], -1).argmax(-1)
        return offsets


@mistake("offset-as-position", affects=GRADIENT)
class OffsetAsPosition(_PlaneIndex):
    """The offset in the window is used as a position in the plane."""


@mistake("offset-as-position", affects=GRADIENT)
class OffsetAsPositionAssigned(_PlaneIndex):
    """The same with = in place of +=."""

    def place(self, plane: Array, at: tuple[Array, Array, Array], values: Array) -> None:
        plane[at] = values


@mistake("position-of-padded-plane", affects=GRADIENT, needs=["pad"])
class PositionOfPaddedPlane(_PlaneIndex):
    """Positions counted over the padded plane, used in the plane without padding."""

    def position(self, cells: Array, pool: Pool) -> Array:
        best, w = self.won(cells, pool), self.taps[1]
        rows = np.arange(best.shape[2])[:, None] * pool.stride[0] + best // w * pool.dilation[0]
        columns = np.arange(best.shape[3]) * pool.stride[1] + best % w * pool.dilation[1]
        width = self.x_shape[3] + pool.before[1] + pool.after[1]
        found: Array = (rows * width + columns).reshape(*best.shape[:2], -1)
        return found


# The order of dout


@mistake("dout-not-transposed", affects=GRADIENT, styles=IM2COL)
class DoutNotTransposed(Layer):
    """dout.flatten() in the order (n, c, oh, ow), for rows in the order (n, oh, ow, c)."""

    def to_rows(self, dout: Array) -> Array:
        return dout.reshape(-1)


class _DoutInOtherOrder(Layer):
    """dout flattened in a wrong order, for rows of the style's own order."""

    axes = (0, 1, 2, 3)

    def to_rows(self, dout: Array) -> Array:
        scrambled = np.ascontiguousarray(dout.transpose(self.axes)).reshape(dout.shape)
        return super().to_rows(scrambled)


class _DoutWrongTranspose(Layer):
    axes = (0, 2, 3, 1)

    def to_rows(self, dout: Array) -> Array:
        return dout.transpose(self.axes).reshape(-1)


for _axes in permutations(range(4)):
    # with channels, rows and columns in their order it is as if there were no transpose
    if _axes != (0, 2, 3, 1) and tuple(a for a in _axes if a) != (1, 2, 3):
        mistake("dout-wrong-transpose", affects=GRADIENT, styles=IM2COL)(
            type(
                f"DoutTransposed{''.join(map(str, _axes))}", (_DoutWrongTranspose,), {"axes": _axes}
            )
        )


class _RowsInOtherOrder(Layer):
    """dout flattened as it is, for rows in another order, as other im2cols write them."""

    order = (0, 1, 2, 3)

    def to_rows(self, dout: Array) -> Array:
        shape = [dout.shape[axis] for axis in self.order]
        back = [self.order.index(axis) for axis in range(4)]
        return super().to_rows(dout.reshape(shape).transpose(back))


for _order in ((2, 3, 0, 1), (1, 0, 2, 3), (1, 2, 3, 0)):
    mistake("dout-not-transposed", affects=GRADIENT)(
        type(f"RowsInOrder{''.join(map(str, _order))}", (_RowsInOtherOrder,), {"order": _order})
    )


for _axes in ((3, 2, 1, 0), (0, 1, 3, 2)):
    mistake("dout-wrong-transpose", affects=GRADIENT, styles=LOOPS)(
        type(f"DoutRead{''.join(map(str, _axes))}", (_DoutInOtherOrder,), {"axes": _axes})
    )


@mistake("windows-mixed-backward", affects=GRADIENT, styles=IM2COL)
class ColumnsNotTransposed(Layer):
    """grad_cols.reshape(C*h*w, N*OH*OW) without the transpose before it."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        n, c, out_h, out_w = dout_shape
        # (windows, h*w) -> (h*w, windows), read as (C, h, w, N, OH, OW) -> (N, C, OH, OW, h, w)
        cells = np.ascontiguousarray(spread.T).reshape(c, *self.taps, n, out_h, out_w)
        return cells.transpose(3, 0, 4, 5, 1, 2)


@mistake("windows-mixed-backward", affects=GRADIENT, styles=IM2COL)
class ChannelsNotMoved(Layer):
    """col.reshape(N, C, OH, OW, h, w) of rows in the order (n, oh, ow, c)."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        return spread.reshape(*dout_shape, *self.taps)


@mistake("windows-mixed-backward", affects=GRADIENT, styles=IM2COL)
class TapsBeforeWindows(Layer):
    """col.reshape(N, C, h, w, OH, OW): no transpose in col2im."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        n, c, out_h, out_w = dout_shape
        return spread.reshape(n, c, *self.taps, out_h, out_w).transpose(0, 1, 4, 5, 2, 3)
