"""Where windows of uneven sizes stand, and the regions of adaptive pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any, SupportsIndex, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError
from ..geometry import Geometry, Size, geometry, per_axis, plain, pooled_axes, row_major

Cells = NDArray[np.int64]
OutputSize = SupportsIndex | Sequence[SupportsIndex | None]


@dataclass(frozen=True)
class Regions:
    """Where windows of uneven sizes stand in an array of `shape`; per-axis tuples follow `axes`.

    `begin` and `end` have the first cell of each window and the one behind its last; `axes` and,
    along each of them, `begin` and `end` ascend. No window may be empty where a maximum is asked
    for. Offsets in a window are counted as in a window of the largest sizes, which `kernel` has.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    begin: tuple[Cells, ...]
    end: tuple[Cells, ...]

    @cached_property
    def y_shape(self) -> tuple[int, ...]:
        shape = list(self.shape)
        for axis, begin in zip(self.axes, self.begin, strict=True):
            shape[axis] = len(begin)
        return tuple(shape)

    @property
    def out(self) -> tuple[int, ...]:
        return tuple(map(len, self.begin))

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """The largest window's size along each pooled axis."""
        ends = zip(self.begin, self.end, strict=True)
        return tuple(int((end - begin).max(initial=0)) for begin, end in ends)

    @cached_property
    def even(self) -> Geometry | None:
        """The ordinary geometry of these windows, if they are of equal sizes and steps."""
        sizes = zip(self.begin, self.end, self.sizes, strict=True)
        steps = [_step(begin, end, n) for begin, end, n in sizes]
        if not all(steps):
            return None
        found = geometry(self.shape, self.kernel, tuple(filter(None, steps)), axes=self.axes)
        return found if found.y_shape == self.y_shape else None

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def dilation(self) -> tuple[int, ...]:
        return (1,) * len(self.axes)

    @property
    def weights(self) -> tuple[int, ...]:
        return row_major(self.kernel)

    @property
    def cells(self) -> int:
        return prod(self.kernel)

    @property
    def index_dtype(self) -> np.dtype[Any]:
        return np.min_scalar_type(self.cells - 1)

    def starts(self, number: int, places: Cells) -> Cells:
        return self.begin[number][places]

    def ends(self, number: int, places: Cells) -> Cells:
        return self.end[number][places]


def adaptive(
    shape: tuple[int, ...],
    output_size: OutputSize,
    axes: Size | None,
    argument: str = "output_size",
) -> Regions:
    """Region i of `out` over n cells is floor(i * n / out) to ceil((i + 1) * n / out)."""
    pooled = asked_axes(argument, shape, output_size, axes)
    sizes = asked_sizes(argument, shape, output_size, pooled)
    return _adaptive(shape, *ascending(pooled, sizes))


def asked_axes(argument: str, shape: tuple[int, ...], value: object, axes: Any) -> tuple[int, ...]:
    """The axes that `value` is for, an item each if it is a row; in the order it is given."""
    items = len(value) if is_row(value) else None
    plain_axes = None if axes is None else plain("axes", axes)
    pooled = pooled_axes(argument, len(shape), 1 if items is None else (1,) * items, plain_axes)
    for axis in pooled:
        if not shape[axis]:
            raise PoolError("x", f"at least one element along pooled axis {axis}", "none")
    return pooled


def asked_sizes(
    argument: str, shape: tuple[int, ...], value: Any, pooled: tuple[int, ...]
) -> tuple[int, ...]:
    """The output's size along each of these axes; None keeps the input's."""
    some = [1 if item is None else item for item in value] if is_row(value) else value
    sizes = list(per_axis(argument, plain(argument, some), len(pooled), at_least=1))
    y_shape = list(shape)
    for number, axis in enumerate(pooled):
        if is_row(value) and value[number] is None:
            sizes[number] = shape[axis]
        y_shape[axis] = sizes[number]
        if sizes[number] * shape[axis] >= 2**62:
            most = 2**62 // shape[axis]
            raise PoolError(argument, f"fewer than {most} along axis {axis}", sizes[number])
    if prod(y_shape) > 2**59:  # 16 bytes each is all that addresses can count
        raise PoolError(argument, "an output of at most 2**59 cells", tuple(y_shape))
    return tuple(sizes)


def is_row(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is several values, one for each pooled axis."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def ascending(pooled: Sequence[int], *rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The axes, and rows of an item each, in the order of the array's axes."""
    order = sorted(range(len(pooled)), key=pooled.__getitem__)
    return [tuple(row[i] for i in order) for row in (pooled, *rows)]


def at(axis: int, where: Any) -> tuple[Any, ...]:
    """An index of what is there along this axis."""
    return (*[slice(None)] * axis, where)


def along(row: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """A row of numbers, placed along this axis of arrays of so many dimensions."""
    shape = [1] * ndim
    shape[axis] = -1
    return row.reshape(shape)


@lru_cache(maxsize=256)
def _adaptive(shape: tuple[int, ...], axes: tuple[int, ...], out: tuple[int, ...]) -> Regions:
    begin, end = [], []
    for axis, size in zip(axes, out, strict=True):
        edges = np.arange(size + 1) * shape[axis]
        begin.append(edges[:-1] // size)
        end.append(-(-edges[1:] // size))
        begin[-1].flags.writeable = end[-1].flags.writeable = False
    return Regions(shape, axes, tuple(begin), tuple(end))


def _step(begin: Cells, end: Cells, n: int) -> int | None:
    """From one window to the next, if their sizes and steps are equal and the first is at 0."""
    steps, sizes = np.diff(begin), end - begin
    if not len(begin) or begin[0] or (sizes != sizes[0]).any() or sizes[0] < 1:
        return None
    if not len(steps):
        return n
    return int(steps[0]) if steps[0] > 0 and (steps == steps[0]).all() else None
