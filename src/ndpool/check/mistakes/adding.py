"""Mistakes in how the windows' gradients come together in dx."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..geometry import Pool
from .layers import Array, Layer, Loops, Where
from .registry import GRADIENT, IM2COL, LOOPS, mistake


@mistake("assign-for-add", affects=GRADIENT)
class AssignWhole(Layer):
    """= for +=: what comes last wipes out what was there, with its zeros too."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        target[...] = values[:, :, : target.shape[2], : target.shape[3]] if self.cuts else values

    @property
    def cuts(self) -> bool:
        return isinstance(self, Loops)


@mistake("assign-for-add", affects=GRADIENT, styles=IM2COL)
class AssignWholeByColumns(AssignWhole):
    """The same with the loops over the taps the other way round."""

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        for j in range(cells.shape[5]):
            for i in range(cells.shape[4]):
                where = self.seen_by_tap((i, j), cells.shape[2:4], pool)  # type: ignore[attr-defined]
                yield where, cells[:, :, :, :, i, j]


@mistake("assign-for-add", affects=GRADIENT, styles=LOOPS)
class AssignWholeByColumnsOfWindows(AssignWhole):
    """The same with the loop over ow outside."""

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        for ow in range(cells.shape[3]):
            for oh in range(cells.shape[2]):
                where = self.window_at(oh, ow, pool)  # type: ignore[attr-defined]
                yield where, cells[:, :, oh, ow]


@mistake("assign-for-add", affects=GRADIENT, styles=LOOPS)
class AssignWinner(Layer):
    """dx[winner] = dout, or dx[winners] += dout with an index array: the last window stays."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        values = values[:, :, : target.shape[2], : target.shape[3]]
        won = self.won(values)
        target[won] = values[won]

    def won(self, values: Array) -> Array:
        found: Array = values != 0
        return found


@mistake("assign-for-add", affects=GRADIENT, styles=LOOPS)
class AssignWinnerByColumns(AssignWinner):
    """The same with the loop over ow outside."""

    pieces = AssignWholeByColumnsOfWindows.pieces


@mistake("assign-for-add", affects=GRADIENT, styles=LOOPS)
class AssignWinnerBackwards(AssignWinner):
    """The first window stays."""

    def pieces(self, cells: Array, pool: Pool) -> Iterator[tuple[Where, Array]]:
        yield from reversed(list(super().pieces(cells, pool)))


@mistake("assign-for-add", affects=GRADIENT, styles=IM2COL)
class AssignWinnerByTap(Layer):
    """Tap by tap, but only where a winner is."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        target[values != 0] = values[values != 0]


@mistake("highest-gradient-stays", affects=GRADIENT)
class HighestGradientStays(Layer):
    """np.maximum where += belongs."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        np.maximum(target, values[:, :, : target.shape[2], : target.shape[3]], out=target)


class _OtherSteps(Layer):
    """The backward pass steps otherwise than the forward pass did."""

    def back_along(self, pool: Pool, axis: int) -> int:
        return pool.stride[axis]

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        stride = self.back_along(pool, 0), self.back_along(pool, 1)
        super().add_up(canvas, cells, pool._replace(stride=stride))


@mistake("backward-ignores-stride", affects=GRADIENT, step="back_along")
class BackwardByOne(_OtherSteps):
    """dx[oh : oh + h]"""

    def back_along(self, pool: Pool, axis: int) -> int:
        return 1


@mistake("backward-ignores-stride", affects=GRADIENT, needs=["stride"], step="back_along")
class BackwardByKernel(_OtherSteps):
    """dx[oh * h : oh * h + h]"""

    def back_along(self, pool: Pool, axis: int) -> int:
        return pool.kernel[axis]


@mistake("backward-ignores-stride", affects=GRADIENT, needs=["stride"])
class BackwardByTwo(_OtherSteps):
    """dx[oh * 2 : oh * 2 + h]"""

    def back_along(self, pool: Pool, axis: int) -> int:
        return 2


@mistake("backward-ignores-stride", affects=GRADIENT, needs=["stride"], styles=LOOPS)
class BackwardByKernelStrictly(BackwardByKernel):
    """By the kernel; what would lie outside is an error."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        fits = canvas[:, :, where[0], where[1]].shape == values.shape
        if not fits and values.any():
            raise IndexError("index is out of bounds")
        super().put(canvas, where, values)


@mistake("offset-as-position", affects=GRADIENT, styles=LOOPS)
class OffsetAsPlace(Layer):
    """dx[i, j] with i, j counted in the window: every window's gradient lands in the first."""

    def window_at(self, oh: int, ow: int, pool: Pool) -> Where:
        return super().window_at(0, 0, pool)  # type: ignore[misc,no-any-return]


@mistake("offset-as-position", affects=GRADIENT, styles=LOOPS)
class OffsetAsPlaceAssigned(OffsetAsPlace):
    """The same with = in place of +=."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        target = canvas[:, :, where[0], where[1]]
        values = values[:, :, : target.shape[2], : target.shape[3]]
        target[values != 0] = values[values != 0]


class _NoPad(Layer):
    """dx as large as x, windows where they would lie without padding."""

    def canvas(self, cells_shape: tuple[int, ...], pool: Pool) -> Array:
        return np.zeros((*self.x_shape,))

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        return canvas


@mistake("backward-ignores-pad", affects=GRADIENT, needs=["pad"])
class BackwardIgnoresPad(_NoPad):
    """What reaches over the border is dropped (or, tap by tap, does not fit)."""


@mistake("backward-ignores-pad", affects=GRADIENT, styles=LOOPS, needs=["pad"])
class BackwardIgnoresPadStrictly(_NoPad):
    """A winner outside is an error."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        room = canvas[:, :, where[0], where[1]].shape
        lost = values.copy()
        lost[:, :, : room[2], : room[3]] = 0
        if lost.any():
            raise IndexError("index is out of bounds")
        super().put(canvas, where, values)


@mistake("dx-not-cropped", affects=GRADIENT, needs=["pad"])
class NotCropped(Layer):
    """The gradient of the padded image is returned."""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        sides = [self.x_shape[2 + i] + pool.before[i] + pool.after[i] for i in (0, 1)]
        return canvas[:, :, : sides[0], : sides[1]]


@mistake("backward-ignores-pad", affects=GRADIENT, needs=["pad"])
class CroppedAtTheEnd(Layer):
    """[:H, :W]: the padding at the top and on the left stays."""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        height, width = self.x_shape[2:]
        return canvas[:, :, :height, :width]


@mistake("dx-cropped-wrong", affects=GRADIENT, needs=["pad"])
class CroppedAtTheStart(Layer):
    """[2*pad:, 2*pad:]"""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        (top, left), (height, width) = pool.before, self.x_shape[2:]
        down, right = top + pool.after[0], left + pool.after[1]
        return canvas[:, :, down : down + height, right : right + width]


@mistake("dx-cropped-wrong", affects=GRADIENT, needs=["pad"])
class CroppedOnOneSide(Layer):
    """[pad:, pad:]: the padding at the bottom and on the right stays."""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        (top, left), (height, width) = pool.before, self.x_shape[2:]
        low, right = top + height + pool.after[0], left + width + pool.after[1]
        return canvas[:, :, top:low, left:right]


@mistake("minus-zero-slice", affects=GRADIENT, needs=["pad"])
class CroppedToMinusPad(Layer):
    """[pad:-pad], which is empty where pad is 0."""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        if pool.padded:
            return super().cropped(canvas, pool)
        return canvas[:, :, :0, :0]


@mistake("minus-zero-slice", affects="both", needs=["pad"])
class FilledToMinusPad(Layer):
    """padded[pad:-pad] = x, into nothing where pad is 0."""

    def forward(self, x: Array) -> Array:
        (top, left), (bottom, right) = self.geometry("forward")[2:4]
        n, c, height, width = x.shape
        padded = np.zeros((n, c, top + height + bottom, left + width + right))
        padded[:, :, top:-bottom, left:-right] = x  # the slip itself
        return super().forward(x)


class _MissesLast(Layer):
    """The last windows are left out."""

    kept: tuple[slice, ...] = np.s_[:, :, :-1, :-1]

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        super().add_up(canvas, cells[self.kept], pool)


@mistake("backward-misses-last", affects=GRADIENT)
class MissesLastRowAndColumn(_MissesLast):
    """range(out_h - 1), range(out_w - 1)"""


@mistake("backward-misses-last", affects=GRADIENT)
class MissesLastRow(_MissesLast):
    kept = np.s_[:, :, :-1, :]


@mistake("backward-misses-last", affects=GRADIENT)
class MissesLastColumn(_MissesLast):
    kept = np.s_[:, :, :, :-1]


@mistake("backward-misses-last", affects=GRADIENT, styles=LOOPS)
class MissesWindowsAtTheBorder(Layer):
    """range(0, H - h, stride): a window that ends at the border is left out."""

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        kept = []
        for i in (0, 1):
            room = self.x_shape[2 + i] + pool.before[i] + pool.after[i] - pool.span[i]
            kept.append(-(-room // pool.stride[i]))
        super().add_up(canvas, cells[:, :, : kept[0], : kept[1]], pool)


@mistake("backward-misses-last", affects=GRADIENT, styles=IM2COL)
class SlicesMissTheLast(Layer):
    """image[i : i + stride*(OH - 1) : stride] in col2im does not fit what is added to it."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        rows, columns = (slice(s.start, s.stop - s.step, s.step) for s in where)
        super().put(canvas, (rows, columns), values)


@mistake("backward-misses-last", affects=GRADIENT, styles=IM2COL)
class SlicesForgetTheirStart(Layer):
    """image[i : stride*OH : stride]"""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        rows, columns = (slice(s.start, s.stop - s.start, s.step) for s in where)
        super().put(canvas, (rows, columns), values)


@mistake("backward-walks-over-input", affects=GRADIENT, styles=LOOPS)
class WalksOverInput(Layer):
    """range(0, H, stride) and dout[i // stride]: behind the last window there is no dout."""

    def to_rows(self, dout: Array) -> Array:
        pool = self.geometry("backward")
        for i in (0, 1):
            n = self.x_shape[2 + i] + pool.before[i] + pool.after[i]
            if -(-n // pool.stride[i]) > dout.shape[2 + i]:
                raise IndexError("index is out of bounds")
        return super().to_rows(dout)


@mistake("only-divisible-sizes", affects="both")
class OnlyDivisibleSizes(Layer):
    """x.reshape(N, C, H // h, h, W // w, w), which no other size fits."""

    def forward(self, x: Array) -> Array:
        pool = self.geometry("forward")
        shape = list(x.shape[:2])
        for i in (0, 1):
            n = x.shape[2 + i] + pool.before[i] + pool.after[i]
            shape += [n // pool.kernel[i], pool.kernel[i]]
        self.put_padding(x, pool.before, pool.after).reshape(shape)
        return super().forward(x)


@mistake("only-divisible-sizes", affects=GRADIENT)
class OnlyDivisibleSizesBackward(Layer):
    """dout.repeat(h).repeat(w) has another size than x where something is left over."""

    def backward(self, dout: Array) -> Array:
        pool = self.geometry("backward")
        for i in (0, 1):
            n = self.x_shape[2 + i]
            if pool.kernel[i] * dout.shape[2 + i] != n:
                raise ValueError("operands could not be broadcast together")
        return super().backward(dout)


@mistake("only-divisible-sizes", affects=GRADIENT)
class UpsampledTooSmall(Layer):
    """dx is dout made h x w times as large, so rows and columns that are left over are missing."""

    def cropped(self, canvas: Array, pool: Pool) -> Array:
        dx = super().cropped(canvas, pool)
        room = [self.out[i] * pool.kernel[i] for i in (0, 1)]
        return dx[:, :, : room[0], : room[1]]
