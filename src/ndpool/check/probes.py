"""Exact probes: numbers that tell where they came from, whatever a layer does with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MOST_OUTPUTS = 24  # powers of two up to here are exact in float32 too, and so are their sums


def unique(shape: tuple[int, ...], seed: int = 0) -> Array:
    """float64: 1, 2, 3, ... in a random order, so that every value names its cell.

    >>> unique((1, 1, 2, 2)).tolist()
    [[[[1.0, 3.0], [2.0, 4.0]]]]
    """
    size = int(np.prod(shape))
    order = np.random.default_rng(seed + 7).permutation(size)
    return (order + 1.0).reshape(shape)


def powers(shape: tuple[int, ...]) -> Array:
    """float64: 1, 2, 4, ... in row-major order, so that a sum names its parts.

    Where there are more outputs than a float has bits, they begin again at 1.

    >>> powers((1, 1, 2, 2)).tolist()
    [[[[1.0, 2.0], [4.0, 8.0]]]]
    """
    size = int(np.prod(shape))
    return np.array([2.0 ** (number % MOST_OUTPUTS) for number in range(size)]).reshape(shape)


def decoded(value: float, size: int) -> tuple[int, ...] | None:
    """The outputs whose powers of two add up to `value`; None where none do.

    >>> decoded(13, 4), decoded(0.5, 4), decoded(16, 4)
    ((0, 2, 3), None, None)
    """
    if size > MOST_OUTPUTS or not np.isfinite(value) or value != int(value):
        return None
    if not 0 <= value < 2**size:
        return None
    return tuple(number for number in range(size) if int(value) >> number & 1)


def arranged(array: Array, layout: str) -> Array:
    """A fresh array, equal to `array`, that lies in memory as `layout` says."""
    if layout == "C":
        return array.copy()
    if layout == "F":
        return array.copy(order="F")
    if layout == "channels-last":
        return array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    if layout == "reversed":
        return array[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]
