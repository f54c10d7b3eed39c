"""What the layers of all kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PoolError
from .words import Seed, flag, generator

Array = NDArray[Any]


class Layer:
    """A forward and a backward pass with the same arguments; a kind names its two functions.

    `_saved` says what of a forward call the backward function takes behind dy: the input's shape,
    for a kind that does not say otherwise.
    """

    _pool: ClassVar[Callable[..., Any]]
    _gradient: ClassVar[Callable[..., Any]]

    def __init__(self, *sizes: Any, **words: Any) -> None:
        self.sizes = sizes
        self.options = words

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self._shown().items()]
        return f"{type(self).__name__}({', '.join([*map(repr, self.sizes), *words])})"

    def __call__(self, x: ArrayLike) -> Array:
        """The same as `forward`."""
        return self.forward(x)

    def forward(self, x: ArrayLike) -> Array:
        """y of the windows of `x`; remembers what `backward` needs."""
        y: Array = type(self)._pool(x, *self.sizes, **self.options)
        self._remember(*self._saved(x, y))
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """dx of the last forward's input shape; dy has y's shape. May be called more than once."""
        dx: Array = self._gradients(dy)
        return dx

    def _shown(self) -> dict[str, Any]:
        """The words of its `repr`."""
        return self.options

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return (np.shape(x),)

    def _remember(self, *saved: Any) -> None:
        self.saved = (*saved, *self.sizes)  # with the sizes, as one of them may be learnt

    def _gradients(self, dy: ArrayLike) -> Any:
        """What the backward function returns."""
        if not hasattr(self, "saved"):
            raise PoolError("backward", "a forward call before it", "none")
        return type(self)._gradient(dy, *self.saved, **self.options)


class WinnerLayer(Layer):
    """A layer whose pooling chooses cells: it remembers their indices, and no values."""

    indices: Array

    def forward(self, x: ArrayLike) -> Array:
        """y of the windows of `x`; remembers which cells it came from."""
        y: Array
        y, self.indices = type(self)._pool(x, *self.sizes, return_indices=True, **self.options)
        self._remember(self.indices, np.shape(x))
        return y


class ChanceLayer(Layer):
    """A layer with chance in it while `training`, all of it from one generator, `rng`."""

    def __init__(self, *sizes: Any, training: bool = True, rng: Seed = None, **words: Any) -> None:
        super().__init__(*sizes, **words)
        self.training = flag("training", training)
        self.seed, self.rng = rng, generator("rng", rng)

    def _shown(self) -> dict[str, Any]:
        return {"training": self.training, "rng": self.seed, **self.options}


def _set_first(layer: Layer, value: Any) -> None:
    layer.sizes = (value, *layer.sizes[1:])


# what a layer learns: the argument before its kernel_size, read and written as an attribute
first_size = property(lambda layer: layer.sizes[0], _set_first)
