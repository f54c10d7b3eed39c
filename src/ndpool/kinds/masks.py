"""Which cells are there: `where=` and `nan_policy=` become one mask, or none.

A cell that the mask has False for is treated as padding is: it adds nothing, never wins, and gets
no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import any_array
from ..choices import NanPolicy, one_of
from ..errors import PoolError, PoolTypeError
from ..geometry import Geometry
from .mechanism import window_sums

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def mask_of(x: Array, where: object = None, nan_policy: object = "propagate") -> Mask | None:
    """The cells of `x` that take part, in its shape; None where all of them do."""
    policy = one_of(NanPolicy, "nan_policy", nan_policy)
    mask = broadcast_mask(where, x.shape)
    if policy == "propagate" or x.dtype.kind in "biu":
        return mask
    with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN where float32 does not
        numbers: Mask = x == x
    if policy == "omit":
        if numbers.all():
            return mask
        return numbers if mask is None else numbers & mask
    wrong = ~numbers if mask is None else mask & ~numbers
    if wrong.any():
        got = f"NaN at {_position(wrong)}"
        raise PoolError("x", "no NaN, as nan_policy='raise' has it", got)
    return mask


def broadcast_mask(where: object, shape: tuple[int, ...]) -> Mask | None:
    """The user's `where` in this shape, not copied; None for None."""
    if where is None:
        return None
    mask = any_array("where", where)
    if mask.dtype != np.bool_:
        raise PoolTypeError("where", "an array of bool", f"dtype {mask.dtype}")
    return broadcast("where", mask, shape)


def broadcast(argument: str, array: Array, shape: tuple[int, ...]) -> Array:
    """A read-only view of `array` in this shape."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        expected = f"a shape that broadcasts to x's, {shape}"
        raise PoolError(argument, expected, f"shape {array.shape}") from None


def cells_there(mask: Mask | None, geometry: Geometry) -> NDArray[np.int64]:
    """How many cells each window has that are there; padding is none. Broadcasts to y."""
    if mask is None:
        return taps(geometry, geometry.taps_inside)
    return window_sums(mask, geometry, np.dtype(np.int64))


def taps(geometry: Geometry, along_axis: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    """How many taps each window has, from how many along each pooled axis. Broadcasts to y."""
    counts = np.ones((1,) * len(geometry.shape), np.int64)
    for number, axis in enumerate(geometry.axes):
        along = [1] * len(geometry.shape)
        along[axis] = -1
        counts = counts * along_axis(number).reshape(along)
    return counts


def refuse_empty(is_empty: Mask, result: str) -> None:
    """Raise the PoolError for the first window without a cell, where there is no NaN to give."""
    if is_empty.any():
        raise PoolError(
            "where",
            f"a cell in every window, as {result} has no NaN",
            f"none in the window of y at {_position(is_empty)}",
            "let it have one, or convert x to a float dtype",
        )


def _position(found: Mask) -> tuple[int, ...]:
    """Where the first True is."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(found)), found.shape))
