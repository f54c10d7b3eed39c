"""What an average divides each window's sum by: the rules of three frameworks, and weights.

============== ============================== ===================================================
rule           count_include_pad by default   the divisor
============== ============================== ===================================================
"torch"        True                           taps inside the padded input, or inside the input;
                                              never those beyond the padding, which the last
                                              windows of ceil mode have; or `divisor_override`
"onnx"         False                          the same: since opset 19 the standard, its node
                                              cases and ONNX Runtime agree on it (before, taps
                                              beyond the padding counted: its issue 16203)
"tensorflow"   never counted                  taps inside the input
============== ============================== ===================================================
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..choices import one_of
from ..errors import PoolError, shown
from ..geometry import Geometry
from .masks import Mask, broadcast, cells_there, taps
from .mechanism import filled, window_sums
from .words import flag, whole

Array = NDArray[Any]
Divisor = Literal["torch", "onnx", "tensorflow"]
_INCLUDES_PADDING = {"torch": True, "onnx": False, "tensorflow": False}


class Rule(NamedTuple):
    """The words that an average takes beside those of all kinds, validated."""

    includes_padding: bool
    override: int | None
    weights: Array | None

    def weights_of(self, shapes: Geometry, mask: Mask | None) -> Array | None:
        """The weights of x's cells, 0 for those that are not there; None where there are none."""
        if self.weights is None:
            return None
        return filled(broadcast("weights", self.weights, shapes.shape), mask)

    def counts(self, shapes: Geometry) -> Array:
        """The divisors without weights and mask, float64: one for all, or broadcasts to y."""
        if self.override is not None:
            return np.array(float(self.override))
        found: Array | None = shapes.memo.get(("counts", self.includes_padding))
        if found is None:
            along = shapes.taps_counted if self.includes_padding else shapes.taps_inside
            found = taps(shapes, along).astype(float)
            if found.size and (found == found.flat[0]).all():
                found = np.array(found.flat[0])
            found.flags.writeable = False
            shapes.memo["counts", self.includes_padding] = found
        return found

    def divisors(self, shapes: Geometry, mask: Mask | None, dtype: np.dtype[Any]) -> Array:
        """What each window's sum is divided by; NaN where it has no mean. Broadcasts to y."""
        weights = self.weights_of(shapes, mask)
        if weights is not None:
            totals = window_sums(weights, shapes, dtype)
            return np.where(totals == 0, dtype.type(np.nan), totals)
        counts = self.counts(shapes)
        if mask is not None:
            there = cells_there(mask, shapes)
            if self.override is None:
                counts = counts - (cells_there(None, shapes) - there)
            counts = np.where(there == 0, np.nan, counts)
        return counts.astype(dtype)


def rule(
    divisor: object,
    count_include_pad: object,
    divisor_override: SupportsIndex | None,
    weights: ArrayLike | None,
) -> Rule:
    """The `Rule` of these arguments; PoolError where they contradict each other."""
    name = one_of(Divisor, "divisor", divisor)
    includes = _INCLUDES_PADDING[name]
    if count_include_pad is not None:
        includes = flag("count_include_pad", count_include_pad)
        if includes and name == "tensorflow":
            raise PoolError("count_include_pad", "no True with divisor='tensorflow'", True)
        if includes and weights is not None:
            raise PoolError("count_include_pad", "no True with weights=", True)
    override = None
    if divisor_override is not None:
        override = _positive("divisor_override", divisor_override)
        if name != "torch":
            raise PoolError("divisor_override", f"None with divisor={name!r}", override)
        if weights is not None:
            raise PoolError("divisor_override", "None with weights=", override)
    return Rule(includes, override, None if weights is None else as_array("weights", weights))


def _positive(argument: str, value: object) -> int:
    number = whole(argument, value, " or None")
    if not 1 <= number < 2**63:
        raise PoolError(argument, "an integer from 1 to 2**63 - 1", shown(value))
    return number
