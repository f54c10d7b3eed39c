"""Mistakes in how many windows there are."""

from __future__ import annotations

from ..geometry import Pair, Pool
from .layers import Array, Layer
from .registry import BOTH, IM2COL, LOOPS, OUTPUT, mistake


@mistake("size-ignores-pad", affects=BOTH, needs=["pad"], step="out_axis")
class SizeIgnoresPad(Layer):
    """1 + (H - h) / stride, though the image is padded."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, pool._replace(before=(0, 0), after=(0, 0)), axis)


@mistake("pad-counted-once", affects=BOTH, needs=["pad"], step="out_axis")
class SizeCountsPadOnce(Layer):
    """H + pad instead of H + 2*pad."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, pool._replace(after=(0, 0)), axis)


@mistake("size-counts-pad-though-none", affects=BOTH, needs=["pad"])
class SizeCountsPadThoughNone(Layer):
    """The output size counts the padding, but no cell of padding is ever put there."""

    def padded(self, x: Array, pool: Pool) -> Array:
        return super().padded(x, pool._replace(before=(0, 0), after=(0, 0)))

    def geometry(self, phase: str) -> Pool:
        pool = super().geometry(phase)
        return pool._replace(before=(0, 0), after=(0, 0)) if phase == "backward" else pool


@mistake("missing-plus-one", affects=BOTH, step="out_axis")
class MissingPlusOne(Layer):
    """(H - h) // stride"""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, pool, axis) - 1


@mistake("missing-plus-one", affects=BOTH, step="out_axis")
class LastWindowOutOfRange(Layer):
    """range(0, H - h, stride): the window that ends at the border is missing."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        room = n + pool.before[axis] + pool.after[axis] - pool.span[axis]
        return -(-room // pool.stride[axis])


@mistake("missing-plus-one", affects=BOTH, step="out_axis")
class PlusOneInsideTheDivision(Layer):
    """(H - h + 1) // stride"""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        room = n + pool.before[axis] + pool.after[axis] - pool.span[axis]
        return (room + 1) // pool.stride[axis]


@mistake("missing-plus-one", affects=BOTH, styles=LOOPS)
class LastWindowLeftAtZero(Layer):
    """y has all its cells, but the loops stop at range(0, H - h, stride): the last stay 0."""

    def to_output(self, highest: Array) -> Array:
        y = super().to_output(highest).copy()
        pool = self.geometry("forward")
        done = []
        for i in (0, 1):
            room = self.x_shape[2 + i] + pool.before[i] + pool.after[i] - pool.span[i]
            done.append(-(-room // pool.stride[i]))
        y[:, :, done[0] :] = 0
        y[:, :, :, done[1] :] = 0
        self.done = done
        return y

    def to_rows(self, dout: Array) -> Array:
        kept = dout.copy()
        kept[:, :, self.done[0] :] = 0
        kept[:, :, :, self.done[1] :] = 0
        return super().to_rows(kept)


@mistake("size-over-stride", affects=BOTH, needs=["stride"], step="out_axis")
class SizeOverStride(Layer):
    """H // stride"""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return (n + pool.before[axis] + pool.after[axis]) // pool.stride[axis]


@mistake("size-over-stride", affects=BOTH, needs=["pad", "stride"], step="out_axis")
class SizeOverStrideWithoutPad(Layer):
    """H // stride, pad or no pad."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return n // pool.stride[axis]


@mistake("size-over-kernel", affects=BOTH, needs=["stride"], step="out_axis")
class SizeOverKernel(Layer):
    """H // h"""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return (n + pool.before[axis] + pool.after[axis]) // pool.kernel[axis]


@mistake("size-over-kernel", affects=BOTH, needs=["pad", "stride"], step="out_axis")
class SizeOverKernelWithoutPad(Layer):
    """H // h, pad or no pad."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return n // pool.kernel[axis]


@mistake("size-ignores-stride", affects=BOTH, needs=["stride"], step="out_axis")
class SizeIgnoresStride(Layer):
    """H - h + 1, whatever the stride."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, pool._replace(stride=(1, 1)), axis)


@mistake("ceil-without-room", affects=BOTH, styles=IM2COL)
class CeilWithoutRoom(Layer):
    """Rounded up, but nothing is put where the last windows reach over the border."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        return super().out_axis(n, pool._replace(ceil=True), axis)

    def padded(self, x: Array, pool: Pool) -> Array:
        return super().padded(x, pool._replace(ceil=False))

    def canvas(self, cells_shape: tuple[int, ...], pool: Pool) -> Array:
        return super().canvas(cells_shape, pool._replace(ceil=False))


@mistake("ceil-for-floor", affects=BOTH)
class CeilForFloor(Layer):
    """Rounded up, and the windows at the border are cut short, as ceil mode does it."""

    def geometry(self, phase: str) -> Pool:
        return super().geometry(phase)._replace(ceil=True)


@mistake("ceil-for-floor", affects=BOTH, styles=LOOPS)
class CeilForFloorWhateverComes(Layer):
    """Rounded up even where the last window begins behind the input."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        room = n + pool.before[axis] + pool.after[axis] - pool.span[axis]
        return -(-room // pool.stride[axis]) + 1


@mistake("floor-for-ceil", affects=BOTH, needs=["ceil"])
class FloorForCeil(Layer):
    """Rounded down, though ceil mode was asked for."""

    def geometry(self, phase: str) -> Pool:
        return super().geometry(phase)._replace(ceil=False)


@mistake("ceil-window-outside", affects=BOTH, needs=["ceil"])
class CeilWindowOutside(Layer):
    """Rounded up even where the last window would start behind the input: padding alone."""

    def out_axis(self, n: int, pool: Pool, axis: int) -> int:
        room = n + pool.before[axis] + pool.after[axis] - pool.span[axis]
        if not pool.ceil:
            return room // pool.stride[axis] + 1
        return -(-room // pool.stride[axis]) + 1

    def inside(self) -> Array:
        inside = super().inside()
        inside[~inside.any(1), 0] = True
        return inside


@mistake("height-for-width", affects=BOTH)
class HeightForWidth(Layer):
    """The number of columns is computed from the number of rows."""

    def out_sizes(self, sizes: tuple[int, ...], pool: Pool) -> Pair:
        return super().out_sizes((sizes[0], sizes[0]), pool)


@mistake("height-for-width", affects=BOTH)
class WidthForHeight(Layer):
    """The number of rows is computed from the number of columns."""

    def out_sizes(self, sizes: tuple[int, ...], pool: Pool) -> Pair:
        return super().out_sizes((sizes[1], sizes[1]), pool)


@mistake("out-sizes-swapped", affects=BOTH)
class OutSizesSwapped(Layer):
    """out_w where out_h belongs."""

    def out_sizes(self, sizes: tuple[int, ...], pool: Pool) -> Pair:
        out_h, out_w = super().out_sizes(sizes, pool)
        return out_w, out_h


@mistake("out-sizes-swapped", affects=OUTPUT, styles=IM2COL)
class OutSizesSwappedInReshape(Layer):
    """reshape(N, out_w, out_h, C): right windows, written down in the wrong shape."""

    def to_output(self, highest: Array) -> Array:
        n, c = self.x_shape[:2]
        # (N*OH*OW*C,) -> (N, OW, OH, C) -> (N, C, OW, OH)
        return highest.reshape(n, self.out[1], self.out[0], c).transpose(0, 3, 1, 2)


@mistake("kernel-hard-coded", affects=BOTH, needs=["kernel"])
class KernelTwo(Layer):
    """Windows of 2 x 2, whatever was asked for."""

    def geometry(self, phase: str) -> Pool:
        return super().geometry(phase)._replace(kernel=(2, 2))
