"""The axes in which other people's layers take images, and the way there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC", "HW", "NHW")


def to_layout(x: Array, layout: str) -> Array:
    """(N, C, H, W) -> the axes of `layout`; contiguous where `x` is."""
    where = [("NCHW").index(axis) for axis in layout]
    taken = x.transpose(*where, *(i for i in range(4) if i not in where))
    for _ in range(4 - len(layout)):
        taken = taken[..., 0]
    return np.ascontiguousarray(taken) if x.flags.c_contiguous else taken


def from_layout(y: Array, layout: str) -> Array:
    """The axes of `layout` -> (N, C, H, W); as it is where it has not as many axes."""
    if y.ndim != len(layout):
        return y
    missing = [axis for axis in "NCHW" if axis not in layout]
    whole = y.reshape(*y.shape, *(1 for _ in missing))
    names = layout + "".join(missing)
    return whole.transpose([names.index(axis) for axis in "NCHW"])


def fitting(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """`shape` with one image or channel where the layout has no more."""
    n, c, height, width = shape
    return (n if "N" in layout else 1, c if "C" in layout else 1, height, width)
