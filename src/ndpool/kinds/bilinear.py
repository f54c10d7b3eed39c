"""Samples between cells, weighted bilinearly: one box along one axis, as matrices.

Sampling is linear and goes axis by axis: a row of a matrix has the weights that one sample, or the
mean of one bin's samples, gives to the cells. Only cells with a weight are looked at, so that a NaN
or an infinity beside them does not matter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .regions import along, at

Array = NDArray[Any]


class Samples(NamedTuple):
    """Where one box is sampled along one axis: (bins, samples of a bin, 2) cells and weights.

    A sample lies between the two cells; a weight of 0 is of no cell. `first` is the lowest cell of
    any, `behind` the one behind the highest; they are equal where no sample is in the image.
    """

    cells: NDArray[np.int64]
    weights: Array
    first: int
    behind: int

    def means(self) -> Array:
        """(bins, cells from `first` on): the weights of each bin's mean over its samples."""
        bins, samples, _ = self.cells.shape
        matrix = np.zeros((bins, self.behind - self.first), self.weights.dtype)
        rows = np.broadcast_to(np.arange(bins)[:, None, None], self.cells.shape)
        has = self.weights != 0
        np.add.at(matrix, (rows[has], self.cells[has] - self.first), self.weights[has])
        mean: Array = matrix / self.weights.dtype.type(max(samples, 1))
        return mean

    def values(self, x: Array, axis: int, corner: int | None = None) -> Array:
        """All samples of x, bin by bin along this axis; of one of their two cells, if named.

        x begins with cell `first`.
        """
        shape = list(x.shape)
        shape[axis] = self.cells[..., 0].size
        total = np.zeros(shape, x.dtype)
        for number in (0, 1) if corner is None else (corner,):
            cells, weights = self.cells[..., number].ravel(), self.weights[..., number].ravel()
            has = np.flatnonzero(weights)
            some = x.take(cells[has] - self.first, axis)
            total[at(axis, has)] += some * along(weights[has].astype(x.dtype), axis, x.ndim)
        return total


def sampled(low: Any, high: Any, n: int, out: int, ratio: int, aligned: bool) -> Samples:
    """The samples of a box from `low` to `high` (of one NumPy float dtype) along n cells.

    `ratio` samples a bin, or with 0 as many as a bin has cells, rounded up. A sample more than one
    cell outside the image has no weight; one beyond its outermost cells' centres is at the centre.
    """
    number = type(low)
    start, size = low, high - low
    if aligned:
        start -= number(0.5)
    else:
        size = max(size, number(1))
    step = size / number(out)
    samples = ratio or max(int(np.ceil(step)), 0)
    bins = np.arange(out, dtype=number)[:, None]
    within = np.arange(samples, dtype=number) + number(0.5)
    # (bins, samples), by the same steps as others take, to round as they do
    place = start + bins * step + within * step / number(max(samples, 1))
    inside = (place >= -1) & (place <= n)
    place = np.where(inside, np.clip(place, 0, n - 1), 0)
    below = np.floor(place).astype(np.int64)
    share = place - below
    cells = np.stack([below, np.minimum(below + 1, n - 1)], axis=-1)
    weights = np.stack([1 - share, share], axis=-1) * inside[..., None]
    used = cells[weights != 0]
    first, behind = (int(used.min()), int(used.max()) + 1) if used.size else (0, 0)
    return Samples(cells, weights, first, behind)


def combined(x: Array, matrix: Array, axis: int) -> Array:
    """`matrix` times x along this axis, in x's dtype; a weight of 0 takes nothing of its cell."""
    shape = list(x.shape)
    shape[axis] = len(matrix)
    total = np.zeros(shape, x.dtype)
    # the cells that have weights first, in their order
    cells = np.argsort(matrix == 0, axis=1, kind="stable")
    counts = np.count_nonzero(matrix, axis=1)
    for place in range(counts.max(initial=0)):
        rows = np.flatnonzero(counts > place)
        here = cells[rows, place]
        weights = along(matrix[rows, here].astype(x.dtype), axis, x.ndim)
        every = slice(None) if len(rows) == len(matrix) else rows
        total[at(axis, every)] += x.take(here, axis) * weights
    return total
