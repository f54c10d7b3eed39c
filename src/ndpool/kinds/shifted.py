"""Windows of one size that stand in other places in each plane, as PyTorch's fractional ones do."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.numpy import beats
from ..geometry import row_major
from .sequences import torch_starts

Array = NDArray[Any]


def max_in_shifted(
    x: Array, pooled: tuple[int, ...], out: tuple[int, ...], kernel: tuple[int, ...], samples: Array
) -> tuple[Array, Array]:
    """The maximum of windows of `kernel` cells, and the winners' int64 positions in their plane.

    `samples`: (batch axes, pooled axes), what each plane's windows are placed by; `pooled` ascends.
    """
    d = len(pooled)
    sizes = tuple(x.shape[axis] for axis in pooled)
    # (batch axes, pooled axes) -> (planes, cells)
    last = np.moveaxis(x, pooled, range(-d, 0))
    batch = last.shape[:-d]
    planes = np.ascontiguousarray(last).reshape(prod(batch), prod(sizes))
    first = np.zeros((prod(batch), *(1,) * d), np.int64)
    for number, step in enumerate(row_major(sizes)):
        u = samples[..., number].reshape(-1)
        starts = torch_starts(sizes[number], kernel[number], out[number], u) * step
        along = [1] * d
        along[number] = out[number]
        first = first + starts.reshape(-1, *along)
    # (planes, windows of all axes) -> (planes, windows)
    first = first.reshape(prod(batch), prod(out))
    y, at = np.take_along_axis(planes, first, 1), first.copy()
    for taps in list(product(*map(range, kernel)))[1:]:
        cells = first + sum(t * step for t, step in zip(taps, row_major(sizes), strict=True))
        new = np.take_along_axis(planes, cells, 1)
        wins = beats(new, y)
        np.copyto(y, new, where=wins)
        np.copyto(at, cells, where=wins)
    back = [np.moveaxis(a.reshape(*batch, *out), range(-d, 0), pooled) for a in (y, at)]
    return np.ascontiguousarray(back[0]), np.ascontiguousarray(back[1])
