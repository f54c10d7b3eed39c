"""One thing varied, the rest kept: the window, the size, the batch, the dtype, layout, threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .case import Case, Sizes


def _flat(name: str, group: str, shape: Sizes, k: int, s: int, p: int, source: str) -> Case:
    """A case of square windows over the last two axes."""
    return Case(name, group, shape, (k, k), (s, s), (p, p), source)


_HALVE = _flat("2x2 s2 32x64x112x112", "seven", (32, 64, 112, 112), 2, 2, 0, "a VGG-like layer")
_STEM = _flat("3x3 s2 p1 32x64x112x112", "seven", (32, 64, 112, 112), 3, 2, 1, "ResNet's stem")
_SAME = _flat(
    "3x3 s1 p1 32x192x28x28", "seven", (32, 192, 28, 28), 3, 1, 1, "GoogLeNet's inception"
)

SEVEN: tuple[Case, ...] = (
    _HALVE,
    _STEM,
    _SAME,
    _flat("5x5 s1 p2 8x512x20x20", "seven", (8, 512, 20, 20), 5, 1, 2, "YOLO's SPPF"),
    _flat("13x13 s1 p6 8x512x20x20", "seven", (8, 512, 20, 20), 13, 1, 6, "YOLO's SPP"),
    _flat("2x2 s2 1x3x2048x2048", "seven", (1, 3, 2048, 2048), 2, 2, 0, "a 4-megapixel image"),
    _flat("2x2 s2 100x30x24x24", "seven", (100, 30, 24, 24), 2, 2, 0, "Saitoh 2016, ConvNet"),
)
TINY = _flat("2x2 s2 1x1x28x28", "tiny", (1, 1, 28, 28), 2, 2, 0, "one MNIST digit")

WINDOWS = (2, 3, 4, 5, 7, 9, 13, 17, 23, 31, 47, 63)
_PLANES = tuple(4**power for power in range(9))  # of 64x64 float32, 16 KiB: to 1 GiB in all
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "uint16")


def _of_window(k: int) -> Case:
    """Padded so that there are as many windows whatever their size (of an even one, a row less)."""
    case = _flat(f"{k}x{k} s1", "window", (1, 64, 128, 128), k, 1, (k - 1) // 2, "cost by window")
    return replace(case, compared="windows")


def _of_size(planes: int) -> Case:
    kib = 16 * planes
    amount = f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"
    return _flat(f"2x2 s2 {amount}", "size", (1, planes, 64, 64), 2, 2, 0, "cost by size")


def _of_batch(batch: int) -> Case:
    return _flat(f"3x3 s2 p1 batch {batch}", "batch", (batch, 64, 56, 56), 3, 2, 1, "cost by batch")


def _of_dtype(case: Case, dtype: str) -> Case:
    """As many bytes in each: narrower cells, more images. (bfloat16 has 2, known to ml_dtypes.)"""
    size = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    batch, *plane = case.shape
    layer = case.name.rpartition(" ")[0]
    return replace(
        case, name=f"{layer} {dtype}", group="dtype", shape=(batch * 4 // size, *plane),
        dtype=dtype, compared=f"dtypes {layer}",
    )  # fmt: skip


def _by_layout(case: Case) -> tuple[Case, Case]:
    """The same bytes with the channels first and last."""
    batch, channels, height, width = case.shape
    layer = case.name.rpartition(" ")[0]
    first = replace(
        case, name=f"{layer} channels first", group="layout", compared=f"layouts {layer}"
    )
    last = (batch, height, width, channels)
    return first, replace(first, name=f"{layer} channels last", shape=last, axes=(1, 2))


def _on_threads(place: str, shape: Sizes, k: int, s: int, p: int) -> Case:
    return _flat(f"{k}x{k} s{s} {place}", "threads", shape, k, s, p, "two threads against one")


# The layers that the dtypes and layouts are tried on lie beyond the cache, 100 MB each.
_WIDE = replace(_SAME, shape=(160, 192, 28, 28))
SWEEPS: tuple[Case, ...] = (
    *map(_of_window, WINDOWS),
    *map(_of_size, _PLANES),
    *map(_of_batch, _BATCHES),
    *(_of_dtype(case, dtype) for case in (_HALVE, _STEM, _WIDE) for dtype in DTYPES),
    *(case for pair in map(_by_layout, (_HALVE, _STEM, _WIDE)) for case in pair),
    _on_threads("in cache", (4, 64, 112, 112), 2, 2, 0),
    _on_threads("in cache", (4, 64, 112, 112), 3, 2, 1),
    _on_threads("in cache", (4, 192, 28, 28), 3, 1, 1),
    _on_threads("in cache", (8, 512, 20, 20), 5, 1, 2),
    _on_threads("in cache", (8, 512, 20, 20), 13, 1, 6),
    _on_threads("out of cache", (32, 64, 112, 112), 2, 2, 0),
    _on_threads("out of cache", (32, 64, 112, 112), 3, 2, 1),
    _on_threads("out of cache", (160, 192, 28, 28), 3, 1, 1),
    TINY,
)
