"""Smooth kinds: forward mode and second order follow from what they say about their slope.

A smooth kind says by what y changes when one of its cells does: the slope, as an analytic function
of that cell and of some values that it has of each window, y among them perhaps; and in the same
way by what those values change. Then

- along a tangent, y or a value changes by the sum over its window's cells of slope times tangent;
- the slope itself changes by what the complex step says. An analytic function of ``x + i h t`` is,
  but for terms of h**2, its value at x plus ``i h`` times its derivative along t; with h = 1e-30
  those terms are gone and nothing was subtracted, so that the derivative is right to rounding.

Source: Squire, Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 40(1), 1998.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry
from .mechanism import spread, window_sums

Array = NDArray[Any]
_STEP = 1e-30


class Smooth(NamedTuple):
    """A smooth kind at one x, float; the values are of y's shape or broadcast to it.

    `slopes` takes cells and the values there, and gives y's slope and then each value's. It must be
    analytic: no `abs`, and comparisons only of real parts.
    """

    x: Array
    shapes: Geometry
    slopes: Callable[..., tuple[Array, ...]]
    values: tuple[Array, ...]

    def along(self, tangent: Array) -> Array:
        """What y changes by along the tangent."""
        return self._change(tangent, 0)

    def bend(self, tangent: Array, dy: Array) -> Array:
        """What the gradient for `dy` changes by when x changes along the tangent; float64.

        By symmetry of second derivatives it is the gradient of ``(dy * along(tangent)).sum()``.
        """
        changes = [self._change(tangent, number) for number in range(1, len(self.values) + 1)]
        x, *values = (
            _complex(at.astype(np.float64), _STEP * by.astype(np.float64))
            for at, by in zip((self.x, *self.values), (tangent, *changes), strict=True)
        )

        def slope(cells: Array, *values: Array) -> Array:
            return self.slopes(cells, *values)[0]

        bent: Array = spread(dy, self.shapes, x.dtype, slope, x, *values).imag
        return bent / _STEP

    def _change(self, tangent: Array, number: int) -> Array:
        """What y (0) or a value (from 1) changes by along the tangent."""
        both = _complex(self.x, tangent)  # the two arrays as one, so that they go together

        def term(cells: Array, *values: Array) -> Array:
            change: Array = self.slopes(cells.real, *values)[number] * cells.imag
            return change

        change: Array = window_sums(both, self.shapes, both.dtype, term, *self.values).real
        return change


def _complex(real: Array, imaginary: Array) -> Array:
    """The two as one array; ``real + 1j * imaginary`` is NaN where the second is infinite."""
    dtype = np.result_type(real.dtype, imaginary.dtype, np.complex64)
    both = np.empty(np.broadcast_shapes(real.shape, imaginary.shape), dtype)
    both.real, both.imag = real, imaginary
    return both
