"""Poolings drawn from a seed: what no table would think of.

Those of any shape answer one question: is there an input that the native kernels make slower than
the numpy engine? So they go from one cell to millions, from windows of one cell to the whole array.
Layers answer another: is there one that a peer is faster in? So they are as every peer takes them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count, islice
from math import prod

from ..errors import PoolError
from .case import Case, Sizes

RANDOM, LAYERS = "random", "layers"  # the groups
_DTYPES = (
    *("float32",) * 4, "float64", "float16", "bfloat16", "bool",
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
)  # fmt: skip
_MOST_CELLS = 2**22
_MOST_WORK = 2**28  # taps of all windows: some seconds of the numpy engine


def random_cases(number: int, seed: int = 0, group: str = RANDOM) -> Iterator[Case]:
    """`number` cases whose geometry is possible; the same ones for the same seed."""
    return islice(_possible(seed, DRAWN[group]), number)


def drawn(name: str) -> Case:
    """The case that has this name: it says how it was drawn and the seed."""
    group, seed = name.split()
    return DRAWN[group](int(seed))


def _possible(seed: int, draw: Callable[[int], Case]) -> Iterator[Case]:
    for case in map(draw, count(seed * 1_000_000)):
        try:
            pooled = case.geometry
        except PoolError:  # a window longer than its axis, or wholly in padding
            continue
        if prod(pooled.y_shape) * prod(pooled.kernel) <= _MOST_WORK:
            yield case


def _of_any_shape(seed: int) -> Case:
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
        name=f"{RANDOM} {seed}",
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


def _layer(seed: int) -> Case:
    """float32 of (N, C, ...), its windows, strides and paddings as layers have them and further."""
    rng = random.Random(seed)
    d = rng.choice((1, 2, 2, 2, 3))
    each = _between(rng, 4, (2**14, 2**9, 2**6)[d - 1])  # cells along an axis of the plane
    plane = tuple(each if rng.random() < 0.6 else _between(rng, 4, 2 * each) for _ in range(d))
    kernel = _sizes(rng, tuple(min(rng.choice((2, 2, 3, 3, 4, 5, 7, 9)), n) for n in plane))
    stride = rng.choice((kernel, (1,) * d, (2,) * d, tuple(rng.randint(1, k) for k in kernel)))
    planes = _between(rng, 1, max(1, _MOST_CELLS // prod(plane)))
    images = min(planes, rng.choice((1, 1, 2, 4, 16)))
    return Case(
        name=f"{LAYERS} {seed}",
        group=LAYERS,
        shape=(images, planes // images, *plane),
        kernel=kernel,
        stride=stride,
        padding=tuple(k // 2 if rng.random() < 0.5 else 0 for k in kernel),
        source="drawn at random",
        dilation=rng.choice((1, 1, 1, 1, 1, 2)),
        ceil_mode=rng.random() < 0.2,
    )


def _sizes(rng: random.Random, sizes: Sizes) -> Sizes:
    """Those, or more often the least of them along all axes."""
    return (min(sizes),) * len(sizes) if rng.random() < 0.7 else sizes


def _shape(rng: random.Random, ndim: int) -> Sizes:
    """A few cells to some millions, spread over the axes in any way."""
    cells, parts = _between(rng, 4, _MOST_CELLS), [rng.random() for _ in range(ndim)]
    return tuple(max(1, round(cells ** (part / sum(parts)))) for part in parts)


def _between(rng: random.Random, least: int, most: int) -> int:
    """As likely to be small as large: even in the logarithm."""
    return min(most, int(least * (most / least + 1) ** rng.random()))


DRAWN = {RANDOM: _of_any_shape, LAYERS: _layer}
