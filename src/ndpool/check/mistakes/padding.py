"""Mistakes in what padding is filled with, and where it is put."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import Pair
from .layers import Array, Layer
from .registry import BOTH, LOOPS, mistake


class _PaddingWins(Layer):
    """Padding has a value, which the winner is chosen by; a winner in it takes the gradient."""

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.argmax(1)
        return found


@mistake("padding-wins", affects=BOTH, needs=["pad"])
class ZeroPadding(_PaddingWins):
    """np.pad(x, ...) with its default, 0."""

    def fill(self, dtype: np.dtype[Any]) -> Any:
        return 0


def filled_with(value: float) -> type[Layer]:
    """The same with another number than 0."""

    class OtherPadding(_PaddingWins):
        def fill(self, dtype: np.dtype[Any]) -> Any:
            return np.array(value).astype(dtype)[()]

    return OtherPadding


BOUNDS = (-128, -32768, -65504)  # the lowest int8, int16 and float16
for number in (-1, -10, -99, -100, -255, -256, -999, -1000, -9999, -10000, -99999, -1e5, *BOUNDS):
    mistake("padding-wins", affects=BOTH, needs=["pad"])(filled_with(number))


@mistake("padding-wins-where-all-is-infinite", affects=BOTH, policy=True, needs=["pad"])
class InfinitePadding(_PaddingWins):
    """Minus infinity, which loses to all but itself."""


for number in (-1e6, -1e7, -1e8, -1e9, -1e10, -1e12, -1e15, -1e18):
    mistake("padding-wins-over-huge-numbers", affects=BOTH, policy=True, needs=["pad"])(
        filled_with(number)
    )
LOWEST = [float(np.finfo(np.float32).min), float(np.finfo(np.float64).min), -(2.0**31), -(2.0**63)]
for number in LOWEST:
    mistake("padding-wins-over-huge-numbers", affects=BOTH, policy=True, needs=["pad"])(
        filled_with(number)
    )


class _RepeatedPadding(_PaddingWins):
    mode = "edge"

    def put_padding(self, x: Array, before: Pair, after: Pair) -> Array:
        sides = ((0, 0), (0, 0), (before[0], after[0]), (before[1], after[1]))
        return np.pad(x, sides, mode=self.mode)  # type: ignore[call-overload,no-any-return]


@mistake("padding-repeats-cells", affects=BOTH, needs=["pad"])
class EdgePadding(_RepeatedPadding):
    mode = "edge"


@mistake("padding-repeats-cells", affects=BOTH, needs=["pad"])
class ReflectPadding(_RepeatedPadding):
    mode = "reflect"


@mistake("padding-repeats-cells", affects=BOTH, needs=["pad"])
class WrapPadding(_RepeatedPadding):
    mode = "wrap"


@mistake("padding-repeats-cells", affects=BOTH, needs=["pad"])
class SymmetricPadding(_RepeatedPadding):
    mode = "symmetric"


@mistake("pads-every-axis", affects=BOTH, styles=LOOPS, needs=["pad"])
class PadsEveryAxis(Layer):
    """np.pad(x, pad): images and channels are padded too, so each loop reads its neighbour."""

    def put_padding(self, x: Array, before: Pair, after: Pair) -> Array:
        shifted = np.zeros_like(x)
        p = before[0]
        shifted[p:, p:] = x[: max(0, len(x) - p), : max(0, x.shape[1] - p)]
        sides = ((0, 0), (0, 0), (before[0], after[0]), (before[1], after[1]))
        return np.pad(shifted, sides)

    def winner(self, pools: Array, highest: Array) -> Array:
        found: Array = pools.argmax(1)
        return found
