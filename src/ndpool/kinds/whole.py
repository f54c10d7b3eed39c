"""Global pooling: one window, as large as the pooled axes themselves."""

from __future__ import annotations

from typing import Any, TypeVar

from ..arguments import as_array
from ..errors import PoolError
from ..geometry import geometry, plain_shape
from .words import WholeGradientWords

Words = TypeVar("Words", bound=WholeGradientWords)


def window_of(x: object, words: Words) -> tuple[tuple[int, ...], Words]:
    """The one window's size, and the words with the axes it lies over."""
    return _window("x", as_array("x", x).shape, words)


def window_of_shape(x_shape: object, words: Words) -> tuple[tuple[int, ...], Words]:
    """The same for an array of this shape."""
    return _window("x_shape", plain_shape("x_shape", x_shape), words)


def _window(argument: str, shape: tuple[int, ...], words: Words) -> tuple[tuple[int, ...], Words]:
    axes: Any = words.get("axes")
    if axes is None:
        if len(shape) < 2:
            hint = "or name the axes"
            raise PoolError(argument, "two dimensions or more", len(shape), hint)
        axes = (-2, -1)
    # windows of one cell are right for any array: they say which axes are meant, or what is wrong
    pooled = geometry(shape, 1, axes=axes).axes
    given = words.copy()
    given["axes"] = pooled
    return tuple(shape[axis] for axis in pooled), given
