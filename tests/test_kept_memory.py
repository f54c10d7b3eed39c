"""The memory of large results is kept for the next ones, within bounds, and never shows."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cases import needs_native

import ndpool
from ndpool.engines import native

MIB = 2**20
BAD = [
    (-1, ndpool.PoolError),
    (2**40, ndpool.PoolError),
    (1.5, TypeError),
    (True, TypeError),
    ("1", TypeError),
    (None, TypeError),
]


@pytest.fixture
def kept():
    """A function that says how many bytes are kept; none at first, at most 64 MiB."""
    before = native._native.kept_memory()
    ndpool.set_kept_memory(0)
    ndpool.set_kept_memory(64)
    yield native._native.kept_now
    ndpool.set_kept_memory(before // MIB)


def gradient(mebibytes: int, fill: float) -> np.ndarray:
    """A gradient of so many MiB: `fill` in the first cell of each window, zero in the second."""
    dy = np.full((mebibytes, MIB // 8), fill, np.float32)
    indices = np.zeros(dy.shape, np.uint8)
    return ndpool.max_pool_backward(dy, indices, (mebibytes, MIB // 4), (2,))


@needs_native
def test_memory_that_was_let_go_is_used_again(kept):
    first = gradient(8, 1.0)
    assert kept() == 0
    address = first.ctypes.data
    del first
    assert kept() == 8 * MIB
    second = gradient(8, 2.0)
    assert kept() == 0 and second.ctypes.data == address
    assert (second[:, ::2] == 2).all() and not second[:, 1::2].any()


@needs_native
def test_of_another_size_it_is_not(kept):
    del_me = gradient(8, 1.0)
    del del_me
    other = gradient(9, 1.0)
    assert kept() == 8 * MIB and other.sum() == 9 * MIB / 8


@needs_native
def test_no_more_than_was_asked_for_is_kept(kept):
    for size in (30, 20, 25):  # the first of them has to go
        result = gradient(size, 1.0)
        del result
    assert kept() == 45 * MIB
    ndpool.set_kept_memory(26)
    assert kept() == 25 * MIB
    result = gradient(27, 1.0)
    del result
    assert kept() == 25 * MIB
    ndpool.set_kept_memory(0)
    assert kept() == 0


@needs_native
def test_views_resizing_and_copies(kept):
    whole = gradient(8, 3.0)
    part = whole[1, :10]
    del whole
    assert kept() == 0 and part.tolist() == [3, 0] * 5
    del part
    assert kept() == 8 * MIB
    result = gradient(8, 1.0)
    assert result.flags.owndata
    result.resize((16, MIB // 4), refcheck=False)
    assert result[:8].sum() == MIB and not result[8:].any()
    del result
    assert kept() == 16 * MIB


@needs_native
def test_forward_results_too(kept):
    x = np.arange(16 * MIB, dtype=np.uint8)
    for _ in range(2):
        y, indices = ndpool.max_pool(x, (2,), return_indices=True)
        assert (y == x[1::2] | x[::2]).all() and (indices == 1).all()
        del y, indices
        assert kept() == 16 * MIB


@needs_native
def test_small_results_are_not_kept(kept):
    result = gradient(3, 1.0)
    del result
    assert kept() == 0


@pytest.mark.parametrize(("value", "error"), BAD)
def test_bad_sizes(value, error):
    with pytest.raises(error, match="mebibytes"):
        ndpool.set_kept_memory(value)


@needs_native
@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("7", 7), ("", None), ("x", None)])
def test_the_variable(value, expected):
    code = "import ndpool; print(ndpool.engines.native._native.kept_memory() >> 20)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NDPOOL_KEPT_MEMORY": value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("NDPOOL_KEPT_MEMORY: expected" in done.stderr) == (value == "x")
    default = native._kept_memory_at_start()
    assert int(done.stdout) == (default if expected is None else expected)
