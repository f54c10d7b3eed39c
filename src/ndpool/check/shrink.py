"""The smallest case that still fails: nothing can be taken from it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .casebook import Case

MOST_TRIALS = 600


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """`case` without all images, channels, rows and columns that the failure can do without.

    `fails` says whether a case still shows it. Values are numbered anew where that changes nothing.
    """
    trials = 0
    best = case
    found = True
    while found and trials < MOST_TRIALS:
        found = False
        for smaller in _smaller(best):
            trials += 1
            if possible(smaller) and fails(smaller):
                best, found = smaller, True
                break
        if not found:
            plain = _renumbered(best)
            if plain is not None and fails(plain):
                best, found = plain, True
    return best


def _smaller(case: Case) -> Iterator[Case]:
    """The case with one image, channel, row or column less; from the end, so that it stays put.

    Last, with as many rows or columns less as windows step: one alone may change their number.
    """
    for axis in range(4):
        yield from _without(case, axis, 1)
    for axis in (2, 3):
        yield from _without(case, axis, case.pool.stride[axis - 2])


def _without(case: Case, axis: int, many: int) -> Iterator[Case]:
    size = case.x.shape[axis]
    if size > many:
        for first in reversed(range(size - many + 1)):
            index = range(first, first + many)
            other = case.other
            if other is not None:
                if other.shape[axis] <= many:
                    continue
                other = np.delete(other, index, axis)
            yield replace(case, x=np.delete(case.x, index, axis), other=other)


def possible(case: Case) -> bool:
    return min(case.y_shape()) >= 1 and _window_inside(case)


def _window_inside(case: Case) -> bool:
    """Whether every window has a cell of the input."""
    pool, shape = case.pool, case.shape
    for i in (0, 1):
        last = (case.y_shape()[2 + i] - 1) * pool.stride[i]
        if last >= shape[2 + i] + pool.before[i] or pool.before[i] >= pool.span[i]:
            return False
    return True


def _renumbered(case: Case) -> Case | None:
    """The same order of values, in small whole numbers; None where nothing changes."""
    if case.x.dtype.kind != "f" or case.group in ("fractions", "dtype", "huge"):
        return None
    x = ranks(case.x)
    other = None if case.other is None else ranks(case.other)
    return None if np.array_equal(x, case.x, equal_nan=True) else replace(case, x=x, other=other)


def ranks(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each value's place among those of its sign: 1, 2, ... or -1, -2, ...; 0, inf, NaN stay.

    >>> ranks(np.array([0.5, 70.0, -3.0, np.nan, 0.5])).tolist()
    [1.0, 2.0, -1.0, nan, 1.0]
    """
    found = x.copy()
    for sign in (1, -1):
        chosen = np.isfinite(x) & (x * sign > 0)
        places = np.unique(x[chosen] * sign)
        found[chosen] = sign * (1.0 + np.searchsorted(places, x[chosen] * sign))
    return found
