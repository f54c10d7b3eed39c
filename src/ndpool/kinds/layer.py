"""What the layers of all kinds share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PoolError, PoolTypeError

Array = NDArray[Any]


class Layer:
    """A forward and a backward pass with the same arguments; a kind names its two functions.

    `_saved` says what of a forward call the backward function takes behind dy: the input's shape,
    for a kind that does not say otherwise. `_arrays` is how many arguments come with `forward`;
    those behind them are the layer's sizes, by place or by name.
    """

    _pool: ClassVar[Callable[..., Any]]
    _gradient: ClassVar[Callable[..., Any]]
    _arrays: ClassVar[int] = 1

    def __init__(self, *sizes: Any, **words: Any) -> None:
        self.sizes, self.options = _by_place(type(self), sizes, words)

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self._shown() if value is not None]
        return f"{type(self).__name__}({', '.join([*map(repr, self.sizes), *words])})"

    def __call__(self, x: ArrayLike, **words: Any) -> Array:
        """The same as `forward`."""
        return self.forward(x, **words)

    def forward(self, x: ArrayLike, **words: Any) -> Array:
        """y of the windows of `x`; remembers what `backward` needs.

        `words`, such as the `where` of this batch, are for this call and go before the layer's own.
        """
        given = {**self.options, **words}
        y, saved = self._run(x, given)
        self.saved, self.words = saved, self._words_of_gradient(x, given)
        return y

    def backward(self, dy: ArrayLike, **words: Any) -> Array:
        """dx of the last forward's input shape; dy has y's shape. May be called more than once.

        `words`, such as `out`, are for this call.
        """
        dx: Array = self._gradients(dy, words)
        return dx

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        """y, and what the backward function takes of this call behind dy.

        With the sizes: where one of them is learnt, it may be another one by then.
        """
        y: Array = type(self)._pool(x, *self.sizes, **words)
        return y, (*self._saved(x, y), *self.sizes)

    def _gradients(self, dy: ArrayLike, words: dict[str, Any]) -> Any:
        """What the backward function returns."""
        if not hasattr(self, "saved"):
            raise PoolError("backward", "a forward call before it", "none")
        return type(self)._gradient(dy, *self.saved, **{**self.words, **words})

    def _shown(self) -> list[tuple[str, Any]]:
        """The words of its `repr`."""
        return list(self.options.items())

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return (np.shape(x),)

    def _words_of_gradient(self, x: ArrayLike, words: dict[str, Any]) -> dict[str, Any]:
        """A forward call's words as the backward function takes them."""
        left = {name: value for name, value in words.items() if name not in ("nan_policy", "out")}
        if words.get("nan_policy") == "omit":
            from .masks import mask_of  # here, as most layers have no use for it

            left["where"] = mask_of(np.asarray(x), words.get("where"), "omit")
        return left


class WinnerLayer(Layer):
    """A layer of a kind whose windows each have a winner: its index is what is remembered."""

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        y, indices = type(self)._pool(x, *self.sizes, return_indices=True, **words)
        return y, (indices, np.shape(x), *self.sizes)

    def _words_of_gradient(self, x: ArrayLike, words: dict[str, Any]) -> dict[str, Any]:
        left = super()._words_of_gradient(x, words)
        if words.get("ties") in ("split", "all"):
            left["x"] = x
        return left


class ValueLayer(Layer):
    """A layer of a kind whose gradient needs input and output: both are kept, not copied."""

    def _saved(self, x: ArrayLike, y: Array) -> tuple[Any, ...]:
        return x, y


def _by_place(
    kind: type[Layer], sizes: tuple[Any, ...], words: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A layer's sizes in their order, those given by name too, and its other words.

    What its function would refuse at the first `forward` is refused here, where it was written.
    """
    parameters = list(inspect.signature(kind._pool).parameters.values())
    places = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][kind._arrays :]
    if len(sizes) > len(places):
        expected = f"{', '.join(p.name for p in places) or 'nothing'} without a name"
        hint = "give each of the others by its name, such as stride=2"
        raise PoolTypeError(kind.__name__, expected, f"{len(sizes)} values", hint)
    left = dict(words)
    for place in places[len(sizes) :]:
        if place.name in left:
            sizes = (*sizes, left.pop(place.name))
        elif place.default is place.empty:
            raise PoolTypeError(place.name, f"a value for {kind.__name__}", "none")
        else:
            break
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return sizes, left
    known = [p.name for p in parameters[kind._arrays + len(sizes) :] if p.name != "return_indices"]
    for word in left:
        if word not in known:
            got = "it twice" if word in (p.name for p in places) else "another word"
            raise PoolTypeError(word, f"one of the words {', '.join(known)}", got)
    return sizes, left


def _set_first(layer: Layer, value: Any) -> None:
    layer.sizes = (value, *layer.sizes[1:])


# what a layer learns: the argument before its kernel_size, read and written as an attribute
first_size = property(lambda layer: layer.sizes[0], _set_first)
