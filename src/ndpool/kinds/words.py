"""The words that every kind takes: their types, their text, and what is made of them."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Real
from typing import Any, SupportsIndex, TypedDict, TypeVar, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import engines
from ..arguments import as_array, delivered
from ..choices import NanPolicy
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Padding, Size, geometry, plain_shape
from .masks import Mask, broadcast_mask, mask_of

Array = NDArray[Any]
Seed = SupportsIndex | np.random.Generator | None
Function = TypeVar("Function", bound=Callable[..., Any])


class ResultWords(TypedDict, total=False):
    """What every function takes: cells that are there, who computes, where to."""

    where: ArrayLike | None
    engine: str | None
    out: Array | None


class GeometryWords(TypedDict, total=False):
    """The geometry words of `ndpool.max_pool`."""

    stride: Size | None
    padding: Padding
    dilation: Size
    ceil_mode: bool
    axes: Size | None


class GradientWords(GeometryWords, ResultWords, total=False):
    """The words of a backward function."""


class Words(GradientWords, total=False):
    """The words of a forward function."""

    nan_policy: NanPolicy


class WholeGradientWords(ResultWords, total=False):
    """The words of a global kind's backward function."""

    axes: Size | None


class WholeWords(WholeGradientWords, total=False):
    """The words of a global kind's forward function."""

    nan_policy: NanPolicy


_DEFAULTS: dict[str, Any] = {
    "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "axes": None,
    "where": None, "nan_policy": "propagate", "engine": None, "out": None,
}  # fmt: skip
_GEOMETRY = tuple(GeometryWords.__annotations__)
_KERNEL = """kernel_size: Cells of a window along each pooled axis. An int pools
            the last two axes, a tuple of d the last d.
        stride, padding, dilation, ceil_mode, axes: As in `ndpool.max_pool`."""
_AXES = """axes: The axes to pool; None is the last two (the last d for a tuple of d sizes). All
            others are batch."""
_FORWARD = """where, nan_policy, engine: As in `ndpool.max_pool`.
        out: Array of the result's shape and dtype to write to. May overlap any other."""
_BACKWARD = """where: As in the forward call; after ``nan_policy="omit"`` False for each NaN, too.
        engine: As in `ndpool.max_pool`.
        out: Array of the result's shape and dtype to write to. May overlap any other."""
_ERRORS = """Raises:
        PoolError: A value that no pooling can be done with, or shapes that do not fit together;
            the message names the argument.
        TypeError: An argument of the wrong type or dtype."""


def pooling(function: Function) -> Function:
    """Write out what the function's signature and docstring share with all others.

    `**words` becomes the words of its type in the signature; in the docstring ``{geometry}`` (for
    global kinds ``{axes}``) becomes the text for them, ``{errors}`` the text for errors. `out` is
    seen to here: the function itself returns its result.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    types: dict[str, Any] = {}
    if parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        (words,) = get_type_hints(function)[parameters[-1].name].__args__
        # as they are written: the names they stand for are too long to be read
        types = {
            name: getattr(t, "__forward_arg__", t) for name, t in words.__annotations__.items()
        }
        parameters[-1:] = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name]
            )
            for name, default in _DEFAULTS.items()
            if name in types
        ]
    known = [parameter.name for parameter in parameters]

    @wraps(function)
    def pooled(*arrays: Any, out: Any = None, **given: Any) -> Any:
        for word in given:
            if word not in known:
                hint = "where= says which cells were there" if word == "nan_policy" else ""
                expected = f"one of the words {', '.join(known)}"
                raise PoolTypeError(word, expected, "another word", hint)
        result = function(*arrays, **given)
        if isinstance(result, tuple):
            return delivered(result[0], out), *result[1:]
        return delivered(result, out)

    pooled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    shared = f"\n        {_FORWARD if 'nan_policy' in types else _BACKWARD}"
    texts = {"{geometry}": _KERNEL, "{axes}": _AXES}
    for mark, text in texts.items():
        text += shared if "where" in types else ""
        pooled.__doc__ = (pooled.__doc__ or "").replace(mark, text)
    pooled.__doc__ = (pooled.__doc__ or "").replace("{errors}", _ERRORS)
    return pooled  # type: ignore[return-value]


def opened(x: object, kernel_size: Size, words: Words) -> tuple[Array, Geometry, Mask | None]:
    """The input as an array, where its windows stand, and which cells are there (None: all)."""
    checked(words, Words)
    array = as_array("x", x)
    shapes = placed(array.shape, kernel_size, words)
    return array, shapes, mask_of(array, words.get("where"), words.get("nan_policy", "propagate"))


def opened_gradient(
    dy: object, x_shape: Sequence[Any], kernel_size: Size, words: GradientWords
) -> tuple[Array, Geometry, Mask | None]:
    """The output's gradient, of the right shape, where the windows stand, which cells are there."""
    checked(words, GradientWords)
    array = as_array("dy", dy)
    shapes = placed(plain_shape("x_shape", x_shape), kernel_size, words)
    mask = broadcast_mask(words.get("where"), shapes.shape)
    return fitting("dy", array, shapes.y_shape), shapes, mask


def placed(shape: tuple[int, ...], kernel_size: Size, words: Any) -> Geometry:
    """The geometry of the geometry words among these."""
    given: dict[str, Any] = {name: words[name] for name in _GEOMETRY if name in words}
    return geometry(shape, kernel_size, **given)


def checked(words: Any, known: Any) -> None:
    """Refuse a word that is none of `known` by its name, and an engine that is none."""
    allowed = known.__annotations__
    for word in words:
        if word not in allowed:
            raise PoolTypeError(word, f"one of the words {', '.join(allowed)}", "another word")
    engines.named(words.get("engine"))


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


def generator(argument: str, rng: Seed) -> np.random.Generator:
    """NumPy's generator of this seed; the generator itself if it is one."""
    if isinstance(rng, np.random.Generator):
        return rng
    seed = None if rng is None else whole(argument, rng, ", a numpy.random.Generator or None")
    if seed is not None and seed < 0:
        raise PoolError(argument, "a seed of at least 0", shown(rng))
    return np.random.default_rng(seed)
