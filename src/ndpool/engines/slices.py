"""Windows as slices of the input, seen in two ways; both leave padding out.

By taps: the cells that stand at one place of all windows, and those windows, are two slices.
By windows: the cells of one window are one slice. Fewer steps is faster, so an engine asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ..geometry import Geometry

Slices = tuple[slice, ...]


class Tap(NamedTuple):
    """One place in the windows: its row-major offset, its cells in x, their windows in y."""

    offset: int
    cells: Slices
    windows: Slices


class Window(NamedTuple):
    """One window: its place in y, its cells in x, and by axis its first tap inside x.

    Place and cells index arrays whose pooled axes are the last, all batch items at once.
    """

    place: tuple[Any, ...]
    cells: tuple[Any, ...]
    first: tuple[int, ...]


def windows_are_fewer(geometry: Geometry) -> bool:
    """Whether there are fewer windows than taps inside the input; batch axes aside."""
    taps = 1
    for number, out in enumerate(geometry.out):
        lowest, highest = _reach(geometry, number)
        # Each window has at most so many taps inside: the input may be small, the padding huge.
        inside = -(-geometry.sizes[number] // geometry.dilation[number])
        taps *= min(highest - lowest + 1, out * inside)
    return prod(geometry.out) < taps


def taps(geometry: Geometry, reverse: bool = False) -> Iterator[Tap]:
    """The taps that any window has inside the input, row-major; slices for all axes of x and y."""
    per_axis = [list(_axis_taps(geometry, number)) for number in range(len(geometry.axes))]
    if reverse:
        per_axis = [along[::-1] for along in per_axis]
    for places in product(*per_axis):
        cells, windows = ([slice(None)] * len(geometry.shape) for _ in range(2))
        for axis, (_, cell, window) in zip(geometry.axes, places, strict=True):
            cells[axis], windows[axis] = cell, window
        offset = sum(
            step * weight for (step, _, _), weight in zip(places, geometry.weights, strict=True)
        )
        yield Tap(offset, tuple(cells), tuple(windows))


def windows(geometry: Geometry) -> Iterator[Window]:
    """All windows, row-major."""
    per_axis = [
        [_axis_window(geometry, number, place) for place in range(out)]
        for number, out in enumerate(geometry.out)
    ]
    for along in product(*per_axis):
        place, cells, first = zip(*along, strict=True)
        yield Window((..., *place), (..., *cells), first)


def _reach(geometry: Geometry, number: int) -> tuple[int, int]:
    """The lowest tap of the last window inside the input, the highest of the first window."""
    n, before, dilation = geometry.sizes[number], geometry.before[number], geometry.dilation[number]
    start = (geometry.out[number] - 1) * geometry.stride[number] - before
    return (
        max(0, -(start // dilation)),
        min(geometry.kernel[number] - 1, (n - 1 + before) // dilation),
    )


def _axis_taps(geometry: Geometry, number: int) -> Iterator[tuple[int, slice, slice]]:
    """The taps along one pooled axis that any window has inside the input."""
    n, out = geometry.sizes[number], geometry.out[number]
    stride, dilation = geometry.stride[number], geometry.dilation[number]
    before = geometry.before[number]
    tap, highest = _reach(geometry, number)
    while tap <= highest:
        ahead = tap * dilation - before  # where window 0 has this tap
        first = max(0, -(ahead // stride))
        last = min(out - 1, (n - 1 - ahead) // stride)
        if first <= last:
            start = first * stride + ahead
            stop = last * stride + ahead + 1
            yield tap, slice(start, stop, stride), slice(first, last + 1)
            tap += 1
        else:
            # Window `first` is already past the input and the one before it not yet inside. On to
            # that one's first tap inside: between may lie as many taps as there is padding.
            tap = _first_inside(geometry, number, first - 1)


def _axis_window(geometry: Geometry, number: int, place: int) -> tuple[int, slice, int]:
    """Along one pooled axis: this window's place, cells and first tap inside the input."""
    n, dilation = geometry.sizes[number], geometry.dilation[number]
    start = place * geometry.stride[number] - geometry.before[number]
    first = _first_inside(geometry, number, place)
    last = min(geometry.kernel[number] - 1, (n - 1 - start) // dilation)
    return place, slice(start + first * dilation, start + last * dilation + 1, dilation), first


def _first_inside(geometry: Geometry, number: int, place: int) -> int:
    start = place * geometry.stride[number] - geometry.before[number]
    return max(0, -(start // geometry.dilation[number]))
