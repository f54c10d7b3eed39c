"""Median pooling against loops that sort, NumPy's median and SciPy's filter."""

import random

import numpy as np
import pytest
from cases import BFLOAT16, DTYPES, index_dtype, is_float, same_bits
from kind_cases import cases, float_of

import ndpool

METHODS = ["midpoint", "lower", "higher"]


def medians_of(x, sums):
    """For each window the positions of its lower and higher median in the whole array.

    Of equal cells the first in the window; the first NaN if there is one; None without a cell.
    """
    plain = x.astype(np.float32) if x.itemsize == 2 and is_float(x.dtype) else x
    values = plain.reshape(-1).tolist()
    found = []
    for cells in sums.windows:
        if not cells:
            found.append([None, None])
            continue
        nans = [at for at in cells if values[at] != values[at]]
        in_order = sorted(values[at] for at in cells)
        pair = in_order[(len(cells) - 1) // 2], in_order[len(cells) // 2]
        found.append(
            [nans[0] if nans else next(at for at in cells if values[at] == v) for v in pair]
        )
    return np.array(found, object).reshape(*sums.y_shape, 2)


def test_random_cases_equal_the_oracle():
    for case, sums in cases():
        x, before = case.x, case.x.tobytes()
        both = np.moveaxis(medians_of(x, sums).astype(np.int64), -1, 0)
        for method in METHODS:
            at = {"midpoint": both, "lower": both[0], "higher": both[1]}[method]
            y, positions = ndpool.median_pool(
                x, **case.words, method=method, return_indices="tensor"
            )
            assert np.array_equal(positions, at), (method, case)
            assert same_bits(ndpool.median_pool(x, **case.words, method=method), y), case
            flat = x.reshape(-1)
            if method != "midpoint":
                assert same_bits(y, flat[at]), (method, case)
            else:
                assert y.dtype == float_of(x.dtype)
                with np.errstate(all="ignore"):
                    # rounded to float64 first, as by numpy.median; the sum has more digits here
                    low, high = flat[at].astype(np.float64).astype(np.longdouble)
                    mean = ((low + high) / 2).astype(np.float64)
                    assert np.array_equal(y, mean.astype(y.dtype), equal_nan=True), case

            y, offsets = ndpool.median_pool(x, **case.words, method=method, return_indices=True)
            assert offsets.dtype == index_dtype(np.prod(case.kernel, dtype=object)), case
            dy = np.random.default_rng(case.seed).integers(-8, 9, y.shape).astype(y.dtype)
            dx = ndpool.median_pool_backward(dy, offsets, x.shape, **case.words, method=method)
            assert dx.dtype == dy.dtype, case
            if dx.dtype.kind not in "biu":
                cells = at.reshape(2 if method == "midpoint" else 1, y.size)
                expected = expected_gradient(dy, cells, x.shape)
                assert np.array_equal(dx.astype(np.float64), expected), (method, case)
            form = random.Random(case.seed).choice(["plane", "tensor"])
            given = ndpool.median_pool(x, **case.words, method=method, return_indices=form)[1]
            again = ndpool.median_pool_backward(
                dy, given, x.shape, **case.words, method=method, index_form=form
            )
            assert same_bits(again, dx), case
        assert x.tobytes() == before


def expected_gradient(dy, cells, shape):
    """dx in float64, by walking over the windows; `cells` (1 or 2, windows)."""
    dx = np.zeros(int(np.prod(shape)))
    for each in cells:
        for cell, slope in zip(each, dy.astype(np.float64).reshape(-1), strict=True):
            dx[cell] += slope / len(cells)
    return dx.reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equal_to_numpys_median(dtype):
    if dtype == BFLOAT16:
        pytest.skip("NumPy's median of bfloat16 is made in bfloat16")
    rng = np.random.default_rng(0)
    x = (rng.random((3, 6, 8)) * 200 - (100 if is_float(dtype) else 0)).astype(dtype)
    for k in [(2, 2), (3, 4), (3, 2), (1, 1), (6, 8)]:
        # (n, rows, cells of a row, columns, cells of a column)
        blocks = x.reshape(3, 6 // k[0], k[0], 8 // k[1], k[1]).swapaxes(2, 3)
        blocks = blocks.reshape(*blocks.shape[:3], -1)
        with np.errstate(invalid="ignore"):
            expected = np.median(blocks, axis=-1)
        y = ndpool.median_pool(x, k)
        assert y.dtype == expected.dtype
        assert np.array_equal(y, expected)
        if dtype.kind != "b":  # which NumPy has no quantiles of
            for method in ("lower", "higher"):
                expected = np.quantile(blocks, 0.5, axis=-1, method=method)
                assert np.array_equal(ndpool.median_pool(x, k, method=method), expected)


def test_equal_to_scipys_filter():
    """Where the window lies inside; at the border SciPy looks at mirrored cells, ndpool at none."""
    scipy = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    x = np.random.default_rng(0).standard_normal((20, 30))
    for size in (3, 5, 7):
        theirs = scipy.median_filter(x, size)
        edge = size // 2
        inside = theirs[edge:-edge, edge:-edge]
        assert np.array_equal(ndpool.median_pool(x, size, stride=1), inside)
        ours = ndpool.median_pool(x, size, stride=1, padding="same")
        assert np.array_equal(ours[edge:-edge, edge:-edge], inside)
        assert ours[0, 0] == np.median(x[: edge + 1, : edge + 1])


def test_padding_is_no_value():
    """Not even where all cells are as high or as low as can be."""
    for dtype in (np.uint8, np.int8, np.float32):
        info = np.finfo(dtype) if dtype == np.float32 else np.iinfo(dtype)
        for value in (info.min, info.max):
            x = np.full((3, 3), value, dtype)
            for method in METHODS:
                y = ndpool.median_pool(x, 3, stride=1, padding=1, method=method)
                assert (y == value).all()
    assert (ndpool.median_pool(np.full((3, 3), -np.inf), 3, stride=1, padding=1) == -np.inf).all()
    assert (ndpool.median_pool(np.full((3, 3), np.inf), 3, stride=1, padding=1) == np.inf).all()


def test_the_largest_do_not_overflow_and_the_smallest_stay():
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        for value in (info.max, -info.max, info.smallest_subnormal, -0.0):
            y = ndpool.median_pool(np.full((2, 2), value, dtype), 2)
            assert same_bits(y, np.full((1, 1), value, dtype))


def test_equal_middles_give_all_to_the_first():
    x = np.array([[3.0, 1.0, 7.0, 3.0]])
    y, indices = ndpool.median_pool(x, (4,), return_indices=True)
    assert (y.tolist(), indices.tolist()) == ([[3.0]], [[[0]], [[0]]])
    dx = ndpool.median_pool_backward(np.ones((1, 1)), indices, x.shape, (4,))
    assert np.array_equal(dx, [[1, 0, 0, 0]])


def test_many_windows_and_large_ones():
    """More than are looked at in one go, and one that is more than that alone."""
    x = np.random.default_rng(0).permutation(120_000).reshape(300, 400)
    assert ndpool.median_pool(x, (300, 400)) == (120_000 - 1) / 2
    y = ndpool.median_pool(x, (3, 1), stride=1)
    assert np.array_equal(y, np.median([x[:-2], x[1:-1], x[2:]], axis=0))
    y = ndpool.median_pool(x, (299, 399), stride=1, method="lower")
    for row, column in np.ndindex(2, 2):
        cells = np.sort(x[row : row + 299, column : column + 399], axis=None)
        assert y[row, column] == cells[cells.size // 2]


BAD = [("method", "mean"), ("method", None), ("method", 1), ("return_indices", "plain")]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_words(name, value):
    x = np.ones((4, 4))
    with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
        ndpool.median_pool(x, 2, **{name: value})
    if name == "method":
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            ndpool.median_pool_backward(np.ones((2, 2)), np.ones((2, 2)), (4, 4), 2, method=value)


def test_bad_indices():
    x = np.ones((4, 4))
    y, indices = ndpool.median_pool(x, 2, return_indices=True)
    wrong = [indices[0], indices.astype(np.int32), indices + np.uint8(4), indices * 1.0, None, "no"]
    for given in wrong:
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^indices: expected .+, got "):
            ndpool.median_pool_backward(y, given, x.shape, 2)
    with pytest.raises(ndpool.PoolError, match=r"^indices: expected shape"):
        ndpool.median_pool_backward(y, indices, x.shape, 2, method="lower")
