"""What is measured: a pooling, its data, the bytes it has to move."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry, geometry

Array = NDArray[Any]
Sizes = tuple[int, ...]

FORWARD, INDICES, BACKWARD = "forward", "forward+indices", "backward"
TASKS = (FORWARD, INDICES, BACKWARD)


@dataclass(frozen=True, slots=True)
class Case:
    """One pooling: an array and the arguments of `ndpool.max_pool`, and where it is from.

    >>> case = Case("mine", "tests", (1, 1, 28, 28), (2, 2), (2, 2), (0, 0), "a digit")
    >>> case.arguments
    {'kernel_size': 2}
    >>> case.geometry.y_shape
    (1, 1, 14, 14)
    """

    name: str
    group: str
    shape: Sizes
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    source: str
    dilation: int = 1
    ceil_mode: bool = False
    axes: Sizes | None = None
    dtype: str = "float32"
    order: str = "C"  # in memory: "C", "F", or "gaps" after every other cell of the last axis
    compared: str = ""  # cases that are compared with each other have the same here

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `ndpool.max_pool` as a user writes them: defaults left out, short."""
        square = len(self.kernel) == 2 and len(set(self.kernel)) == 1
        words: dict[str, Any] = {"kernel_size": self.kernel[0] if square else self.kernel}
        if self.stride != self.kernel:
            words["stride"] = _short(self.stride)
        if any(self.padding):
            words["padding"] = _short(self.padding)
        if self.dilation != 1:
            words["dilation"] = self.dilation
        if self.ceil_mode:
            words["ceil_mode"] = True
        if self.axes is not None:
            words["axes"] = self.axes
        return words

    def __str__(self) -> str:
        words = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        layout = "" if self.order == "C" else f" in memory {self.order}"
        return f"{self.dtype} {self.shape}{layout}, {words}"

    @property
    def geometry(self) -> Geometry:
        return geometry(self.shape, **self.arguments)

    def data(self, seed: int = 0) -> tuple[Array, Array]:
        """(x, dy): normal floats or full-range ints; no NaN, on which the peers do not agree."""
        generator = np.random.default_rng(seed)
        return self._random(generator, self.shape), self._random(generator, self.geometry.y_shape)

    def moved(self, task: str) -> int:
        """The bytes that any way of doing `task` must read or write: arrays in, arrays out."""
        dtype, pooled = self.numpy_dtype(), self.geometry
        x, y = prod(self.shape) * dtype.itemsize, prod(pooled.y_shape) * dtype.itemsize
        return (
            x + y + (prod(pooled.y_shape) * pooled.index_dtype.itemsize if task != FORWARD else 0)
        )

    def numpy_dtype(self) -> np.dtype[Any]:
        """ImportError where the dtype needs `ml_dtypes` and it is not installed."""
        if self.dtype == "bfloat16":
            importlib.import_module("ml_dtypes")
        return np.dtype(self.dtype)

    def shrunk(self) -> Case:
        """The same windows over few and small planes, for tests."""
        small = [min(n, 2) for n in self.shape]
        pooled = self.geometry
        for number, axis in enumerate(pooled.axes):
            span = (pooled.kernel[number] - 1) * self.dilation + 1
            step = pooled.stride[number]
            least = (
                -(-max(span, 2 * step) // step) * step + step
            )  # divides where the whole one does
            small[axis] = min(self.shape[axis], least + self.shape[axis] % step)
        return replace(self, shape=tuple(small))

    def _random(self, generator: np.random.Generator, shape: Sizes) -> Array:
        cells = self._cells(generator, shape)
        if self.order == "F":
            return np.asfortranarray(cells)
        return np.repeat(cells, 2, axis=-1)[..., ::2] if self.order == "gaps" else cells

    def _cells(self, generator: np.random.Generator, shape: Sizes) -> Array:
        dtype = self.numpy_dtype()
        if dtype.kind == "b":
            return generator.random(shape, np.float32) < 0.5
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        if dtype == np.float64:
            return generator.standard_normal(shape)
        return generator.standard_normal(shape, np.float32).astype(dtype, copy=False)


def _short(sizes: Sizes) -> int | Sizes:
    return sizes[0] if len(set(sizes)) == 1 else sizes
