"""The three ways to say which cell won a window, and the way between them without loss.

======== ========= =========================================================================
form     dtype     what it counts
======== ========= =========================================================================
window   smallest  the row-major offset inside the window: uint8 up to 256 cells
plane    int64     the row-major position over the pooled axes, as PyTorch has it
tensor   int64     the row-major position in the whole array, as ONNX has it
======== ========= =========================================================================
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .arguments import any_array
from .errors import PoolError, PoolTypeError, shown
from .geometry import Geometry

Array = NDArray[Any]
IndexForm = Literal["window", "plane", "tensor"]
_FORMS: tuple[IndexForm, ...] = get_args(IndexForm)


def checked_form(argument: str, form: object) -> IndexForm:
    """`form` if it is one of the three."""
    if not isinstance(form, str):
        raise PoolTypeError(argument, "'window', 'plane' or 'tensor'", shown(form))
    for known in _FORMS:
        if form == known:
            return known
    raise PoolError(argument, "'window', 'plane' or 'tensor'", shown(form))


def checked_indices(indices: object, geometry: Geometry, form: IndexForm) -> Array:
    """`indices` as an array of the right shape and dtype; its values are not looked at."""
    array = any_array("indices", indices)
    if array.dtype.kind not in "iu":
        raise PoolTypeError("indices", "an array of integers", f"dtype {array.dtype}")
    if array.shape != geometry.y_shape:
        raise PoolError("indices", f"shape {geometry.y_shape}", f"shape {array.shape}")
    expected = geometry.index_dtype if form == "window" else np.dtype(np.int64)
    if array.dtype != expected:
        hint = "name their form with index_form= if these are positions" if form == "window" else ""
        raise PoolTypeError("indices", f"dtype {expected}", f"dtype {array.dtype}", hint)
    return array


def to_positions(indices: Array, geometry: Geometry, form: IndexForm) -> Array:
    """Offsets in the window -> int64 positions of `form` "plane" or "tensor"."""
    total = _batch_base(geometry) if form == "tensor" else np.zeros((), np.int64)
    steps = _steps(geometry, form)
    for number, weight in enumerate(geometry.weights):
        tap = indices.astype(np.int64) // weight % geometry.kernel[number]
        total = total + _cell(geometry, number, tap) * steps[number]
    return np.array(np.broadcast_to(total, geometry.y_shape), order="C")


def to_offsets(positions: Array, geometry: Geometry, form: IndexForm) -> Array:
    """Positions of `form` -> offsets in the window; PoolError where one lies outside its window."""
    left = positions - _batch_base(geometry) if form == "tensor" else positions.copy()
    steps = _steps(geometry, form)
    offsets = np.zeros(geometry.y_shape, np.int64)
    wrong = left < 0
    if form == "plane":
        wrong |= left >= prod(geometry.sizes)
    for number, (step, weight) in enumerate(zip(steps, geometry.weights, strict=True)):
        cell, left = np.divmod(left, step)
        ahead = cell - _cell(geometry, number, np.zeros((), np.int64))
        tap, between = np.divmod(ahead, geometry.dilation[number])
        wrong |= (between != 0) | (tap < 0) | (tap >= geometry.kernel[number])
        wrong |= cell >= geometry.sizes[number]
        offsets += tap * weight
    wrong |= left != 0
    if wrong.any():
        refuse_index(positions, geometry, int(np.argmax(wrong)))
    return offsets.astype(geometry.index_dtype)


def first_outside(indices: Array, geometry: Geometry) -> int | None:
    """The flat position of the first offset that is no cell of the input, if there is one."""
    wrong = indices >= geometry.cells
    for number, weight in enumerate(geometry.weights):
        tap = indices.astype(np.int64) // weight % geometry.kernel[number]
        cell = _cell(geometry, number, tap)
        wrong |= (cell < 0) | (cell >= geometry.sizes[number])
    return int(np.argmax(wrong)) if wrong.any() else None


def refuse_index(indices: Array, geometry: Geometry, position: int) -> None:
    """Raise the PoolError for the index at this flat position."""
    where = tuple(int(i) for i in np.unravel_index(position, geometry.y_shape))
    raise PoolError(
        "indices",
        "for every window one of its cells that lies inside the input",
        f"{indices[where]} at {where}",
        "pass the indices of the forward call and the same geometry",
    )


def _cell(geometry: Geometry, number: int, tap: Array) -> Array:
    """Where along pooled axis `number` this tap of each window lies; int64, may be in padding."""
    along = [1] * len(geometry.shape)
    along[geometry.axes[number]] = -1
    start = np.arange(geometry.out[number]) * geometry.stride[number] - geometry.before[number]
    return start.reshape(along) + tap.astype(np.int64) * geometry.dilation[number]


def _steps(geometry: Geometry, form: IndexForm) -> list[int]:
    """How much one cell along each pooled axis adds to a position."""
    if form == "plane":
        return [prod(geometry.sizes[number + 1 :]) for number in range(len(geometry.axes))]
    return [prod(geometry.shape[axis + 1 :]) for axis in geometry.axes]


def _batch_base(geometry: Geometry) -> Array:
    """The position in the whole array of each batch item's first cell; broadcasts to y_shape."""
    ndim = len(geometry.shape)
    base = np.zeros((1,) * ndim, np.int64)
    for axis in range(ndim):
        if axis not in geometry.axes:
            along = [1] * ndim
            along[axis] = -1
            steps = np.arange(geometry.shape[axis]) * prod(geometry.shape[axis + 1 :])
            base = base + steps.reshape(along)
    return base
