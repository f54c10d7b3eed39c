"""The ways to pool with array libraries: values only, and only some geometries."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ...dtypes import lowest
from ...geometry import Geometry
from ..case import FORWARD, Array, Case
from .base import Arrays, Call, Peer, blocks, over_all_axes

_COMMON = frozenset({"float32", "float64", "int8", "uint8", "int16", "uint16"})


class NumPy(Peer):
    """Blocks as axes of their own, then their maximum: the idiom that users write."""

    name = "numpy"
    title = "NumPy"
    modules = ("numpy",)
    distribution = "numpy"
    dtypes: ClassVar = {FORWARD: _COMMON | {"float16", "bfloat16"}}

    def fits(self, geometry: Geometry) -> bool:
        return blocks(geometry)

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        pooled = case.geometry
        shape: list[int] = []
        within: list[int] = []
        for axis, n in enumerate(x.shape):
            shape.append(pooled.y_shape[axis])
            if axis in pooled.axes:
                within.append(len(shape))
                shape.append(n // pooled.y_shape[axis])
        # (N, C, H, W) -> (N, C, OH, kh, OW, kw)
        return Call(lambda: x.reshape(shape).max(axis=tuple(within)), _one)


class ScikitImage(Peer):
    name = "skimage"
    title = "scikit-image"
    modules = ("skimage",)
    distribution = "scikit-image"
    dtypes: ClassVar = {FORWARD: _COMMON | {"float16"}}

    def fits(self, geometry: Geometry) -> bool:
        return blocks(geometry)

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        measure: Any = import_module("skimage.measure")
        block = over_all_axes(case.geometry, case.geometry.kernel)
        return Call(partial(measure.block_reduce, x, block, np.max), _one)


class SciPy(Peer):
    """`scipy.ndimage.maximum_filter`, cut to the windows that are asked for."""

    name = "scipy"
    title = "SciPy"
    modules = ("scipy",)
    distribution = "scipy"
    dtypes: ClassVar = {FORWARD: _COMMON}

    def fits(self, geometry: Geometry) -> bool:
        # It has one window centred on each cell, so none may start or end further outside.
        centred = all(
            before <= k // 2 and after <= (k - 1) // 2
            for k, before, after in zip(
                geometry.kernel, geometry.before, geometry.after, strict=True
            )
        )
        return centred and set(geometry.stride + geometry.dilation) == {1}

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        ndimage: Any = import_module("scipy.ndimage")
        pooled = case.geometry
        keep = [slice(None)] * x.ndim
        for number, axis in enumerate(pooled.axes):
            start = pooled.kernel[number] // 2 - pooled.before[number]
            keep[axis] = slice(start, start + pooled.out[number])
        size = over_all_axes(pooled, pooled.kernel)
        nothing = float(lowest(x.dtype))
        filtered = partial(ndimage.maximum_filter, x, size, mode="constant", cval=nothing)
        return Call(lambda: filtered()[tuple(keep)], _one)


def _one(result: Any) -> Arrays:
    return (result,)
