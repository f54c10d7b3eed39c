"""Mistakes in where windows lie and how long they are, on the way forward (and back)."""

from __future__ import annotations

from collections.abc import Callable

from ..geometry import Pair, Pool, out_size
from .layers import Array, Columns, Layer, Loops, Where
from .registry import BOTH, GIVEN, GRADIENT, LOOPS, OUTPUT, mistake


def misread(
    name: str, *, needs: list[str], backward: str = ""
) -> Callable[[type[Layer]], type[Layer]]:
    """Enter windows that are misread: in both passes, forward alone, and backward alone.

    `backward` is what the mistake is called where only the backward pass makes it.
    """

    def enter(mixin: type[Layer]) -> type[Layer]:
        mistake(name, affects=BOTH, needs=needs)(mixin)
        for phase, affects, styles in (
            ("forward", OUTPUT, ("again",)),
            ("backward", GRADIENT, ("columns", "loops", "again")),
        ):
            made = type(f"{mixin.__name__}In{phase.title()}", (mixin,), {"phases": (phase,)})
            called = backward or name if phase == "backward" else name
            mistake(called, affects=affects, needs=needs, styles=styles)(made)
        strict = type(f"{mixin.__name__}Outside", (_Strictly, mixin), {"phases": ("backward",)})
        mistake(backward or name, affects=GRADIENT, needs=needs, styles=["loops"])(strict)
        return mixin

    return enter


class _Strictly(Layer):
    """A winner that would lie outside is an error, as it is where index arrays are used."""

    def put(self, canvas: Array, where: Where, values: Array) -> None:
        room = canvas[:, :, where[0], where[1]].shape
        lost = values.copy()
        lost[:, :, : room[2], : room[3]] = 0
        if lost.any():
            raise IndexError("index is out of bounds")
        super().put(canvas, where, values)


class _Replaced(Layer):
    """Other windows than asked for, in the phases named."""

    phases: tuple[str, ...] = ("forward", "backward")

    def geometry(self, phase: str) -> Pool:
        pool = super().geometry(phase)
        return self.misread(pool) if phase in self.phases else pool

    def misread(self, pool: Pool) -> Pool:
        raise NotImplementedError


@misread("stride-ignored", needs=["stride"], backward="backward-ignores-stride")
class StrideIsOne(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=(1, 1))


@misread("stride-ignored", needs=["stride"], backward="backward-ignores-stride")
class StrideIsTwo(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=(2, 2))


@misread("stride-ignored", needs=["stride"], backward="backward-ignores-stride")
class StrideIsKernel(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=pool.kernel)


@misread("kernel-and-stride-swapped", needs=["stride"])
class KernelAndStrideSwapped(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(kernel=pool.stride, stride=pool.kernel)


@misread("kernel-sides-swapped", needs=["rectangular"])
class KernelSidesSwapped(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(kernel=pool.kernel[::-1])


@mistake("kernel-sides-swapped", affects=GRADIENT, needs=["rectangular"], styles=["rows"])
class KernelSidesSwappedInCol2im(Layer):
    """col2im gets them in the wrong order, and counts other windows than there are."""

    def to_windows(self, spread: Array, dout_shape: tuple[int, ...]) -> Array:
        n, c = dout_shape[:2]
        h, w = self.taps
        pool = self.pool._replace(kernel=(w, h))
        out = [out_size(self.x_shape[2 + i], pool, i) for i in (0, 1)]
        # (windows, h*w) -> (N, OH, OW, C, w, h)
        cells = spread.reshape(n, *out, c, w, h)
        return cells.transpose(0, 3, 1, 2, 4, 5)


@misread("stride-sides-swapped", needs=["strides"])
class StrideSidesSwapped(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=pool.stride[::-1])


@misread("pad-sides-swapped", needs=["pads"])
class PadSidesSwapped(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(before=pool.before[::-1], after=pool.after[::-1])


@misread("one-side-for-both", needs=["rectangular"])
class HeightOfKernelForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(kernel=(pool.kernel[0], pool.kernel[0]))


@misread("one-side-for-both", needs=["rectangular"])
class WidthOfKernelForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(kernel=(pool.kernel[1], pool.kernel[1]))


@misread("one-side-for-both", needs=["strides"])
class FirstStrideForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=(pool.stride[0], pool.stride[0]))


@misread("one-side-for-both", needs=["strides"])
class SecondStrideForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(stride=(pool.stride[1], pool.stride[1]))


@misread("one-side-for-both", needs=["pads"])
class FirstPadForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(before=(pool.before[0],) * 2, after=(pool.after[0],) * 2)


@misread("one-side-for-both", needs=["pads"])
class SecondPadForBoth(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(before=(pool.before[1],) * 2, after=(pool.after[1],) * 2)


@misread("pad-ignored", needs=["pad"], backward="backward-ignores-pad")
class PadIgnored(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(before=(0, 0), after=(0, 0))


@mistake("pad-counted-once", affects=BOTH, needs=["pad"])
class PadBeforeOnly(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(after=(0, 0))


@mistake("pad-counted-once", affects=BOTH, needs=["pad"])
class PadAfterOnly(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(before=(0, 0))


@misread("dilation-ignored", needs=["dilation"])
class DilationIgnored(_Replaced):
    def misread(self, pool: Pool) -> Pool:
        return pool._replace(dilation=(1, 1))


class _StartsElsewhere(Layer):
    """As many windows as the stride asks for, but they begin elsewhere."""

    def step_along(self, pool: Pool, axis: int) -> int:
        return pool.stride[axis]

    def steps(self, pool: Pool) -> Pool:
        return pool._replace(stride=(self.step_along(pool, 0), self.step_along(pool, 1)))

    def cut(self, padded: Array, pool: Pool) -> Array:
        return super().cut(padded, self.steps(pool))


class _StartsElsewhereBothWays(_StartsElsewhere):
    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        super().add_up(canvas, cells, self.steps(pool))


@mistake("start-without-stride", affects=BOTH, styles=GIVEN, step="step_along")
class StartsWithoutStride(_StartsElsewhereBothWays):
    """x[oh : oh + h]"""

    def step_along(self, pool: Pool, axis: int) -> int:
        return 1


@mistake("start-without-stride", affects=OUTPUT, styles=GIVEN, step="step_along")
class StartsWithoutStrideForward(_StartsElsewhere):
    """The same on the way forward alone."""

    def step_along(self, pool: Pool, axis: int) -> int:
        return 1


@mistake("start-by-kernel", affects=BOTH, styles=GIVEN, needs=["stride"], step="step_along")
class StartsByKernel(_StartsElsewhereBothWays):
    """x[oh * h : oh * h + h], though the output size counts with the stride."""

    def step_along(self, pool: Pool, axis: int) -> int:
        return pool.kernel[axis]


@mistake("start-by-kernel", affects=OUTPUT, styles=GIVEN, needs=["stride"], step="step_along")
class StartsByKernelForward(_StartsElsewhere):
    """The same on the way forward alone."""

    def step_along(self, pool: Pool, axis: int) -> int:
        return pool.kernel[axis]


class _OtherLength(Layer):
    """Windows longer or shorter than asked for; as many as asked for."""

    longer = (0, 0)

    def geometry(self, phase: str) -> Pool:
        pool = super().geometry(phase)
        h, w = pool.kernel
        return pool._replace(kernel=(h + self.longer[0], w + self.longer[1]))

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, self.pool, axis)


@mistake("window-too-short", affects=BOTH, styles=GIVEN)
class WindowTooShort(_OtherLength):
    """x[start : start + h - 1]"""

    longer = (-1, -1)


@mistake("window-too-short", affects=BOTH, styles=GIVEN)
class WindowTooLow(_OtherLength):
    longer = (-1, 0)


@mistake("window-too-short", affects=BOTH, styles=GIVEN)
class WindowTooNarrow(_OtherLength):
    longer = (0, -1)


@mistake("window-too-long", affects=BOTH, styles=LOOPS)
class WindowTooLong(_OtherLength):
    """x[start : start + h + 1], shorter where the image ends."""

    longer = (1, 1)


@mistake("window-too-long", affects=BOTH, styles=LOOPS)
class WindowTooHigh(_OtherLength):
    longer = (1, 0)


@mistake("window-too-long", affects=BOTH, styles=LOOPS)
class WindowTooWide(_OtherLength):
    longer = (0, 1)


class _SwappedSides(_OtherLength):
    """As many windows as asked for, with height and width swapped."""

    def geometry(self, phase: str) -> Pool:
        pool = super().geometry(phase)
        return pool._replace(kernel=pool.kernel[::-1]) if phase in self.phases else pool

    phases: tuple[str, ...] = ("forward", "backward")


mistake("kernel-sides-swapped", affects=BOTH, styles=GIVEN, needs=["rectangular"])(_SwappedSides)


@mistake("kernel-sides-swapped", affects=OUTPUT, styles=["again"], needs=["rectangular"])
class _SwappedSidesForward(_SwappedSides):
    phases = ("forward",)


@mistake("slice-ends-short", affects=OUTPUT, styles=["columns"])
class SliceForgetsItsStart(Columns):
    """x[i : stride*OH : stride] instead of x[i : i + stride*OH : stride]"""

    def read_by_tap(self, tap: Pair, pool: Pool) -> Where:
        rows, columns = super().read_by_tap(tap, pool)
        return (
            slice(rows.start, rows.stop - rows.start, rows.step),
            slice(columns.start, columns.stop - columns.start, columns.step),
        )


@mistake("slice-ends-short", affects=OUTPUT, styles=["columns"])
class SliceMissesTheLast(Columns):
    """x[i : i + stride*(OH - 1) : stride]: one window too few."""

    def read_by_tap(self, tap: Pair, pool: Pool) -> Where:
        rows, columns = super().read_by_tap(tap, pool)
        return (
            slice(rows.start, rows.stop - rows.step, rows.step),
            slice(columns.start, columns.stop - columns.step, columns.step),
        )


@mistake("slice-ends-short", affects=BOTH, styles=LOOPS)
class LastRowAndColumnUnseen(Loops):
    """Windows are cut from x[:-1, :-1]: shorter at the border."""

    def cut(self, padded: Array, pool: Pool) -> Array:
        return super().cut(padded[:, :, :-1, :-1], pool)
