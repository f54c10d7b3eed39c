"""Random arrays to be pooled over regions, and the regions' winners and sums by plain loops."""

from __future__ import annotations

import random
from itertools import product
from math import prod

import numpy as np
import oracle
from cases import BIG_ENDIAN, DTYPES, LAYOUTS, REGIMES, laid_out, values

LARGEST_SIDE = {1: 40, 2: 12, 3: 6, 4: 4}


def array(rng, d, batch=None, dtype=None, side=None):
    """(x of any dtype, layout and values, its d pooled axes ascending)."""
    batch = rng.randrange(3) if batch is None else batch
    axes = tuple(sorted(rng.sample(range(d + batch), d)))
    shape = [rng.choice([1, 2, 3]) for _ in range(d + batch)]
    for axis in axes:
        shape[axis] = rng.randint(1, side or LARGEST_SIDE[d])
    if dtype is None:
        dtype = rng.choice(BIG_ENDIAN if rng.random() < 0.1 else DTYPES)
    x = values(np.random.default_rng(rng.randrange(10**6)), rng.choice(REGIMES), shape, dtype)
    return laid_out(x, rng.choice(LAYOUTS), rng), axes


def as_asked(rng, ndim, axes, sizes):
    """The pooled axes and what is given for each, in one of the ways they may be written."""
    if axes == tuple(range(ndim - len(axes), ndim)) and rng.random() < 0.5:
        return tuple(sizes), {}
    order = rng.sample(range(len(axes)), len(axes))
    named = [axes[i] - ndim * rng.randrange(2) for i in order]
    return [sizes[i] for i in order], {"axes": tuple(named)}


def boxes(shape, axes, cells):
    """`oracle.Sums` of boxes: `cells[number]` lists, for each window along that axis, its cells."""
    per_axis = [[[place] for place in range(n)] for n in shape]
    for axis, along in zip(axes, cells, strict=True):
        per_axis[axis] = along
    found = []
    for window in product(*per_axis):
        found.append([flat(place, shape) for place in product(*window)])
    return oracle.Sums(tuple(map(len, per_axis)), found, [len(window) for window in found])


def flat(place, shape):
    at = 0
    for cell, n in zip(place, shape, strict=True):
        at = at * n + cell
    return at


def winners(x, sums):
    """Each window's winner, as a position in the whole array: the first highest, the first NaN."""
    is_two_byte_float = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
    numbers = (x.astype(np.float32) if is_two_byte_float else x).reshape(-1).tolist()
    found = []
    for cells in sums.windows:
        best = cells[0]
        for at in cells[1:]:
            value, highest = numbers[at], numbers[best]
            if value > highest or (value != value and highest == highest):
                best = at
        found.append(best)
    return np.array(found, np.int64).reshape(sums.y_shape)


def plane(positions, shape, axes):
    """Positions in the whole array as positions over the pooled axes."""
    at = np.unravel_index(positions, shape) if positions.size else [positions] * len(shape)
    sizes = [shape[axis] for axis in axes]
    return np.ravel_multi_index([at[axis] for axis in axes], sizes).astype(np.int64)


def offsets(positions, sums, shape, axes, cells):
    """Positions in the whole array as offsets in windows of the largest sizes."""
    largest = [max(map(len, along)) for along in cells]
    at = np.unravel_index(positions, shape)
    found = np.zeros(sums.y_shape, np.int64)
    for place in np.ndindex(*sums.y_shape):
        for number, axis in enumerate(axes):
            step = at[axis][place] - cells[number][place[axis]][0]
            found[place] += step * prod(largest[number + 1 :])
    return found


def rng_of(seed):
    return random.Random(seed)


def kept(sums, mask):
    """The same windows without the cells that the mask, of x's shape, has False for."""
    there = mask.reshape(-1).tolist()
    found = [[at for at in cells if there[at]] for cells in sums.windows]
    return oracle.Sums(sums.y_shape, found, [len(cells) for cells in found])
