"""Max pooling in plain nested loops over Python lists: what every engine is held against.

It shares no code with the package, and no trick either: it goes to every window, visits its taps
in row-major order, and leaves out those that lie outside the input. The winner is found among
Python numbers, which hold every poolable dtype exactly; its bits are then copied from the array.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np


class Impossible(Exception):
    """No pooling: no window fits, or a window has no cell of the input."""


class Pooled(NamedTuple):
    y: np.ndarray
    offsets: np.ndarray  # int64: row-major, in the window
    cells: list[int]  # for each window, row-major: the winner's position in the whole array


def out_size(n, k, s, d, before, after, ceil_mode):
    """The formula of the contract, by counting windows one at a time instead of dividing."""
    span = d * (k - 1) + 1
    room = n + before + after + (s - 1 if ceil_mode else 0)
    count = 0
    while count * s + span <= room:
        count += 1
    if ceil_mode and count and (count - 1) * s >= n + before:
        count -= 1
    return count


def windows(n, k, s, d, before, after, ceil_mode):
    """Along one axis: for each window its (tap, cell) pairs that lie inside the input."""
    found = []
    for o in range(out_size(n, k, s, d, before, after, ceil_mode)):
        cells = [(tap, o * s + tap * d - before) for tap in range(k)]
        found.append([(tap, cell) for tap, cell in cells if 0 <= cell < n])
    return found


def all_windows(shape, axes, kernel, stride, dilation, pads, ceil_mode=False):
    """`windows` of every axis, batch axes having windows of one cell; Impossible if one is empty.

    `axes` ascend; `pads` are (before, after) pairs.
    """
    per_axis = [windows(n, 1, 1, 1, 0, 0, False) for n in shape]
    for axis, k, s, d, (before, after) in zip(axes, kernel, stride, dilation, pads, strict=True):
        per_axis[axis] = windows(shape[axis], k, s, d, before, after, ceil_mode)
        if not per_axis[axis]:
            raise Impossible(f"no window along axis {axis}")
        if not all(per_axis[axis]):
            raise Impossible(f"a window wholly in padding along axis {axis}")
    return per_axis


def max_pool(x, axes, kernel, stride, dilation, pads, ceil_mode=False):
    """The `Pooled` of `x`; Impossible where there is none."""
    per_axis = all_windows(x.shape, axes, kernel, stride, dilation, pads, ceil_mode)
    taps_of = [1] * x.ndim
    for axis, k in zip(axes, kernel, strict=True):
        taps_of[axis] = k
    weights = [prod(taps_of[axis + 1 :]) for axis in range(x.ndim)]
    steps = [prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
    is_two_byte_float = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
    values = (x.astype(np.float32) if is_two_byte_float else x).reshape(-1).tolist()

    offsets, winners = [], []
    for window in product(*per_axis):
        inside = [(0, 0)]  # (offset in the window, position in the array), row-major
        for taps, weight, step in zip(window, weights, steps, strict=True):
            inside = [
                (offset + tap * weight, at + cell * step)
                for offset, at in inside
                for tap, cell in taps
            ]
        best_offset, best_at = inside[0]
        best = values[best_at]
        for offset, at in inside[1:]:
            value = values[at]
            # x != x is how NaN shows: it beats all but an earlier NaN
            if value > best or (value != value and best == best):
                best, best_offset, best_at = value, offset, at
        offsets.append(best_offset)
        winners.append(best_at)

    y_shape = [len(found) for found in per_axis]
    y = x.reshape(-1)[np.array(winners, np.int64)].reshape(y_shape)
    return Pooled(y, np.array(offsets, np.int64).reshape(y_shape), winners)


def max_pool_backward(dy, cells, x_shape):
    """dx by walking over the windows; 2-byte floats are summed in float32 and rounded once."""
    is_two_byte_float = dy.dtype.itemsize == 2 and dy.dtype.kind not in "iu"
    wide = dy.astype(np.float32) if is_two_byte_float else dy
    dx = np.zeros(prod(x_shape), wide.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for cell, slope in zip(cells, wide.reshape(-1), strict=True):
            dx[cell] = dx[cell] + slope
        return dx.astype(dy.dtype).reshape(x_shape)


class Sums(NamedTuple):
    """A pooling in which every cell of a window takes part, in Python's own numbers."""

    y_shape: tuple[int, ...]
    windows: list[list[int]]  # row-major: the positions of each window's cells in the whole array
    counted: list[int]  # how many taps each has inside the padded input


def members(shape, axes, kernel, stride, dilation, pads, ceil_mode=False):
    """The `Sums` of an array of this shape; Impossible where there is none."""
    per_axis = all_windows(shape, axes, kernel, stride, dilation, pads, ceil_mode)
    counted_per_axis = [[1] * len(along) for along in per_axis]
    for axis, k, s, d, (before, after) in zip(axes, kernel, stride, dilation, pads, strict=True):
        counted_per_axis[axis] = [
            sum(o * s + tap * d - before < shape[axis] + after for tap in range(k))
            for o in range(len(per_axis[axis]))
        ]
    found = []
    for window in product(*per_axis):
        cells = []
        for place in product(*window):
            at = 0
            for (_, cell), n in zip(place, shape, strict=True):
                at = at * n + cell
            cells.append(at)
        found.append(cells)
    counted = [prod(counts) for counts in product(*counted_per_axis)]
    return Sums(tuple(len(along) for along in per_axis), found, counted)


def fold(x, sums, of_window):
    """`of_window(values, counted)` for every window, as an object array of Python numbers."""
    values = x.reshape(-1).tolist()
    y = [
        of_window([values[at] for at in cells], counted)
        for cells, counted in zip(sums.windows, sums.counted, strict=True)
    ]
    return np.array(y, object).reshape(sums.y_shape)


def fold_backward(x, dy, sums, slopes):
    """dx, where `slopes(values, counted)` are the derivatives of one window by each of its cells.

    Exact where the numbers are: x, dy and slopes may be integers or fractions.
    """
    values, dx = x.reshape(-1).tolist(), [0] * x.size
    for cells, counted, dy_here in zip(
        sums.windows, sums.counted, dy.reshape(-1).tolist(), strict=True
    ):
        along = slopes([values[at] for at in cells], counted)
        for at, slope in zip(cells, along, strict=True):
            dx[at] += dy_here * slope
    return np.array(dx, object).reshape(x.shape)


def windows_of(x, axes, kernel, stride, dilation, pads, ceil_mode=False, fill=0):
    """All windows, shaped (windows, taps), with `fill` where they reach into padding."""
    per_axis = all_windows(x.shape, axes, kernel, stride, dilation, pads, ceil_mode)
    taps_of = [1] * x.ndim
    for axis, k in zip(axes, kernel, strict=True):
        taps_of[axis] = k
    y_shape = tuple(len(along) for along in per_axis)
    w = np.full((*y_shape, *taps_of), fill, x.dtype)
    for place in product(*map(range, y_shape)):
        inside = [along[at] for along, at in zip(per_axis, place, strict=True)]
        for pairs in product(*inside):
            taps, cells = zip(*pairs, strict=True)
            w[(*place, *taps)] = x[cells]
    return w.reshape(*y_shape, *kernel)


def without(sums, mask):
    """The same pooling without the cells that `mask` has False for; windows may be left empty."""
    there = mask.reshape(-1).tolist()
    windows = [[at for at in cells if there[at]] for cells in sums.windows]
    lost = [len(before) - len(now) for before, now in zip(sums.windows, windows, strict=True)]
    counted = [count - gone for count, gone in zip(sums.counted, lost, strict=True)]
    return Sums(sums.y_shape, windows, counted)


def numbers(x):
    """Python's numbers, row-major, exactly those of the array."""
    is_two_byte_float = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
    return (x.astype(np.float32) if is_two_byte_float else x).reshape(-1).tolist()


def equal_winners(x, sums, lowest=False):
    """For each window the positions of all cells that are equal to its largest (or lowest) one.

    NaN beats all else, and equals NaN.
    """
    values, found = numbers(x), []
    for cells in sums.windows:
        best = []
        for at in cells:
            value, top = values[at], values[best[0]] if best else None
            if top is None or (value != value and top == top):
                best = [at]
            elif value == top or (value != value and top != top):
                best.append(at)
            elif value < top if lowest else value > top:
                best = [at]
        found.append(best)
    return found
