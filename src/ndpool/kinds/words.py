"""The geometry words that every kind takes: their types, their text, and what is made of them."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, SupportsIndex, TypedDict, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Padding, Size, geometry, plain_shape

Array = NDArray[Any]
Seed = SupportsIndex | np.random.Generator | None
Function = TypeVar("Function", bound=Callable[..., Any])


class GeometryWords(TypedDict, total=False):
    """The geometry words of `ndpool.max_pool`."""

    stride: Size | None
    padding: Padding
    dilation: Size
    ceil_mode: bool
    axes: Size | None


class Words(GeometryWords, total=False):
    """The words of a kind."""


_DEFAULTS: dict[str, Any] = {
    "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "axes": None
}  # fmt: skip
_TEXTS = {
    "{geometry}": """kernel_size: Cells of a window along each pooled axis. An int pools
            the last two axes, a tuple of d the last d.
        stride, padding, dilation, ceil_mode, axes: As in `ndpool.max_pool`.""",
    "{errors}": """Raises:
        PoolError: A value that no pooling can be done with, or shapes that do not fit together;
            the message names the argument.
        TypeError: An argument of the wrong type or dtype.""",
}


def pooling(function: Function) -> Function:
    """Write out what the function's signature and docstring share with all others.

    `**words` becomes the geometry words in its signature, the marks of `_TEXTS` the text for them.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        types = get_type_hints(Words)
        parameters[-1:] = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name]
            )
            for name, default in _DEFAULTS.items()
        ]
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    for mark, text in _TEXTS.items():
        function.__doc__ = (function.__doc__ or "").replace(mark, text)
    return function


def opened(x: object, kernel_size: Size, words: Words) -> tuple[Array, Geometry]:
    """The input as an array, and where its windows stand."""
    array = as_array("x", x)
    return array, placed(array.shape, kernel_size, words)


def opened_gradient(
    dy: object, x_shape: Sequence[Any], kernel_size: Size, words: Words
) -> tuple[Array, Geometry]:
    """The output's gradient as an array of the right shape, and where the windows stand."""
    array = as_array("dy", dy)
    shapes = placed(plain_shape("x_shape", x_shape), kernel_size, words)
    return fitting("dy", array, shapes.y_shape), shapes


def placed(shape: tuple[int, ...], kernel_size: Size, words: GeometryWords) -> Geometry:
    """The geometry of these arguments."""
    checked(words)
    return geometry(shape, kernel_size, **words)


def checked(words: GeometryWords) -> None:
    """Refuse a word that is none of `Words` by its name."""
    for word in words:
        if word not in _DEFAULTS:
            raise PoolTypeError(word, f"one of the words {', '.join(_DEFAULTS)}", "another word")


def fitting(argument: str, array: Array, shape: tuple[int, ...]) -> Array:
    """The array, if it is of this shape."""
    if array.shape != shape:
        raise PoolError(argument, f"shape {shape}", f"shape {array.shape}")
    return array


def flag(argument: str, value: object) -> bool:
    """A True or False, Python's or NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise PoolTypeError(argument, "True or False", shown(value))
    return bool(value)


def finite(argument: str, value: object) -> float:
    """A finite number as Python's own."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise PoolTypeError(argument, "a number", shown(value))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PoolError(argument, "a finite number", shown(value))
    return number


def whole(argument: str, value: object, others: str = "") -> int:
    """An integer as Python's own; `others` is what the message says may be there, too."""
    if not isinstance(value, (bool, np.bool_)) and hasattr(value, "__index__"):
        try:
            return operator.index(value)
        except TypeError:  # such as an array of more than one
            pass
    raise PoolTypeError(argument, f"an integer{others}", shown(value))


def one_of(argument: str, value: object, choices: Sequence[str]) -> str:
    """One of these words."""
    expected = f"one of {', '.join(map(repr, choices))}"
    if not isinstance(value, str):
        raise PoolTypeError(argument, expected, shown(value))
    if value not in choices:
        raise PoolError(argument, expected, shown(value))
    return str(value)


def generator(argument: str, rng: Seed) -> np.random.Generator:
    """NumPy's generator of this seed; the generator itself if it is one."""
    if isinstance(rng, np.random.Generator):
        return rng
    seed = None if rng is None else whole(argument, rng, ", a numpy.random.Generator or None")
    if seed is not None and seed < 0:
        raise PoolError(argument, "a seed of at least 0", shown(rng))
    return np.random.default_rng(seed)
