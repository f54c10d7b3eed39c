"""A step of pooling as data: its array, and for every cell of it the cells that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError

Array = NDArray[Any]
Cells = NDArray[np.int64]
Index = tuple[int, ...]
Phase = Literal["forward", "backward"]
Role = Literal["value", "choice"]
Cell = tuple[str, Index]  # the name of a step, and where in its array


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Link:
    """Which cells of an earlier step the cells of a step came from.

    Cell number i of the step (row-major) came from cells ``cells[starts[i]:starts[i + 1]]`` of the
    step named `step`, in the order in which they are added or compared.

    role: "value" where the number itself came from there, copied or added; "choice" where the
        cells there decided, though none of them was copied.
    starts, cells: int64, (cells of the step + 1,) and (cells at the other end in all,).
    shape: Of the other step's array.
    """

    role: Role
    step: str
    starts: Cells
    cells: Cells
    shape: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Link of {len(self.cells)} {self.role}s from {self.step}>"

    def of(self, cell: int) -> Cells:
        """What cell number `cell` came from."""
        return self.cells[self.starts[cell] : self.starts[cell + 1]]

    def reaching(self, cell: int) -> Cells:
        """The inverse: what came from cell number `cell` of the other step."""
        found = np.flatnonzero(self.cells == cell)
        return np.searchsorted(self.starts, found, side="right") - 1


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Step:
    """One step of a forward or backward pass, with the array that it makes.

    name: What `Trace` knows it by, the same in every dialect: "im2col", "dx".
    symbol: The variable's name in the dialect's code.
    line: The line of code that makes it.
    axes: The name of each axis of `array`, several joined by "·" where they became one: n image,
        c channel, r row, k column, rp and kp those of the padded image, oh and ow row and column
        of the output, h and w row and column in the window.
    shape_before: Of the array it is made from; None where there is none.
    array: Read-only.
    padding: Bool, of the array's shape: which of its cells are padding; None if none can be.
    links: Where its cells came from, first the "value" links.
    """

    name: str
    symbol: str
    phase: Phase
    line: str
    axes: tuple[str, ...]
    shape_before: tuple[int, ...] | None
    array: Array
    padding: NDArray[np.bool_] | None
    links: tuple[Link, ...]

    def __repr__(self) -> str:
        return f"<Step {self.name}: {self.symbol} {self.array.dtype} {self.shape}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape

    def sources(self, *index: int) -> tuple[Cell, ...]:
        """The cells that the number at `index` came from: copied, or added in this order."""
        return self.linked("value", index)

    def chosen_from(self, *index: int) -> tuple[Cell, ...]:
        """The cells that decided on it: those compared with each other, or the winner's place."""
        return self.linked("choice", index)

    def linked(self, role: Role, index: Index) -> tuple[Cell, ...]:
        """`sources` or `chosen_from`."""
        cell = self.cell(index)
        return tuple(
            (link.step, at)
            for link in self.links
            if link.role == role
            for at in indices(link.of(cell), link.shape)
        )

    def cell(self, index: Index) -> int:
        """The row-major number of the cell at `index`."""
        wrapped = self.index(index)
        return int(np.ravel_multi_index(wrapped, self.shape)) if wrapped else 0

    def index(self, index: Index) -> Index:
        """`index` counted from the start, along each axis; PoolError if there is no such cell."""
        inside = len(index) == len(self.shape) and all(
            -n <= i < n for i, n in zip(index, self.shape, strict=True)
        )
        if not inside:
            raise PoolError("index", f"a cell of {self.symbol} with shape {self.shape}", index)
        return tuple(i % n for i, n in zip(index, self.shape, strict=True))


def indices(cells: Cells, shape: tuple[int, ...]) -> list[Index]:
    """Cell numbers of an array of `shape`, as indices.

    >>> indices(np.array([1, 5]), (2, 3))
    [(0, 1), (1, 2)]
    """
    return list(zip(*(axis.tolist() for axis in np.unravel_index(cells, shape)), strict=True))
