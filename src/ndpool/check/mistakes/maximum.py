"""Mistakes in what is taken from a window, and in the order in which it is written down."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from ..geometry import Pool
from .layers import Array, Layer
from .registry import BOTH, GRADIENT, IM2COL, LOOPS, OUTPUT, mistake


@mistake("mean-for-max", affects=BOTH)
class MeanAndArgmax(Layer):
    """np.mean, though the gradient goes to the highest."""

    def highest(self, pools: Array) -> Array:
        found: Array = pools.mean(1)
        return found


@mistake("mean-for-max", affects=BOTH)
class MeanAndEvenShares(MeanAndArgmax):
    """Average pooling, forward and backward."""

    def shares(self, pools: Array, highest: Array) -> Array:
        return np.full(pools.shape, 1 / pools.shape[1])


@mistake("min-for-max", affects=BOTH)
class MinAndArgmin(Layer):
    def highest(self, pools: Array) -> Array:
        found: Array = pools.min(1)
        return found

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.argmin(1)
        return found


@mistake("min-for-max", affects=BOTH)
class MinAndArgmax(MinAndArgmin):
    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.argmax(1)
        return found


@mistake("sum-for-max", affects=BOTH)
class SumAndArgmax(Layer):
    def highest(self, pools: Array) -> Array:
        found: Array = pools.sum(1)
        return found


@mistake("sum-for-max", affects=BOTH)
class SumAndAll(SumAndArgmax):
    def shares(self, pools: Array, highest: Array) -> Array:
        return np.ones(pools.shape)


@mistake("starts-at-zero", affects=BOTH)
class StartsAtZero(Layer):
    """best = 0 before the loop over the window: nothing below 0 can win."""

    def highest(self, pools: Array) -> Array:
        return np.maximum(super().highest(pools), 0)

    def shares(self, pools: Array, highest: Array) -> Array:
        found: Array = super().shares(pools, highest) * (pools.max(1) > 0)[:, None]
        return found


@mistake("starts-at-zero", affects=BOTH)
class StartsAtZeroInTheCorner(StartsAtZero):
    """The same; where nothing wins, the gradient goes to the first cell of the window."""

    def shares(self, pools: Array, highest: Array) -> Array:
        shares = super().shares(pools, highest)
        shares[pools.max(1) <= 0, 0] = 1
        return shares


@mistake("starts-at-zero", affects=BOTH)
class StartsAtZeroThenLooksRight(StartsAtZero):
    """The same; the gradient finds its way all the same."""

    def shares(self, pools: Array, highest: Array) -> Array:
        return Layer.shares(self, pools, pools.max(1))


def starting_at(number: float) -> type[Layer]:
    """best = -999 before the loop: nothing below it can win."""

    class StartsAtNumber(StartsAtZeroThenLooksRight):
        def highest(self, pools: Array) -> Array:
            return np.maximum(Layer.highest(self, pools), number)

    class StartsAtNumberInTheCorner(StartsAtNumber):
        def shares(self, pools: Array, highest: Array) -> Array:
            shares = Layer.shares(self, pools, pools.max(1))
            lost = pools.max(1) <= number
            shares[lost] = 0
            shares[lost, 0] = 1
            return shares

    class StartsAtNumberNobodyWins(StartsAtNumber):
        def shares(self, pools: Array, highest: Array) -> Array:
            found: Array = (
                Layer.shares(self, pools, pools.max(1)) * (pools.max(1) > number)[:, None]
            )
            return found

    for made in (StartsAtNumber, StartsAtNumberInTheCorner, StartsAtNumberNobodyWins):
        mistake("starts-at-number", affects=BOTH)(made)
    return StartsAtNumber


for _number in (-1, -10, -99, -100, -128, -255, -256, -999, -1000, -9999, -10000, -99999, -1e5):
    starting_at(_number)


@mistake("highest-magnitude", affects=BOTH)
class HighestMagnitude(Layer):
    """max(abs(x))"""

    def highest(self, pools: Array) -> Array:
        found: Array = np.abs(pools).max(1)
        return found

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = np.abs(pools).argmax(1)
        return found


@mistake("highest-magnitude", affects=BOTH)
class WithItsSign(HighestMagnitude):
    """The cell of the highest magnitude, as it is."""

    def highest(self, pools: Array) -> Array:
        return pools[np.arange(len(pools)), self.winner(pools, pools[:, 0])]


@mistake("max-over-channels", affects=BOTH, styles=LOOPS)
class MaxOverChannels(Layer):
    """x[n, :, rows, columns].max(): every channel gets the maximum of all."""

    def highest(self, pools: Array) -> Array:
        found: Array = self.over_channels(pools).max((1, 3), keepdims=True)
        n, c, places, _ = self.over_channels(pools).shape
        return np.broadcast_to(found[..., 0], (n, c, places)).reshape(-1)

    def over_channels(self, pools: Array) -> Array:
        n, c = self.x_shape[:2]
        # (N*C*OH*OW, h*w) -> (N, C, OH*OW, h*w)
        return pools.reshape(n, c, -1, pools.shape[1])


@mistake("max-over-channels", affects=BOTH, styles=LOOPS)
class MaxOverChannelsAndMask(MaxOverChannels):
    """The same; the gradient goes to whatever equals that maximum."""

    def shares(self, pools: Array, highest: Array) -> Array:
        found: Array = (pools == highest[:, None]) * 1.0
        return found


@mistake("max-over-channels", affects=BOTH, styles=IM2COL)
class NoReshapeBeforeMax(Layer):
    """The maximum of im2col's rows as they are: over all channels."""

    def to_pools(self, windows: Array) -> Array:
        n, c, out_h, out_w, h, w = windows.shape
        # (N, C, OH, OW, h, w) -> (N*OH*OW, C*h*w)
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * out_h * out_w, c * h * w)


@mistake("max-over-images", affects=BOTH, styles=LOOPS)
class MaxOverImages(Layer):
    """x[:, c, rows, columns].max(): every image gets the maximum of all."""

    def highest(self, pools: Array) -> Array:
        n = self.x_shape[0]
        found = pools.reshape(n, -1, pools.shape[1]).max((0, 2))
        return np.tile(found, n)


# NaN


@mistake("nan-ignored", affects=BOTH)
class NanIgnored(Layer):
    """np.nanmax, np.fmax, or comparisons from -inf: NaN never wins."""

    nothing: Any = np.nan

    def highest(self, pools: Array) -> Array:
        found: Array = np.fmax.reduce(pools, 1)
        return np.where(np.isnan(found), self.nothing, found)

    def winner(self, pools: Array, highest: Array) -> Array:
        low = np.where(np.isnan(pools), -np.inf, pools)
        return super().winner(low, low.max(1))


@mistake("nan-ignored", affects=BOTH)
class NanIgnoredFromInfinity(NanIgnored):
    nothing = -np.inf


@mistake("nan-ignored", affects=BOTH)
class NanIgnoredNobodyWins(NanIgnored):
    """The same; where all is NaN the gradient is lost."""

    nothing = -np.inf

    def shares(self, pools: Array, highest: Array) -> Array:
        some = (~np.isnan(pools)).any(1)
        return super().shares(pools, highest) * some.reshape(-1, 1)


@mistake("nan-ignored", affects=BOTH)
class NanIgnoredUnlessFirst(Layer):
    """best = the first cell, then comparisons: only a NaN that stands first wins."""

    def highest(self, pools: Array) -> Array:
        return np.where(np.isnan(pools[:, 0]), np.nan, np.fmax.reduce(pools, 1))

    def winner(self, pools: Array, highest: Array) -> Array:
        low = np.where(np.isnan(pools), -np.inf, pools)
        return np.where(np.isnan(pools[:, 0]), 0, super().winner(low, low.max(1)))


@mistake("nan-ignored", affects=BOTH)
class NanIgnoredButItsIndexWins(Layer):
    """np.nanmax beside np.argmax: the gradient goes to NaN all the same."""

    def highest(self, pools: Array) -> Array:
        found: Array = np.fmax.reduce(pools, 1)
        return found


@mistake("nan-ignored", affects=GRADIENT)
class NanWinsButNotItsIndex(Layer):
    """np.max sees NaN, the comparisons that find the winner do not."""

    def winner(self, pools: Array, highest: Array) -> Array:
        low = np.where(np.isnan(pools), -np.inf, pools)
        return super().winner(low, low.max(1))


# Only a part


@mistake("only-the-first", affects=BOTH)
class FirstChannelOnly(Layer):
    """Only channel 0 is computed; the others stay 0."""

    def to_output(self, highest: Array) -> Array:
        y = super().to_output(highest).copy()
        y[:, 1:] = 0
        return y

    def to_rows(self, dout: Array) -> Array:
        kept = dout.copy()
        kept[:, 1:] = 0
        return super().to_rows(kept)


@mistake("only-the-first", affects=BOTH)
class FirstImageOnly(Layer):
    """Only image 0 is computed; the others stay 0."""

    def to_output(self, highest: Array) -> Array:
        y = super().to_output(highest).copy()
        y[1:] = 0
        return y

    def to_rows(self, dout: Array) -> Array:
        kept = dout.copy()
        kept[1:] = 0
        return super().to_rows(kept)


@mistake("only-the-first", affects=BOTH)
class FirstChannelForAll(Layer):
    """x[n, 0] instead of x[n, c]: every channel gets the first's."""

    def forward(self, x: Array) -> Array:
        return super().forward(np.repeat(x[:, :1], x.shape[1], axis=1))


@mistake("only-the-first", affects=BOTH)
class FirstImageForAll(Layer):
    """x[0, c] instead of x[n, c]: every image gets the first's."""

    def forward(self, x: Array) -> Array:
        return super().forward(np.repeat(x[:1], len(x), axis=0))


class _ReturnsTooEarly(Layer):
    """A return that is indented too far: what comes after stays 0."""

    done: tuple[Any, ...] = ()

    def only_done(self, array: Array) -> Array:
        kept = np.zeros_like(array)
        kept[self.done] = array[self.done]
        return kept

    def to_output(self, highest: Array) -> Array:
        return self.only_done(super().to_output(highest))


ROW_OF_WINDOWS = np.s_[:1, :1, :1]
DONE: dict[str, tuple[Any, ...]] = {
    "Window": np.s_[:1, :1, :1, :1],
    "Row": np.s_[:1, :1, :1],
    "WindowOfAll": np.s_[:, :, :1, :1],
    "RowOfAll": np.s_[:, :, :1],
}
for _name, _done in DONE.items():
    mistake("returns-too-early", affects=OUTPUT, styles=LOOPS)(
        type(f"ReturnsAfterThe{_name}", (_ReturnsTooEarly,), {"done": _done})
    )


class _ReturnsTooEarlyBackward(Layer):
    done: tuple[Any, ...] = ()

    def to_rows(self, dout: Array) -> Array:
        kept = np.zeros_like(dout)
        kept[self.done] = dout[self.done]
        return super().to_rows(kept)


for _name, _done in DONE.items():
    mistake("returns-too-early", affects=GRADIENT, styles=LOOPS)(
        type(f"ReturnsAfterThe{_name}Backward", (_ReturnsTooEarlyBackward,), {"done": _done})
    )

mistake("only-the-first", affects=OUTPUT)(
    type("FirstPlaneOnly", (_ReturnsTooEarly,), {"done": np.s_[:1, :1]})
)
for _name, _done in {
    "Channel": np.s_[:, :1],
    "Image": np.s_[:1, :],
    "Plane": np.s_[:1, :1],
}.items():
    mistake("only-the-first", affects=GRADIENT)(
        type(f"First{_name}OnlyBackward", (_ReturnsTooEarlyBackward,), {"done": _done})
    )


# The order in which the outputs are written down


@mistake("no-transpose", affects=OUTPUT, styles=IM2COL)
class NoTranspose(Layer):
    """out.reshape(N, C, OH, OW) of rows in the order (n, oh, ow, c)."""

    def to_output(self, highest: Array) -> Array:
        return highest.reshape(*self.x_shape[:2], *self.out)


@mistake("no-transpose", affects=BOTH, styles=IM2COL)
class NoTransposeBothWays(NoTranspose):
    """The same, and dout is flattened as it is: the gradient comes home by the same wrong way."""

    def to_rows(self, dout: Array) -> Array:
        return dout.reshape(-1)


class _OtherOrder(Layer):
    """Rows in another order than (n, oh, ow, c), as other im2cols write them."""

    order = (0, 1, 2, 3)

    def to_output(self, highest: Array) -> Array:
        # (N, C, OH, OW) in the order of the rows, read as (N, C, OH, OW)
        y = super().to_output(highest)
        return np.ascontiguousarray(y.transpose(self.order)).reshape(y.shape)


for _order in ((2, 3, 0, 1), (1, 0, 2, 3), (1, 2, 3, 0)):
    mistake("no-transpose", affects=OUTPUT)(
        type(f"NoTransposeOf{''.join(map(str, _order))}", (_OtherOrder,), {"order": _order})
    )


class _WrongTranspose(Layer):
    """The axes of the output in another order than (N, C, OH, OW)."""

    axes = (0, 1, 2, 3)

    def to_output(self, highest: Array) -> Array:
        return super().to_output(highest).transpose(self.axes)


for _axes in permutations(range(4)):
    if _axes != (0, 1, 2, 3):
        mistake("wrong-transpose", affects=OUTPUT)(
            type(f"WrongTranspose{''.join(map(str, _axes))}", (_WrongTranspose,), {"axes": _axes})
        )


@mistake("windows-reshaped-wrong", affects=BOTH, styles=IM2COL)
class MaxAcrossWindows(Layer):
    """col.reshape(h*w, -1).max(axis=0)"""

    def to_pools(self, windows: Array) -> Array:
        pools = super().to_pools(windows)
        return pools.reshape(pools.shape[::-1]).T


@mistake("windows-reshaped-wrong", affects=OUTPUT, styles=LOOPS)
class BlocksWithoutTranspose(Layer):
    """x.reshape(N, C, OH, OW, h, w): blocks need x.reshape(N, C, OH, h, OW, w) and a transpose."""

    def cut(self, padded: Array, pool: Pool) -> Array:
        windows = super().cut(padded, pool)
        if pool.kernel != pool.stride or pool.padded:
            return windows
        out_h, out_w, h, w = windows.shape[2:]
        cut = padded[:, :, : out_h * h, : out_w * w]
        return np.ascontiguousarray(cut).reshape(windows.shape)


@mistake("windows-reshaped-wrong", affects=BOTH, styles=LOOPS)
class BlocksWithoutTransposeBothWays(BlocksWithoutTranspose):
    """The same, and the gradient comes home by the same wrong way."""

    def add_up(self, canvas: Array, cells: Array, pool: Pool) -> None:
        if pool.kernel != pool.stride or pool.padded:
            super().add_up(canvas, cells, pool)
            return
        n, c, out_h, out_w, h, w = cells.shape
        canvas[:, :, : out_h * h, : out_w * w] = cells.reshape(n, c, out_h * h, out_w * w)


@mistake("windows-reshaped-wrong", affects=BOTH, styles=IM2COL)
class ColumnsWithoutT(Layer):
    """cols.reshape(-1, h*w) of im2col's columns, without .T before it."""

    def to_pools(self, windows: Array) -> Array:
        # (N, C, OH, OW, h, w) -> (C, h, w, N, OH, OW) -> (windows, h*w)
        pools = super().to_pools(windows)
        return windows.transpose(1, 4, 5, 0, 2, 3).reshape(pools.shape)
