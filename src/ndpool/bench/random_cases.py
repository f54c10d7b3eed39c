"""Poolings of any shape, from a seed: what no table would think of.

They answer one question: is there an input that the native kernels make slower than the numpy
engine? So they go from one cell to millions, from windows of one cell to the whole array.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from math import prod

from ..errors import PoolError
from .case import Case, Sizes

RANDOM = "random"  # the group
_DTYPES = (
    *("float32",) * 4, "float64", "float16", "bfloat16", "bool",
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
)  # fmt: skip
_MOST_CELLS = 2**22
_MOST_WORK = 2**28  # taps of all windows: some seconds of the numpy engine


def random_cases(number: int, seed: int = 0) -> Iterator[Case]:
    """`number` cases whose geometry is possible; the same ones for the same seed."""
    return islice(_possible(seed), number)


def _possible(seed: int) -> Iterator[Case]:
    for at in count(seed * 1_000_000):
        case = drawn(at)
        try:
            pooled = case.geometry
        except PoolError:  # a window longer than its axis, or wholly in padding
            continue
        if prod(pooled.y_shape) * prod(pooled.kernel) <= _MOST_WORK:
            yield case


def drawn(seed: int) -> Case:
    """The case of this seed, named after it, possible or not."""
    rng = random.Random(seed)
    d = rng.choice((1, 2, 2, 2, 3))
    shape = _shape(rng, d + rng.choice((0, 1, 2)))
    axes = tuple(sorted(rng.sample(range(len(shape)), d)))
    if rng.random() < 0.6:  # the last ones, as is usual
        axes = tuple(range(len(shape) - d, len(shape)))
    kernel = tuple(_between(rng, 1, shape[axis]) for axis in axes)
    if rng.random() < 0.7:  # small windows, of one size along all axes
        kernel = tuple(min(rng.choice((2, 2, 3, 3, 5, 7)), shape[axis]) for axis in axes)
    stride = rng.choice((kernel, (1,) * d, (2,) * d, tuple(rng.randint(1, 4) for _ in kernel)))
    padding = tuple(k // 2 if rng.random() < 0.5 else 0 for k in kernel)
    return Case(
        name=f"random {seed}",
        group=RANDOM,
        shape=shape,
        kernel=kernel,
        stride=stride,
        padding=padding,
        source="drawn at random",
        dilation=rng.choice((1, 1, 1, 1, 2, 3)),
        ceil_mode=rng.random() < 0.2,
        axes=axes,
        dtype=rng.choice(_DTYPES),
        order=rng.choice(("C", "C", "C", "F", "gaps")),
    )


def _shape(rng: random.Random, ndim: int) -> Sizes:
    """A few cells to some millions, spread over the axes in any way."""
    cells, parts = _between(rng, 4, _MOST_CELLS), [rng.random() for _ in range(ndim)]
    return tuple(max(1, round(cells ** (part / sum(parts)))) for part in parts)


def _between(rng: random.Random, least: int, most: int) -> int:
    """As likely to be small as large: even in the logarithm."""
    return min(most, int(least * (most / least + 1) ** rng.random()))
