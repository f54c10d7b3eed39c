"""What the layers of all kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PoolError

Array = NDArray[Any]


class Layer:
    """A forward and a backward pass with the same arguments; a kind names its two functions.

    `_saved` says what of a forward call the backward function takes behind dy: the input's shape,
    for a kind that does not say otherwise.
    """

    _pool: ClassVar[Callable[..., Array]]
    _gradient: ClassVar[Callable[..., Array]]

    def __init__(self, *sizes: Any, **words: Any) -> None:
        self.sizes = sizes
        self.options = words

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{type(self).__name__}({', '.join([*map(repr, self.sizes), *words])})"

    def __call__(self, x: ArrayLike) -> Array:
        """The same as `forward`."""
        return self.forward(x)

    def forward(self, x: ArrayLike) -> Array:
        """y of the windows of `x`; remembers what `backward` needs."""
        y = type(self)._pool(x, *self.sizes, **self.options)
        self.saved = self._saved(x, y)
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """dx of the last forward's input shape; dy has y's shape. May be called more than once."""
        if not hasattr(self, "saved"):
            raise PoolError("backward", "a forward call before it", "none")
        return type(self)._gradient(dy, *self.saved, *self.sizes, **self.options)

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return (np.shape(x),)


class WinnerLayer(Layer):
    """A layer whose backward function takes the winners, in whatever form True stands for."""

    _pool: ClassVar[Callable[..., Any]]

    def forward(self, x: ArrayLike) -> Array:
        """y of the windows of `x`; remembers the winners and the input's shape."""
        y: Array
        y, indices = type(self)._pool(x, *self.sizes, return_indices=True, **self.options)
        self.saved = indices, np.shape(x)
        return y
