"""Random cases for the kinds that fold all cells of a window; exact values to hold them against."""

from __future__ import annotations

from functools import cache
from itertools import count

import numpy as np
import oracle
from cases import BFLOAT16, is_float, random_case

CASES = 400
TOLERANCE = {"e": 2e-3, "f": 2e-6, "d": 1e-13}


@cache
def cases():
    """(case, its `oracle.Sums`, small integers in the case's dtype and layout) of many seeds."""
    found = []
    for seed in count(5_000_000):
        case = random_case(seed)
        if case.is_possible:
            found.append((case, oracle.members(
                case.x.shape, case.axes, case.kernel, case.stride, case.dilation, case.pads,
                case.ceil_mode,
            )))  # fmt: skip
            if len(found) == CASES:
                return found


def integers(case, shape, lowest=-4):
    """Small integers in the case's dtype: sums of them are exact."""
    if case.x.dtype.kind in "bu":
        lowest = 0
    rng = np.random.default_rng(case.seed)
    return rng.integers(lowest, 5, shape).astype(case.x.dtype)


def float_of(dtype):
    """What a mean of this dtype is given in."""
    return dtype if is_float(dtype) else np.dtype(np.float64)


def close(found, exact):
    """Whether `found` is `exact` (Python numbers) but for rounding in its dtype."""
    dtype = found.dtype
    tolerance = 2e-2 if dtype == BFLOAT16 else TOLERANCE[dtype.char]
    expected = exact.astype(np.float64)
    return found.shape == exact.shape and np.allclose(
        found.astype(np.float64), expected, rtol=tolerance, atol=tolerance, equal_nan=True
    )
