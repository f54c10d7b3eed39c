"""Boxes that are sampled between the cells: their means, their winners, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError, shown
from ..geometry import row_major
from .bilinear import Samples, combined, sampled
from .boxes import Boxes
from .regions import along
from .words import flag, whole

Array = NDArray[Any]

# More samples than that along one axis of a box are a mistake, and would not fit into memory.
_MOST_SAMPLES = 2**20


class SampledBox(NamedTuple):
    """Box `number` in an image: the part of it that is seen, and its samples along `axes`.

    Arrays of an image have its axes: those of x without the first.
    """

    number: int
    image: int
    axes: tuple[int, ...]
    samples: list[Samples]
    ndim: int

    @property
    def part(self) -> tuple[slice, ...]:
        """The cells of the image that any sample looks at."""
        part = [slice(None)] * self.ndim
        for axis, samples in zip(self.axes, self.samples, strict=True):
            part[axis] = slice(samples.first, samples.behind)
        return tuple(part)

    @property
    def grid(self) -> tuple[int, ...]:
        """How many samples a bin has along each axis."""
        return tuple(samples.cells.shape[1] for samples in self.samples)

    def means(self, cells: Array) -> Array:
        """The mean of each bin's samples."""
        for axis, samples in zip(self.axes, self.samples, strict=True):
            cells = combined(cells, samples.means(), axis)
        return cells

    def spread(self, dy: Array) -> Array:
        """The adjoint of `means`."""
        for axis, samples in reversed(list(zip(self.axes, self.samples, strict=True))):
            dy = combined(dy, samples.means().T, axis)
        return dy

    def winners(self, cells: Array, by_corner: bool) -> tuple[Array, Array]:
        """Each bin's largest sample, or weighted corner of one, and which it is.

        Shapes: (bins); int64, row-major over the bin's samples and then a sample's corners.
        """
        d = len(self.axes)
        # the cell before or behind a sample along each axis, row-major; None is both
        corners: Any = product((0, 1), repeat=d) if by_corner else [(None,) * d]
        # (image axes, pooled ones with bins * samples) for each corner, or for all of them as one
        found = [self._values(cells, some) for some in corners]
        values = np.stack(found, axis=-1)
        # -> (image axes, pooled ones with bins, samples of each pooled axis, corners)
        split: list[int] = []
        of_bins, of_samples = [], []
        for axis, n in enumerate(values.shape):
            if axis in self.axes:
                samples = self.samples[self.axes.index(axis)]
                of_bins.append(len(split))
                of_samples.append(len(split) + 1)
                split += samples.cells.shape[:2]
            else:
                (of_bins if axis < self.ndim else of_samples).append(len(split))
                split.append(n)
        rows = values.reshape(split).transpose(*of_bins, *of_samples)
        # -> (image axes, all of a bin)
        rows = rows.reshape(*rows.shape[: self.ndim], prod(rows.shape[self.ndim :]))
        winner = rows.argmax(axis=-1, keepdims=True)
        return np.take_along_axis(rows, winner, -1)[..., 0], winner[..., 0]

    def scatter(self, dy: Array, winners: Array, by_corner: bool, dx: Array) -> None:
        """Each dy to the cells of the sample that won, or to that corner of it."""
        d, steps = len(self.axes), row_major(dx.shape)
        left, corner = np.divmod(winners, 2**d) if by_corner else (winners, None)
        start = np.zeros((), np.int64)
        for axis, n in enumerate(dx.shape):
            if axis not in self.axes:
                start = start + along(np.arange(n), axis, self.ndim) * steps[axis]
        taken = []  # of each axis, for each choice there: positions and weights of y's shape
        for number, (axis, samples) in enumerate(zip(self.axes, self.samples, strict=True)):
            bins, count, _ = samples.cells.shape
            within, left = np.divmod(left, prod(self.grid[number + 1 :]))
            row = (within + along(np.arange(bins) * count, axis, self.ndim)) * 2
            bits = (0, 1) if corner is None else (corner >> (d - 1 - number) & 1,)
            at, weights = samples.cells * steps[axis], samples.weights.astype(dy.dtype)
            taken.append([(at.take(row + bit), weights.take(row + bit)) for bit in bits])
        for choice in product(*taken):
            weight = prod((weight for _, weight in choice), start=np.ones((), dy.dtype))
            at = sum((at for at, _ in choice), start=start)
            parts = np.where(weight == 0, dy.dtype.type(0), dy * weight)
            np.add.at(dx.reshape(-1), at.reshape(-1), parts.reshape(-1))

    def _values(self, cells: Array, corners: tuple[int | None, ...]) -> Array:
        """All samples, or the weighted cells at one corner of them."""
        for axis, samples, corner in zip(self.axes, self.samples, corners, strict=True):
            cells = samples.values(cells, axis, corner)
        return cells


def sampled_boxes(boxes: Boxes, sampling_ratio: Any, aligned: Any) -> Iterator[SampledBox]:
    """All boxes that have samples in their image."""
    ratio, is_aligned = whole("sampling_ratio", sampling_ratio), flag("aligned", aligned)
    if not -1 <= ratio <= _MOST_SAMPLES:
        expected = f"0 or a number of samples up to {_MOST_SAMPLES}"
        raise PoolError("sampling_ratio", expected, shown(sampling_ratio))
    if ratio < 1 and len(boxes.low) and (length := (boxes.high - boxes.low).max()) > _MOST_SAMPLES:
        hint = "or pass sampling_ratio"
        raise PoolError("rois", f"boxes up to {_MOST_SAMPLES} cells long", f"{length}", hint)
    axes = tuple(axis - 1 for axis in boxes.axes)
    for number, image in enumerate(boxes.image.tolist()):
        samples = [
            sampled(low, high, n, out, max(ratio, 0), is_aligned)
            for low, high, n, out in zip(
                boxes.low[number], boxes.high[number], boxes.sizes, boxes.out, strict=True
            )
        ]
        box = SampledBox(number, image, axes, samples, len(boxes.shape) - 1)
        if all(box.grid):
            yield box
