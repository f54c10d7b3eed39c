"""Reductions of scientists' arrays: large images, volumes and signals, most of them of integers."""

from __future__ import annotations

from .case import Case, Sizes


def _blocks(name: str, shape: Sizes, k: int, source: str, dtype: str) -> Case:
    d = len(shape) - 2
    return Case(name, "science", shape, (k,) * d, (k,) * d, (0,) * d, source, dtype=dtype)


def _sliding(name: str, shape: Sizes, k: int, source: str, dtype: str) -> Case:
    """A maximum around each cell: k is odd, the result as large as the input."""
    d = len(shape) - 2
    return Case(name, "science", shape, (k,) * d, (1,) * d, (k // 2,) * d, source, dtype=dtype)


_4K = (1, 3, 2160, 3840)
_FRAME = (1, 1, 2160, 3840)
_VOLUME = (1, 1, 256, 256, 256)
_SIGNAL = (1, 8, 4_000_000)
_SHORTER = (1, 8, 500_000)

SCIENCE: tuple[Case, ...] = (
    _blocks("4k image 2x2", _4K, 2, "halving a picture", "float32"),
    _blocks("4k image 2x2 uint8", _4K, 2, "halving a picture", "uint8"),
    _blocks("4k image 2x2 uint16", _4K, 2, "halving a picture", "uint16"),
    _blocks("4k image 10x10 uint16", _FRAME, 10, "brightest pixels of a micrograph", "uint16"),
    _sliding("4k image 3x3 s1", _FRAME, 3, "local maxima", "float32"),
    _sliding("4k image 31x31 s1 uint8", _FRAME, 31, "grey dilation, Haralick et al. 1987", "uint8"),
    _sliding("4k image 9x9 s1 uint16", _FRAME, 9, "grey dilation, Haralick et al. 1987", "uint16"),
    _blocks("volume 2x2x2", _VOLUME, 2, "one level of a pyramid", "float32"),
    _blocks("volume 2x2x2 uint16", _VOLUME, 2, "one level of a pyramid", "uint16"),
    _blocks("volume 4x4x4 int8", _VOLUME, 4, "two levels at once, of labels", "int8"),
    _sliding("volume 3x3x3 s1 uint8", _VOLUME, 3, "dilation of a mask", "uint8"),
    _sliding("volume 3x3x3 s1", (1, 1, 128, 256, 256), 3, "local maxima", "float32"),
    _blocks("signal blocks of 100", _SIGNAL, 100, "an envelope to draw", "float32"),
    _blocks("signal blocks 100 int16", _SIGNAL, 100, "an envelope to draw", "int16"),
    _sliding("signal 1001 s1", _SHORTER, 1001, "a running maximum", "float32"),
    _sliding("signal 1001 s1 float64", _SHORTER, 1001, "a running maximum", "float64"),
    _blocks("features 2x2 int8", (32, 64, 112, 112), 2, "a quantised network", "int8"),
)
