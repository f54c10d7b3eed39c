"""What a peer is: something that is asked whether it can do a case, then handed the arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import prod
from typing import Any, ClassVar

from ...geometry import Geometry
from ..case import Array, Case

Arrays = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`run` is what is timed; `arrays` turns what it returned into NumPy arrays, untimed.

    The arrays are (y,) of the task forward, (y, winners in plane form) of forward+indices and
    (dx,) of backward.
    """

    run: Callable[[], Any]
    arrays: Callable[[Any], Arrays]


class Peer(ABC):
    """One way to pool. `name` is what the user types, `title` what a figure says."""

    name: ClassVar[str]
    title: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]  # all must be there
    distribution: ClassVar[str]  # whose version is reported
    dtypes: ClassVar[Mapping[str, frozenset[str]]]  # by task; a task that is missing it cannot do

    always: ClassVar[bool] = False  # takes part whichever peers are asked for
    # Of tasks that it does cell by cell: seconds for each cell of each window, as once measured.
    cell_seconds: ClassVar[Mapping[str, float]] = {}

    def installed(self) -> bool:
        """Found without importing it."""
        return all(find_spec(module) for module in self.modules)

    def version(self) -> str:
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return "unknown"

    def can(self, case: Case, task: str) -> bool:
        """Whether the peer has this task for the case's dtype and geometry."""
        return case.dtype in self.dtypes.get(task, ()) and self.fits(case.geometry)

    def expected_seconds(self, case: Case, task: str) -> float:
        """About how long a call takes; 0 for tasks that are never slow."""
        cells = prod(case.geometry.y_shape) * case.geometry.cells
        return cells * self.cell_seconds.get(task, 0.0)

    @abstractmethod
    def fits(self, geometry: Geometry) -> bool: ...

    @abstractmethod
    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        """All that a user does once: conversion, compilation, number of threads."""


def trailing(geometry: Geometry, least: int = 1, most: int = 3) -> bool:
    """Whether the pooled axes are the last `least` to `most` of (batch, channels, ...)."""
    d, ndim = len(geometry.axes), len(geometry.shape)
    return least <= d <= most and ndim == d + 2 and geometry.axes == tuple(range(2, ndim))


def blocks(geometry: Geometry) -> bool:
    """Whether the windows tile the array: no overlap, no padding, nothing left over."""
    fits = all(n % k == 0 for n, k in zip(geometry.sizes, geometry.kernel, strict=True))
    plain = set(geometry.dilation) == {1} and not any(geometry.before + geometry.after)
    return fits and plain and geometry.stride == geometry.kernel


def padding_used(geometry: Geometry) -> list[tuple[int, int]]:
    """(before, after) of each pooled axis such that rounding down gives the same outputs.

    It says ceil mode in words that every peer understands.
    """
    pairs = []
    for number, n in enumerate(geometry.sizes):
        span = (geometry.kernel[number] - 1) * geometry.dilation[number] + 1
        reach = (geometry.out[number] - 1) * geometry.stride[number] + span
        pairs.append((geometry.before[number], max(0, reach - n - geometry.before[number])))
    return pairs


def over_all_axes(geometry: Geometry, values: tuple[int, ...], other: int = 1) -> tuple[int, ...]:
    """Per-axis values of the pooled axes, `other` for the rest."""
    whole = [other] * len(geometry.shape)
    for axis, value in zip(geometry.axes, values, strict=True):
        whole[axis] = value
    return tuple(whole)
