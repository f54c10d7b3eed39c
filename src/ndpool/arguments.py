"""Arrays as they come from the user: recognised, refused or accepted, never changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dtypes import POOLABLE, poolable
from .errors import PoolError, PoolTypeError, shown

Array = NDArray[Any]


def as_array(argument: str, value: object) -> Array:
    """`value` as an array that can be pooled; the array itself wherever it is one."""
    array = any_array(argument, value)
    if not poolable(array.dtype):
        raise PoolTypeError(argument, f"dtype {POOLABLE}", f"dtype {array.dtype}")
    return array


def any_array(argument: str, value: object) -> Array:
    """`value` as an array of whatever dtype."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise PoolTypeError(
            argument, "an array without a mask", "a MaskedArray", "fill it first: x.filled(...)"
        )
    try:
        return np.asarray(value)
    except Exception as error:
        raise PoolTypeError(argument, "an array", shown(value), str(error)) from error


def as_target(out: object, shape: tuple[int, ...], x: Array) -> Array:
    """Where an engine may write a result that is to land in `out`.

    `out` itself, unless it is laid out in another way than the result or may overlap `x`.
    """
    target = checked_target(out, shape, x.dtype)
    if target.flags.c_contiguous and target.flags.aligned and not np.may_share_memory(target, x):
        return target
    return np.empty(shape, x.dtype)


def checked_target(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """`out`, if a result of this shape and dtype can be written to it."""
    if not isinstance(out, np.ndarray):
        raise PoolTypeError("out", "an array", shown(out))
    if out.shape != shape:
        raise PoolError("out", f"shape {shape}", f"shape {out.shape}")
    if out.dtype != dtype:
        raise PoolTypeError("out", f"dtype {dtype}", f"dtype {out.dtype}")
    if not out.flags.writeable:
        raise PoolError("out", "an array that can be written to", "a read-only one")
    if type(out) is not np.ndarray and isinstance(out, np.ma.MaskedArray):
        raise PoolTypeError("out", "an array without a mask", "a MaskedArray")
    if _may_meet_itself(out):
        raise PoolError("out", "elements of their own", f"shared ones: strides {out.strides}")
    return out


def _may_meet_itself(array: Array) -> bool:
    """Whether elements may share memory; never so for views that indexing or transposing makes."""
    reach = array.itemsize  # of all axes of smaller steps together
    steps = zip(map(abs, array.strides), array.shape, strict=True)
    for step, size in sorted((step, size) for step, size in steps if size > 1):
        if step < reach:
            return array.size > 0
        reach += step * (size - 1)
    return False


def delivered(y: Array, out: Array | None) -> Array:
    """`y`, or `out` with y's values in it, if it can hold them."""
    if out is None or y is out:
        return y
    checked_target(out, y.shape, y.dtype)[...] = y
    return out
