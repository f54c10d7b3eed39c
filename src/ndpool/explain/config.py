"""What `explain` was asked for, validated once, and the images (N, C, H, W) that it means."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Padding, Size, geometry
from ..textbook import coded_array
from .dialects import DIALECTS
from .steps import Array
from .words import languages

_MOST_CODED = 2**26  # half a gigabyte of codes
DY_WORDS = ("out", "ones", "powers")


@dataclass(frozen=True, eq=False)
class Config:
    """All arguments of `explain`.

    x: (N, C, H, W), all of it; a view of what was given.
    geometry: Of pooling the last two axes of x; along each, what the arguments came to.
    dy: (N, C, OH, OW), all of it, or "out", "ones" or "powers".
    kernel_size, stride, padding, dilation, ceil_mode, dialect, lang, image, channel, region, name:
        As given.
    """

    x: Array
    geometry: Geometry
    dy: Array | str
    kernel_size: Size
    stride: Size | None
    padding: Padding
    dilation: Size
    ceil_mode: bool
    dialect: str
    lang: str
    image: int | None
    channel: int | None
    region: Any
    name: str | None


def config(
    x: object, kernel_size: Any, *, dy: object, dialect: str, lang: str, **rest: Any
) -> Config:
    """The `Config` of these arguments; PoolError or PoolTypeError names the one that is wrong."""
    one_of("dialect", dialect, tuple(DIALECTS))
    one_of("lang", lang, languages())
    if rest["name"] is not None and not isinstance(rest["name"], str):
        raise PoolTypeError("name", "a string", shown(rest["name"]))
    given = data(x)
    images = given.reshape((1,) * (4 - given.ndim) + given.shape)
    words = {"kernel_size": kernel_size}
    words.update((word, rest[word]) for word in ("stride", "padding", "dilation"))
    if given.ndim == 1:
        words = {word: _along_one_row(word, value) for word, value in words.items()}
    shapes = geometry(images.shape, ceil_mode=rest["ceil_mode"], axes=(2, 3), **words)
    return Config(
        x=images,
        geometry=shapes,
        dy=_gradient(dy, shapes.y_shape, given.ndim),
        kernel_size=kernel_size,
        dialect=dialect,
        lang=lang,
        **rest,
    )


def data(x: object) -> Array:
    """`x` as an array of 1 to 4 dimensions; coded, if it is a shape."""
    if isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x):
        if not 1 <= len(x) <= 4:
            raise PoolError("x", "a shape of 1 to 4 sizes, or an array", shown(x))
        if prod(x) > _MOST_CODED:
            hint = "give the part you want to see"
            raise PoolError("x", f"a shape of at most {_MOST_CODED} cells", shown(x), hint)
        images = coded_array(*(1,) * (4 - len(x)), *x)
        return images.reshape(x)
    array = as_array("x", x)
    if not 1 <= array.ndim <= 4:
        raise PoolError("x", "1 to 4 dimensions, the last two to be pooled", f"shape {array.shape}")
    if 0 in array.shape:
        raise PoolError("x", "at least one cell", f"shape {array.shape}")
    return array


def one_of(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse what is not one of the words."""
    expected = " or ".join(filter(None, [", ".join(map(repr, allowed[:-1])), repr(allowed[-1])]))
    if not isinstance(value, str):
        raise PoolTypeError(argument, expected, shown(value))
    if value not in allowed:
        raise PoolError(argument, expected, repr(value))


def _along_one_row(word: str, value: Any) -> Any:
    """A word for one axis, as it is for one row of images: 3 becomes (1, 3)."""
    beside = {"padding": 0}.get(word, 1)
    if isinstance(value, (int, np.integer)):
        return (beside, value) if word != "padding" else ((0, 0), (value, value))
    if isinstance(value, (tuple, list)) and len(value) == 1:
        item = value[0]
        return (beside, item) if not isinstance(item, (tuple, list)) else ((0, 0), item)
    return value


def _gradient(dy: object, shape: tuple[int, ...], ndim: int) -> Array | str:
    if dy is None:
        return "out"
    if isinstance(dy, str):
        one_of("dy", dy, DY_WORDS)
        return dy
    array = as_array("dy", dy)
    short = shape[4 - ndim :]
    if array.shape not in (short, shape):
        raise PoolError("dy", f"shape {short}, the output's", f"shape {array.shape}")
    return array.reshape(shape)
