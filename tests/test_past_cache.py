"""Results that no cache holds are written around it: they are those of their parts.

The parts are small enough to be written as all others are, which are held against numpy.
"""

import numpy as np
import pytest
from cases import needs_native, same_bits

import ndpool
from ndpool.engines import native

pytestmark = needs_native
SETS = [] if native.missing else native._native.instruction_sets()
LARGE = 48 << 20  # bytes of dx, dy and winners: see kPastCache in bind.cc
LARGE_Y = 32 << 20  # bytes of y: see kPastCacheY there
OVERLAPPING = {"kernel_size": 3, "stride": 2, "padding": 1}
SAME = {"kernel_size": 3, "stride": 1, "padding": 1}
CASES = {  # name: shape, dtype, words
    "pieces": ((3000, 5, 33, 31), "float32", {"kernel_size": 3}),
    "pieces with cells behind": ((600, 98, 291), "float32", {"kernel_size": (3, 4)}),
    "long rows of two cells": ((62, 130, 2002), "float32", {"kernel_size": 2}),
    "rows longer than what goes out at once": ((15, 130, 9002), "float32", {"kernel_size": 2}),
    "volumes of two cells": ((9, 20, 130, 702), "float32", {"kernel_size": 2, "axes": (1, 2, 3)}),
    "pairs": ((101, 303, 553), "float32", OVERLAPPING),
    "pairs of halves": ((202, 303, 553), "float16", OVERLAPPING),
    "pairs of bytes": ((401, 301, 454), "uint8", {"kernel_size": 2}),
    "pairs of long rows": ((20, 301, 2803), "float32", OVERLAPPING),
    "pairs in volumes": ((21, 9, 150, 601), "float32", {**OVERLAPPING, "axes": (1, 2, 3)}),
    "pairs of rows apart": ((50, 61, 7, 871), "float32", {**OVERLAPPING, "axes": (1, 3)}),
    "a line": ((61, 331, 457), "float32", SAME),
    "a line in panels": ((5, 101, 29003), "float64", SAME),
    "a line of integers": ((61, 331, 457), "int32", SAME),
    "a line of bytes": ((501, 150, 257), "uint8", {"kernel_size": 5, "stride": 1, "padding": 2}),
    "a line of small planes": ((24001, 13, 29), "int64", SAME),
    "a line of volumes": ((301, 9, 61, 131), "int16", {**SAME, "axes": (1, 2, 3)}),
    "a line of channels": ((40, 41, 57, 130), "float32", {**SAME, "axes": (1, 2)}),
    "channels last": ((40, 61, 57, 130), "float32", {**OVERLAPPING, "axes": (1, 2)}),
    # whose channels are whole lines of the cache
    "lines of channels": ((100, 31, 33, 64), "float32", {**SAME, "axes": (1, 2)}),
    "lines of channels, halves": ((100, 31, 33, 128), "bfloat16", {**SAME, "axes": (1, 2)}),
    "lines of channels, bytes": ((100, 31, 33, 256), "uint8", {**SAME, "axes": (1, 2)}),
    "lines of channels, two apart": (
        (150, 31, 33, 64),
        "float32",
        {"kernel_size": 2, "axes": (1, 2)},
    ),
    "lines of channels, two apart, halves": (
        (150, 31, 33, 128),
        "float16",
        {"kernel_size": 2, "axes": (1, 2)},
    ),
}


TWO_APART = {"kernel_size": (1, 3), "stride": (1, 2), "axes": (1, 2)}
FORWARD = {  # shape, dtype, words
    "rows": ((17, 1013, 1001), "float32", TWO_APART),
    "rows of bytes": ((35, 2011, 1003), "uint8", TWO_APART),
    "long rows": ((3, 139, 41999), "float32", TWO_APART),
    "short rows": ((36000, 31, 33), "float32", {"kernel_size": 2, "axes": (1, 2)}),
    "short rows of halves": ((20000, 33, 101), "float16", {**OVERLAPPING, "axes": (1, 2)}),
    "windows of three cells": ((97, 131, 2003), "float32", {"kernel_size": 3, "axes": 2}),
    "lines of channels": ((130, 31, 33, 64), "float32", {**SAME, "axes": (1, 2)}),
    "lines of channels, halves": ((130, 31, 33, 128), "float16", {**SAME, "axes": (1, 2)}),
    "lines of channels, bytes": ((130, 31, 33, 256), "int8", {**SAME, "axes": (1, 2)}),
    "channels, no whole lines": ((130, 31, 33, 65), "float32", {**SAME, "axes": (1, 2)}),
    "rows with gaps between": ((800, 61, 3, 187), "float64", {**OVERLAPPING, "axes": (1, 3)}),
}


@pytest.fixture(autouse=True)
def settings():
    """The set of instructions is afterwards what it was."""
    before = native.instruction_set()
    yield
    native._native.set_instruction_set(before)


def parts(count):
    """Slices of so many, none of them large."""
    return [slice(p[0], p[-1] + 1) for p in np.array_split(np.arange(count), min(count, 9))]


@pytest.mark.parametrize("name", FORWARD)
def test_an_output_past_the_cache_is_that_of_its_parts(name):
    shape, dtype, words = FORWARD[name]
    cells = np.random.default_rng(len(name)).integers(0, 128, 1_000_003).astype(dtype)
    if dtype[0] == "f":
        # as integers, which halves are compared as first, these are the lowest
        cells[::100_003] = -np.nan
        cells[500_000:900_000:7_000] = -np.nan
    x = np.resize(cells, shape)
    if dtype[0] == "f":
        x[-1, -2:] = -np.nan
    for instructions in SETS:
        native._native.set_instruction_set(instructions)
        y, indices = ndpool.max_pool(x, return_indices=True, **words)
        assert y.nbytes >= LARGE_Y
        assert same_bits(ndpool.max_pool(x, **words), y)
        for here in parts(shape[0]):
            expected, winners = ndpool.max_pool(x[here], return_indices=True, **words)
            assert same_bits(y[here], expected), (instructions, here)
            assert np.array_equal(indices[here], winners), (instructions, here)


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_past_the_cache_is_that_of_its_parts(name):
    shape, dtype, words = CASES[name]
    words = {"axes": (-2, -1), **words}
    # as many cells as a prime number: no part is like another
    generator = np.random.default_rng(len(name))
    cells = generator.integers(-128, 128, 1_000_003).astype(dtype)
    x = np.resize(cells, shape)
    y, indices = ndpool.max_pool(x, return_indices=True, **words)
    dy = np.resize(cells[::-1] / 3 if dtype == "float32" else cells[::-1], y.shape).astype(dtype)
    assert x.nbytes + dy.nbytes + indices.nbytes >= LARGE
    for instructions in SETS:
        native._native.set_instruction_set(instructions)
        dx = ndpool.max_pool_backward(dy, indices, shape, **words)
        for here in parts(shape[0]):
            size = dy[here].shape[:1] + shape[1:]
            expected = ndpool.max_pool_backward(dy[here], indices[here], size, **words)
            assert same_bits(dx[here], expected), (instructions, here)
