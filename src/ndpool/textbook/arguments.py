"""What a user hands to the textbook's functions: recognised, or refused by the argument's name."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown

Array = NDArray[Any]
_ENGINES = ("im2col", "native")


def integers(at_least: int, **values: Any) -> tuple[int, ...]:
    """The values as Python integers; PoolError or PoolTypeError names the one that cannot be.

    >>> integers(1, h=2, stride=np.int64(3))
    (2, 3)
    """
    return tuple(_integer(argument, value, at_least) for argument, value in values.items())


def as_images(argument: str, value: object) -> Array:
    """`value` as an array (N, C, H, W)."""
    images = as_array(argument, value)
    if images.ndim != 4:
        raise PoolError(argument, "4 dimensions: (N, C, H, W)", f"shape {images.shape}")
    return images


def as_shaped(argument: str, value: object, shape: tuple[int, ...]) -> Array:
    """`value` as an array of this shape."""
    array = as_array(argument, value)
    if array.shape != shape:
        raise PoolError(argument, f"shape {shape}", f"shape {array.shape}")
    return array


def image_shape(argument: str, shape: Any) -> tuple[int, ...]:
    """`shape` as four integers (N, C, H, W)."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 4:
        raise PoolError(argument, "a shape (N, C, H, W)", shown(shape))
    return tuple(_integer(argument, size, 0) for size in shape)


def checked_engine(engine: object) -> str:
    """`engine` if it is one of the two."""
    if not isinstance(engine, str):
        raise PoolTypeError("engine", "'im2col' or 'native'", shown(engine))
    if engine not in _ENGINES:
        raise PoolError("engine", "'im2col' or 'native'", repr(engine))
    return engine


def _integer(argument: str, value: Any, at_least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise PoolTypeError(argument, "an integer", shown(value)) from None
    if isinstance(value, (bool, np.bool_)):
        raise PoolTypeError(argument, "an integer", shown(value), "True and False are no sizes")
    if number < at_least:
        raise PoolError(argument, f"at least {at_least}", number)
    return number
