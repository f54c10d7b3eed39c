"""A layer that hands over everything by name: for functions whose arguments depend on a mode."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layer import Layer

Array = NDArray[Any]


class NamedLayer(Layer):
    """A layer whose kind has winners, but for one mode: it keeps them and the input's shape.

    `_named` are the names of its sizes, `_mode` the word of the mode and its default; "avg" is the
    one without winners.
    """

    indices: Array | None
    _named: ClassVar[tuple[str, ...]]
    _mode: ClassVar[tuple[str, str]] = ("mode", "max")

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        asked = words.get(*self._mode) != "avg"
        found: Any = type(self)._pool(
            x, **self._sizes(), **words, **({"return_indices": True} if asked else {})
        )
        y: Array
        y, self.indices = found if isinstance(found, tuple) else (found, None)
        return y, ()

    def _words_of_gradient(self, x: ArrayLike, words: dict[str, Any]) -> dict[str, Any]:
        left = super()._words_of_gradient(x, words)
        return {**left, **self._sizes(), "indices": self.indices, "x_shape": np.shape(x)}

    def _sizes(self) -> dict[str, Any]:
        return dict(zip(self._named, self.sizes, strict=False))
