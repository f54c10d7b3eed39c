"""The one table of pooling cases: tests run it shrunk, benches run it whole.

Groups: `seven` are the float32 cases that ndpool's speed is judged by, `windows` sweeps the window,
`networks`, `audio` and `video` are layers of published networks, `dtypes` and `layouts` vary one
case of the seven, `tiny` is all overhead.
"""

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

    >>> TINY.arguments
    {'kernel_size': 2}
    >>> TINY.geometry.y_shape
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
        dtype = self.numpy_dtype()
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        if dtype == np.float64:
            return generator.standard_normal(shape)
        return generator.standard_normal(shape, np.float32).astype(dtype, copy=False)


def _short(sizes: Sizes) -> int | Sizes:
    return sizes[0] if len(set(sizes)) == 1 else sizes


def _flat(name: str, group: str, shape: Sizes, k: int, s: int, p: int, source: str) -> Case:
    """A case of square windows over the last two axes."""
    return Case(name, group, shape, (k, k), (s, s), (p, p), source)


def _of_network(name: str, shape: Sizes, k: int, s: int, p: int, source: str) -> Case:
    return _flat(name, "networks", shape, k, s, p, source)


_ALEXNET = "AlexNet, Krizhevsky et al. 2012"
_VGG = "VGG-16, Simonyan & Zisserman 2014"
_GOOGLENET = "GoogLeNet, Szegedy et al. 2014"
_RESNET = "ResNet-50 stem, He et al. 2015"
_SPPF = "YOLOv5 SPPF, one of its three poolings, Jocher 2021"
_SPP = "YOLOv3-SPP, 5, 9 and 13 wide, Huang & Wang 2019"
_SAMPLE = "SampleCNN, Lee et al. 2017"
_I3D = "I3D, Carreira & Zisserman 2017"
_BASE = _flat("2x2 s2 32x64x112x112", "seven", (32, 64, 112, 112), 2, 2, 0, "a VGG-like layer")
_STEM = _flat("3x3 s2 p1 32x64x112x112", "seven", (32, 64, 112, 112), 3, 2, 1, _RESNET)
_WINDOWED = (1, 64, 128, 128)

TINY = _flat("2x2 s2 1x1x28x28", "tiny", (1, 1, 28, 28), 2, 2, 0, "one MNIST digit")
CASES: tuple[Case, ...] = (
    _BASE,
    _STEM,
    _flat("3x3 s1 p1 32x192x28x28", "seven", (32, 192, 28, 28), 3, 1, 1, _GOOGLENET),
    _flat("5x5 s1 p2 8x512x20x20", "seven", (8, 512, 20, 20), 5, 1, 2, _SPPF),
    _flat("13x13 s1 p6 8x512x20x20", "seven", (8, 512, 20, 20), 13, 1, 6, _SPP),
    _flat("2x2 s2 1x3x2048x2048", "seven", (1, 3, 2048, 2048), 2, 2, 0, "a 4-megapixel image"),
    _flat("2x2 s2 100x30x24x24", "seven", (100, 30, 24, 24), 2, 2, 0, "Saitoh 2016, ConvNet"),
    _flat("3x3 s1 1x64x128x128", "windows", _WINDOWED, 3, 1, 0, "cost against the window"),
    _flat("15x15 s1 1x64x128x128", "windows", _WINDOWED, 15, 1, 0, "cost against the window"),
    _flat("63x63 s1 1x64x128x128", "windows", _WINDOWED, 63, 1, 0, "cost against the window"),
    TINY,
    _of_network("alexnet pool1", (32, 96, 55, 55), 3, 2, 0, _ALEXNET),
    _of_network("alexnet pool2", (32, 256, 27, 27), 3, 2, 0, _ALEXNET),
    _of_network("alexnet pool5", (32, 256, 13, 13), 3, 2, 0, _ALEXNET),
    _of_network("vgg pool1", (8, 64, 224, 224), 2, 2, 0, _VGG),
    _of_network("vgg pool2", (8, 128, 112, 112), 2, 2, 0, _VGG),
    _of_network("vgg pool3", (8, 256, 56, 56), 2, 2, 0, _VGG),
    _of_network("vgg pool4", (8, 512, 28, 28), 2, 2, 0, _VGG),
    _of_network("vgg pool5", (8, 512, 14, 14), 2, 2, 0, _VGG),
    replace(_of_network("googlenet pool2", (32, 192, 56, 56), 3, 2, 0, _GOOGLENET), ceil_mode=True),
    replace(_of_network("googlenet pool3", (32, 480, 28, 28), 3, 2, 0, _GOOGLENET), ceil_mode=True),
    replace(_of_network("googlenet pool4", (32, 832, 14, 14), 3, 2, 0, _GOOGLENET), ceil_mode=True),
    _of_network("googlenet inception4", (32, 480, 14, 14), 3, 1, 1, _GOOGLENET),
    _of_network("googlenet inception5", (32, 832, 7, 7), 3, 1, 1, _GOOGLENET),
    _of_network("resnet stem, batch 1", (1, 64, 112, 112), 3, 2, 1, _RESNET),
    _of_network("yolo sppf, batch 1", (1, 512, 20, 20), 5, 1, 2, _SPPF),
    _of_network("yolo spp 9x9", (8, 512, 20, 20), 9, 1, 4, _SPP),
    Case("audio k4 s4", "audio", (16, 64, 16000), (4,), (4,), (0,), "a second at 16 kHz"),
    Case("samplecnn pool1", "audio", (8, 128, 19683), (3,), (3,), (0,), _SAMPLE),
    Case(
        "audio k2 dilation 512",
        "audio",
        (8, 32, 16000),
        (2,),
        (1,),
        (0,),
        "the taps of a WaveNet layer, van den Oord et al. 2016",
        dilation=512,
    ),
    Case("i3d pool2", "video", (1, 64, 32, 112, 112), (1, 3, 3), (1, 2, 2), (0, 1, 1), _I3D),
    Case("i3d pool3", "video", (1, 192, 32, 56, 56), (1, 3, 3), (1, 2, 2), (0, 1, 1), _I3D),
    Case("i3d pool4", "video", (1, 480, 32, 28, 28), (3, 3, 3), (2, 2, 2), (1, 1, 1), _I3D),
    Case("i3d pool5", "video", (1, 832, 16, 14, 14), (2, 2, 2), (2, 2, 2), (0, 0, 0), _I3D),
    Case("i3d inception3", "video", (1, 192, 32, 28, 28), (3, 3, 3), (1, 1, 1), (1, 1, 1), _I3D),
    *(
        replace(_BASE, name=f"2x2 s2 {dtype}", group="dtypes", dtype=dtype)
        for dtype in ("float64", "float16", "bfloat16", "int8", "uint16")
    ),
    *(
        replace(case, name=name, group="layouts", shape=(32, 112, 112, 64), axes=(1, 2))
        for case, name in ((_BASE, "2x2 s2 channels last"), (_STEM, "3x3 s2 p1 channels last"))
    ),
)
