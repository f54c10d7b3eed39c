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

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from .arguments import any_array
from .blocks import blocks, first
from .errors import PoolError, PoolTypeError, shown
from .geometry import Geometry, row_major

if TYPE_CHECKING:
    from .kinds.boxes import Boxes
    from .kinds.regions import Regions

    Windows: TypeAlias = Geometry | Regions

Array = NDArray[Any]
Block = tuple[slice, ...]
IndexForm = Literal["window", "plane", "tensor"]
_FORMS: tuple[IndexForm, ...] = get_args(IndexForm)


def checked_form(argument: str, form: object, others: str = "") -> IndexForm:
    """`form` if it is one of the three; `others` is what the message says may be there, too."""
    expected = f"{others}'window', 'plane' or 'tensor'"
    if not isinstance(form, str):
        raise PoolTypeError(argument, expected, shown(form))
    for known in _FORMS:
        if form == known:
            return known
    raise PoolError(argument, expected, shown(form))


def asked_form(argument: str, asked: object) -> IndexForm | None:
    """The form that a call wants: True is "window", False none."""
    if isinstance(asked, (bool, np.bool_)):
        return "window" if asked else None
    return checked_form(argument, asked, "True, False, ")


def checked_indices(indices: object, geometry: Windows, form: IndexForm) -> Array:
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


def offsets_at_the_end(positions: Array, geometry: Windows) -> Array:
    """An array for offsets in the window, of the same shape, in the end of positions' own memory.

    `to_positions` may read from there. Positions: C-contiguous int64.
    """
    memory = positions.reshape(-1).view(geometry.index_dtype)
    return memory[memory.size - positions.size :].reshape(positions.shape)


def to_positions(offsets: Array, geometry: Windows, form: IndexForm, positions: Array) -> None:
    """Offsets in the window, none outside -> int64 `positions` of `form` "plane" or "tensor".

    `offsets` may be `offsets_at_the_end(positions)`: with N positions of 8 bytes and offsets of
    b <= 8 bytes, offset i lies at byte 8N - bN + bi. A block from i to j is read before it is
    written. What is written up to then ends at byte 8j, what is still to be read begins at
    8N - bN + bj, and as (8 - b)j <= (8 - b)N the one is never past the other.
    """
    for block, at in position_blocks(offsets, geometry, form):
        positions[block] = at


def position_blocks(
    offsets: Array, geometry: Windows, form: IndexForm
) -> Iterator[tuple[Block, Array]]:
    """Block by block the positions of `form` "plane" or "tensor" that the `offsets` stand for."""
    steps = _steps(geometry, form)
    for block in blocks(geometry.y_shape):
        left = offsets[block].astype(np.int64)
        total = np.zeros(left.shape, np.int64)
        if form == "tensor":
            total += _batch_base(geometry, block)
        for number, weight in enumerate(geometry.weights):
            tap, left = _divided(left, weight)
            total += _cell(geometry, number, block, tap) * steps[number]
        yield block, total


def as_offsets(indices: object, geometry: Windows, form: object) -> Array:
    """Winners in any form as offsets in the window; of those in that form only the dtype and shape
    are looked at."""
    known = checked_form("index_form", form)
    winners = checked_indices(indices, geometry, known)
    if known == "window":
        return winners
    offsets = np.empty(geometry.y_shape, geometry.index_dtype)
    to_offsets(winners, geometry, known, offsets)
    return offsets


def to_offsets(positions: Array, geometry: Windows, form: IndexForm, offsets: Array) -> None:
    """Positions of `form` -> `offsets` in the window; PoolError where one lies outside it."""
    steps = _steps(geometry, form)
    for block in blocks(geometry.y_shape):
        left = positions[block]
        wrong = left < 0
        if form == "tensor":
            left = left - _batch_base(geometry, block)
            wrong |= left < 0
        total = np.zeros(left.shape, np.int64)
        for number, (step, weight) in enumerate(zip(steps, geometry.weights, strict=True)):
            cell, left = _divided(left, step)
            tap, between = _divided(
                cell - _starts(geometry, number, block), geometry.dilation[number]
            )
            wrong |= (between != 0) | (tap < 0) | (tap >= geometry.kernel[number])
            wrong |= cell >= _ends(geometry, number, block)
            total += tap * weight
        wrong |= left != 0
        if wrong.any():
            position = first(block, geometry.y_shape) + int(np.argmax(wrong))
            refuse_index(positions, geometry, position)
        offsets[block] = total


def first_outside(offsets: Array, geometry: Windows) -> int | None:
    """The flat position of the first offset that is no cell of the input, if there is one."""
    for block in blocks(geometry.y_shape):
        wrong = offsets[block] >= geometry.cells
        left = offsets[block].astype(np.int64)
        for number, weight in enumerate(geometry.weights):
            tap, left = _divided(left, weight)
            cell = _cell(geometry, number, block, tap)
            wrong |= (cell < 0) | (cell >= _ends(geometry, number, block))
        if wrong.any():
            return first(block, geometry.y_shape) + int(np.argmax(wrong))
    return None


def refuse_index(indices: Array, geometry: Windows | Boxes, position: int) -> None:
    """Raise the PoolError for the index at this flat position."""
    where = tuple(int(i) for i in np.unravel_index(position, geometry.y_shape))
    raise PoolError(
        "indices",
        "for every window one of its cells that lies inside the input",
        f"{indices[where]} at {where}",
        "pass the indices of the forward call and the same geometry",
    )


def _divided(number: Array, by: int) -> tuple[Array, Array]:
    """Quotient and rest; NumPy's own divmod takes four times as long."""
    if by == 1:
        return number, np.zeros((), np.int64)
    quotient = number // by
    return quotient, number - quotient * by


def _cell(geometry: Windows, number: int, block: Block, tap: Array) -> Array:
    """Where along pooled axis `number` this tap of the block's windows lies; may be in padding."""
    return tap * geometry.dilation[number] + _starts(geometry, number, block)


def _starts(geometry: Windows, number: int, block: Block) -> Array:
    """Where along pooled axis `number` the block's windows begin; broadcasts to the block."""
    return geometry.starts(number, _places(block, geometry.axes[number]))


def _ends(geometry: Windows, number: int, block: Block) -> Array | int:
    """The cell along pooled axis `number` before which the block's windows end; broadcasts."""
    return geometry.ends(number, _places(block, geometry.axes[number]))


def _steps(geometry: Windows, form: IndexForm) -> tuple[int, ...]:
    """How much one cell along each pooled axis adds to a position."""
    if form == "plane":
        return row_major(geometry.sizes)
    along = row_major(geometry.shape)
    return tuple(along[axis] for axis in geometry.axes)


def _batch_base(geometry: Windows, block: Block) -> Array:
    """The position in the whole array of each batch item's first cell; broadcasts to the block."""
    base, steps = np.zeros((1,) * len(block), np.int64), row_major(geometry.shape)
    for axis in range(len(block)):
        if axis not in geometry.axes:
            base = base + _places(block, axis) * steps[axis]
    return base


def _places(block: Block, axis: int) -> Array:
    """The block's places along this axis of the output, int64; broadcasts to the block."""
    along = [1] * len(block)
    along[axis] = -1
    return np.arange(block[axis].start, block[axis].stop, dtype=np.int64).reshape(along)
