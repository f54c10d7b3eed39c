"""Mistakes in what a layer remembers, and in what it takes its arrays to be."""

from __future__ import annotations

import numpy as np

from .layers import Array, Layer
from .registry import BOTH, GRADIENT, OUTPUT, mistake


@mistake("gradient-kept", affects=GRADIENT)
class GradientKept(Layer):
    """self.dx += ..., and nobody sets it to 0 again."""

    kept: Array | None = None

    def backward(self, dout: Array) -> Array:
        dx = super().backward(dout)
        if self.kept is not None and self.kept.shape == dx.shape:
            dx = dx + self.kept
        self.kept = dx
        return dx.copy()


@mistake("gradient-kept", affects=GRADIENT)
class GradientKeptUntilForward(GradientKept):
    """The same; forward makes a new one."""

    def forward(self, x: Array) -> Array:
        self.kept = None
        return super().forward(x)


class _Remembered(Layer):
    """What forward leaves for backward, put somewhere else than into the layer."""

    def leave(self) -> tuple[object, ...]:
        return self.weights, self.taps, self.x_shape, self.out

    def find(self, left: tuple[object, ...]) -> None:
        self.weights, self.taps, self.x_shape, self.out = left  # type: ignore[assignment]


@mistake("state-shared", affects=GRADIENT)
class StateShared(_Remembered):
    """Winners in an attribute of the class: the layers of a network overwrite each other's."""

    shared: tuple[object, ...] = ()

    def forward(self, x: Array) -> Array:
        y = super().forward(x)
        type(self).shared = self.leave()
        return y

    def backward(self, dout: Array) -> Array:
        self.find(type(self).shared)
        return super().backward(dout)


@mistake("state-stale", affects=GRADIENT)
class StateStale(_Remembered):
    """if self.arg_max is None: the winners of the first forward stay for ever."""

    first: tuple[object, ...] | None = None

    def forward(self, x: Array) -> Array:
        y = super().forward(x)
        self.first = self.first or self.leave()
        return y

    def backward(self, dout: Array) -> Array:
        if self.first is not None:
            self.find(self.first)
        return super().backward(dout)


@mistake("state-stale", affects=GRADIENT)
class StateStaleUntilBackward(StateStale):
    """A list of winners that backward empties from the front."""

    def backward(self, dout: Array) -> Array:
        dx = super().backward(dout)
        self.first = None
        return dx


@mistake("state-stale", affects=GRADIENT)
class WinnersAppended(Layer):
    """A list of winners that grows with each forward, and is read from its start."""

    oldest: Array | None = None

    def forward(self, x: Array) -> Array:
        y = super().forward(x)
        if self.oldest is None:
            self.oldest = self.weights
        return y

    def backward(self, dout: Array) -> Array:
        if self.oldest is not None and len(self.oldest) >= len(self.weights):
            self.weights = self.oldest[: len(self.weights)]
        return super().backward(dout)


@mistake("memory-order", affects=GRADIENT)
class DoutAsItLies(Layer):
    """dout's memory is read from end to end, whatever its strides say."""

    def backward(self, dout: Array) -> Array:
        return super().backward(np.ravel(dout, order="K").reshape(dout.shape))


@mistake("memory-order", affects=OUTPUT)
class InputAsItLies(Layer):
    """x's memory is read from end to end, whatever its strides say."""

    def forward(self, x: Array) -> Array:
        return super().forward(np.ravel(x, order="K").reshape(x.shape))


@mistake("int-truncates", affects=BOTH)
class OutputInIntegers(Layer):
    """y is made with dtype=int: fractions are cut off."""

    def to_output(self, highest: Array) -> Array:
        return np.trunc(super().to_output(highest))


@mistake("int-truncates", affects=GRADIENT)
class GradientInIntegers(Layer):
    """dx is made with dtype=int: fractions are cut off."""

    def spread(self, rows: Array) -> Array:
        return np.trunc(super().spread(rows))
