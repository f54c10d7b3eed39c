"""The two equations that a backward pass must keep."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..arguments import Array


class Sums(NamedTuple):
    """Two pairs of equal numbers: exactly equal where addition is exact, as that of integers is.

    All of the gradient arrives: ``dx == dout``. col2im is the adjoint of im2col: ``columns ==
    image``, where c is the matrix of gradients and x has 0 for padding.
    """

    dx: int | float  # the sum of dx
    dout: int | float  # the sum of dout
    columns: int | float  # <im2col(x), c>
    image: int | float  # <x, col2im(c)>


def sums(x: Array, col: Array, padding: Array | None, dout: Array, dcol: Array, dx: Array) -> Sums:
    """Of the arrays of a trace; col and dcol are of one shape, padding is col's."""
    inside = ... if padding is None else ~padding
    return Sums(_sum(dx), _sum(dout), _dot(col[inside], dcol[inside]), _dot(x, dx))


def _sum(values: Array) -> int | float:
    return _exact(_numbers(values))


def _dot(a: Array, b: Array) -> int | float:
    return _exact([p * q for p, q in zip(_numbers(a), _numbers(b), strict=True) if q])


def _numbers(values: Array) -> list[Any]:
    """As Python's own: integers then never wrap around, and no float is rounded."""
    is_integer = values.dtype.kind in "iub"
    return (values if is_integer else values.astype(float)).reshape(-1).tolist()


def _exact(terms: list[Any]) -> int | float:
    """Their sum, rounded once."""
    if any(isinstance(term, float) for term in terms):
        try:
            return math.fsum(terms)
        except (OverflowError, ValueError):  # of inf and -inf
            return float(sum(terms))
    return int(sum(terms))
