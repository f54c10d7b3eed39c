"""Where the windows of fractional pooling stand, along one axis."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..arguments import any_array
from ..errors import PoolError, PoolTypeError, shown
from .regions import Cells, Regions, is_row

Draw = Literal["pseudorandom", "random"]


def graham(
    draw: str, shape: tuple[int, ...], axes: tuple[int, ...], out: tuple[int, ...],
    overlapping: bool, rng: np.random.Generator,
) -> Regions:  # fmt: skip
    """Regions between the numbers of a sequence drawn for each axis.

    They cover the axis: disjoint ones end where the next begins, the last behind the last cell;
    overlapping ones have that cell in common, and the last ends with the last cell.
    """
    edges = []
    for axis, size in zip(axes, out, strict=True):
        length = shape[axis] - overlapping
        if size > length:
            raise PoolError("output_size", f"at most {length} along axis {axis}", size)
        edges.append((_pseudorandom if draw == "pseudorandom" else _random)(length, size, rng))
    return between(shape, axes, edges, overlapping)


def given(
    sequence: Any, shape: tuple[int, ...], axes: tuple[int, ...], overlapping: bool
) -> Regions:
    """Regions between the numbers of a user's sequences, one for each of the ascending axes."""
    edges: list[Cells] = []
    for axis, numbers in zip(axes, sequence, strict=True):
        found: NDArray[Any] = any_array("sequence", numbers) if is_row(numbers) else np.zeros(())
        if found.ndim != 1 or found.dtype.kind not in "iu":
            raise PoolTypeError("sequence", "rows of integers", shown(numbers))
        row, n = found.astype(np.int64), shape[axis]
        rises = len(row) > 1 and bool((np.diff(row) > 0).all())
        if not rises or row[0] < 0 or row[-1] > n:
            raise PoolError(
                "sequence", f"two or more ascending numbers from 0 to {n}", shown(numbers)
            )
        edges.append(row)
    return between(shape, axes, edges, overlapping)


def between(
    shape: tuple[int, ...], axes: tuple[int, ...], edges: list[Cells], overlapping: bool
) -> Regions:
    """A region from each edge to before the next; overlapping ones have the next edge's cell."""
    ends = [
        np.minimum(edge[1:] + overlapping, shape[axis])
        for edge, axis in zip(edges, axes, strict=True)
    ]
    return Regions(shape, axes, tuple(edge[:-1] for edge in edges), tuple(ends))


def torch_starts(n: int, kernel: int, out: int, samples: NDArray[Any]) -> Cells:
    """PyTorch's rule: where each of `out` windows of `kernel` cells starts, for each sample u.

    ``int((i + u) * a) - int(u * a)`` with ``a = (n - kernel) / (out - 1)``, in u's own precision;
    the last window always ends with the last cell. Shape: (*samples.shape, out).
    """
    starts = np.full((*samples.shape, out), n - kernel, np.int64)
    if out > 1:
        a = samples.dtype.type(n - kernel) / samples.dtype.type(out - 1)
        u = samples[..., None]
        steps = np.arange(out - 1).astype(samples.dtype)
        first = (u * a).astype(np.int64)
        starts[..., :-1] = np.minimum(((steps + u) * a).astype(np.int64) - first, n - kernel)
    return starts


def _pseudorandom(n: int, out: int, rng: np.random.Generator) -> Cells:
    """0, then ceil(a * (i + u)) - 1, then n, where a = n / out and u is drawn.

    As a is rational and u a float, that is exact; u is drawn from those for which the first and the
    last step are no other than those between, floor(a) or ceil(a).
    """
    a, least = Fraction(n, out), n // out
    most = min((least + 2) / a - 1, (n + 1 - least) / a - (out - 1))
    u = most * (1 - Fraction(rng.random()))  # above 0, up to `most`
    return np.array([0, *(ceil(a * (i + u)) - 1 for i in range(1, out)), n])


def _random(n: int, out: int, rng: np.random.Generator) -> Cells:
    """0 to n by steps of floor(n / out) and ceil(n / out), shuffled."""
    steps = np.full(out, n // out)
    steps[: n % out] += 1
    return np.concatenate([[0], rng.permutation(steps).cumsum()])
