"""Links are made by sending cell numbers the same way as the values.

What a function that only moves cells does to an array of its cells' numbers says where every cell
came from. So the layers' own functions make most of the links, and cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from .steps import Array, Cells, Link, Role

NOWHERE = -1


def numbers(shape: tuple[int, ...]) -> Cells:
    """Each cell's row-major number.

    >>> numbers((2, 2))
    array([[0, 1],
           [2, 3]])
    """
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)


def moved(step: str, shape: tuple[int, ...], function: Callable[[Array], Array]) -> Link:
    """Values that `function` moved here from `step`'s array of `shape`.

    >>> moved("dout", (1, 2, 3), np.transpose).cells
    array([0, 3, 1, 4, 2, 5])
    """
    return single("value", step, function(numbers(shape)), shape)


def single(role: Role, step: str, sources: Array, shape: tuple[int, ...]) -> Link:
    """At most one source for each cell: its number, or NOWHERE."""
    flat = sources.reshape(-1).astype(np.int64, copy=False)
    has_one = flat != NOWHERE
    return Link(role, step, starts(has_one), flat[has_one], shape)


def gathered(step: str, targets: Cells, sources: Cells, cells: int, shape: tuple[int, ...]) -> Link:
    """Value number i of `sources` is added to cell `targets[i]`, in this order.

    >>> link = gathered("dcol", np.array([1, 0, 1]), np.array([5, 6, 7]), cells=3, shape=(8,))
    >>> [link.of(cell).tolist() for cell in range(3)]
    [[6], [5, 7], []]
    """
    order = np.argsort(targets, kind="stable")
    counts = np.bincount(targets, minlength=cells)
    return Link("value", step, starts(counts), sources[order], shape)


def compared(step: str, padding: Array, shape: tuple[int, ...]) -> Link:
    """Choices between the cells of each window that are no padding.

    `padding` (windows, cells of a window) lies row-major in the step's array.
    """
    inside = ~padding
    return Link("choice", step, starts(inside.sum(axis=1)), np.flatnonzero(inside), shape)


def starts(counts: Array) -> Cells:
    """Where each cell's sources begin, from how many each has.

    >>> starts(np.array([1, 0, 2]))
    array([0, 1, 1, 3])
    """
    return np.concatenate([[0], np.cumsum(counts.reshape(-1))]).astype(np.int64)
