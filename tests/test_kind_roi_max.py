"""Max pooling of regions of interest against plain loops, and ONNX Runtime's MaxRoiPool."""

import random
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from cases import DTYPES, FLOATS, LAYOUTS, REGIMES, laid_out, same_bits, values
from region_cases import boxes, flat, plane, winners
from roi_cases import BAD_ROIS, as_given, boxes_of, single_operator
from test_bad_input import GEOMETRY, NO_ARRAYS, X_SHAPES, refusal

import ndpool

CASES = 200


def rounded(number):
    """To the nearest integer, halves away from zero."""
    return floor(number + Fraction(1, 2)) if number >= 0 else -floor(-number + Fraction(1, 2))


def bins(low, high, n, out):
    """For each bin along one axis its cells in the image: those that share some of its length."""
    low, high = rounded(low), rounded(high)
    length = max(high - low + 1, 1)
    found = []
    for i in range(out):
        begin, end = low + Fraction(i * length, out), low + Fraction((i + 1) * length, out)
        found.append([c for c in range(n) if c + 1 > begin and c < end])
    return found


def float_bins(low, high, n, out):
    """The same as others compute it: the length of a bin as a float32, and its multiples."""
    length = np.float32(max(rounded(high) - rounded(low) + 1, 1)) / np.float32(out)
    found = []
    for i in range(out):
        begin, end = np.floor(np.float32(i) * length), np.ceil(np.float32(i + 1) * length)
        cells = range(int(begin) + rounded(low), int(end) + rounded(low))
        found.append([c for c in cells if 0 <= c < n])
    return found


def roi_max_pool(x, axes, table, out, bins=bins):
    """(y, positions in the whole array or -1) by plain loops."""
    y_shape = [len(table), *x.shape[1:]]
    for axis, size in zip(axes, out, strict=True):
        y_shape[axis] = size
    y, at = np.zeros(y_shape, x.dtype), np.full(y_shape, -1, np.int64)
    for k, (image, low, high) in enumerate(table):
        cells = [bins(low[i], high[i], x.shape[axis], out[i]) for i, axis in enumerate(axes)]
        sums = boxes(x[image].shape, tuple(axis - 1 for axis in axes), cells)
        for place, window in zip(np.ndindex(*sums.y_shape), sums.windows, strict=True):
            if window:
                one = winners(x[image], type(sums)((), [window], [])).item()
                y[(k, *place)] = x[image].reshape(-1)[one]
                at[(k, *place)] = flat((image, one), (len(x), x[image].size))
    return y, at


def test_random_cases_equal_the_oracle():
    empty = 0
    for seed in range(CASES):
        rng = random.Random(seed)
        x_shape, axes, table, _, out = boxes_of(rng, rng.choice([1, 2, 2, 3]))
        out = [rng.choice([1, 2, 3, 5]) for _ in out]
        dtype, numbers = rng.choice(DTYPES), np.random.default_rng(seed)
        x = laid_out(values(numbers, rng.choice(REGIMES), x_shape, dtype), rng.choice(LAYOUTS), rng)
        before = x.tobytes()
        rois, words, size = as_given(rng, x.ndim, axes, table, out)
        expected, cells = roi_max_pool(x, axes, table, out)
        y, at = ndpool.roi_max_pool(x, rois, size, **words, return_indices="tensor")
        assert same_bits(y, expected), seed
        assert same_bits(at, cells), seed
        assert same_bits(ndpool.roi_max_pool(x, rois, size, **words), y), seed
        in_plane = ndpool.roi_max_pool(x, rois, size, **words, return_indices=True)[1]
        there = np.where(cells < 0, 0, cells)
        assert np.array_equal(in_plane, np.where(cells < 0, -1, plane(there, x.shape, axes))), seed
        empty += (cells < 0).sum()

        dy = numbers.integers(0, 4, y.shape).astype(dtype)
        exact = np.zeros(x.size, np.float64)
        np.add.at(exact, there[cells >= 0], dy[cells >= 0].astype(np.float64))
        for form, indices in [("plane", in_plane), ("tensor", at)]:
            dx = ndpool.roi_max_pool_backward(
                dy, indices, x.shape, rois, size, **words, index_form=form
            )
            assert same_bits(dx, exact.reshape(x.shape).astype(dtype)), seed
        assert x.tobytes() == before
    assert empty > 100


def test_random_cases_equal_onnxruntime():
    """But for bins that get a cell more in float32; its arithmetic, repeated, explains each."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    others = 0
    for seed in range(60):
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        x = numbers.standard_normal((2, 3, rng.randint(4, 30), rng.randint(4, 30)))
        x = x.astype(np.float32)
        count, out = rng.randint(1, 4), [rng.randint(1, 9), rng.randint(1, 9)]
        ends = np.sort(numbers.integers(-8, 140, (count, 2, 2)), axis=1).reshape(count, 4)
        images = numbers.integers(0, 2, count)
        rois = np.column_stack([images, ends]).astype(np.float32)
        theirs = single_operator(
            runtime, "MaxRoiPool", [x, rois], 8, pooled_shape=out, spatial_scale=0.25
        )
        ours = ndpool.roi_max_pool(x, rois, out, spatial_scale=0.25)
        if np.array_equal(ours, theirs):
            continue
        table = [(image, [Fraction(int(r[1]), 4), Fraction(int(r[0]), 4)],
                  [Fraction(int(r[3]), 4), Fraction(int(r[2]), 4)])
                 for image, r in zip(images, ends, strict=True)]  # fmt: skip
        assert np.array_equal(theirs, roi_max_pool(x, (2, 3), table, out, float_bins)[0]), seed
        assert np.array_equal(ours, roi_max_pool(x, (2, 3), table, out)[0]), seed
        others += 1
    assert others < 30


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_empty_batches(dtype):
    layer = ndpool.RoIPool((2, 3))
    for shape, count in [
        ((0, 4, 6, 7), 0),
        ((2, 0, 6, 7), 3),
        ((2, 4, 6, 7), 0),
        ((1, 1, 6, 7), 2),
    ]:
        x = np.ones(shape).astype(dtype)
        y = layer(x, np.full((count, 5), [0, 1, 1, 5, 5]))
        assert (y.shape, y.dtype) == ((count, shape[1], 2, 3), dtype)
        assert (y == 1).all()
        dx = layer.backward(y)
        assert (dx.shape, dx.dtype) == (x.shape, dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_and_infinities(dtype):
    x = np.full((1, 3, 4), -np.inf).astype(dtype)
    x[0, 1, 1:3] = np.nan
    y, at = ndpool.roi_max_pool(x, [[0, 0, 3, 2], [0, 0, 0, 2]], 1, return_indices=True)
    assert np.array_equal(y.astype(float).ravel(), [np.nan, -np.inf], equal_nan=True)
    assert at.ravel().tolist() == [5, 0]


def test_layers():
    x = np.random.default_rng(0).standard_normal((2, 9, 10, 3))
    rois = [[1, 2.0, 3.0, 16, 14], [0, 4.0, 4.0, 8.0, 8.0]]
    layer = ndpool.RoIPool((2, 3), axes=(1, 2), spatial_scale=0.5)
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(x)
    y = layer(x, rois)
    assert y.shape == (2, 2, 3, 3)
    assert repr(layer) == "RoIPool((2, 3), axes=(1, 2), spatial_scale=0.5)"
    again = eval(repr(layer), {"RoIPool": ndpool.RoIPool})
    assert np.array_equal(again(x, np.array(rois)[:, 1:], batch_indices=[1, 0]), y)
    dx = layer.backward(y)
    assert np.isclose(dx.sum(), y.sum())
    assert np.array_equal(dx, layer.backward(y))
    assert np.array_equal(dx, again.backward(y))


X = np.random.default_rng(0).standard_normal((1, 2, 5, 6))
ROIS = np.array([[0.0, 1, 4, 5], [1, 1, 2, 3]])
BAD = [
    *BAD_ROIS,
    *[("size", {"size": junk}) for junk in (0, (2, 0), "2", 2.0, (2,) * 5, (), None, 2**70, True)],
    *[("axes", {"axes": junk}) for junk in [*GEOMETRY["axes"], (0, 1), (0, -1)]],
]


@pytest.mark.parametrize(("name", "words"), BAD)
def test_bad_words(name, words):
    y, at = ndpool.roi_max_pool(X, ROIS, 2, return_indices=True)

    def forward(rois=ROIS, size=2, **words):
        return ndpool.roi_max_pool(X, rois, size, **words)

    def backward(rois=ROIS, size=2, **words):
        return ndpool.roi_max_pool_backward(y, at, X.shape, rois, size, **words)

    def layer(size=2, rois=ROIS, batch_indices=None, **words):
        return ndpool.RoIPool(size, **words)(X, rois, batch_indices)

    expected = {"size": "output_size"}.get(name, name)
    for call in (forward, backward, layer):
        assert refusal(call, **words).startswith(f"{expected}: ")


def test_bad_arrays():
    for junk in NO_ARRAYS:
        assert refusal(ndpool.roi_max_pool, junk, ROIS, 2).startswith("x: ")
    for shape in [(5, 6), (1, 0, 6), (1, 2, 5, 0)]:
        assert refusal(ndpool.roi_max_pool, np.ones(shape), ROIS, 2).startswith("x: ")
    many = np.ones((2, 2, 5, 6))
    assert "which of 2 images" in refusal(ndpool.roi_max_pool, many, ROIS, 2)
    for form in ("window", 1, None):
        words = {"return_indices": form}
        assert refusal(ndpool.roi_max_pool, X, ROIS, 2, **words).startswith("return_indices: ")
    y, at = ndpool.roi_max_pool(X, ROIS, 2, return_indices=True)
    backward = ndpool.roi_max_pool_backward
    for junk in X_SHAPES:
        named = ("x_shape: ", "x: ", "dy: ", "output_size: ")
        assert refusal(backward, y, at, junk, ROIS, 2).startswith(named)
    assert refusal(backward, y[:1], at, X.shape, ROIS, 2).startswith("dy: ")
    for junk in (None, at[:1], at.astype(np.int32), at.astype(float), "at"):
        assert refusal(backward, y, junk, X.shape, ROIS, 2).startswith("indices: ")
    for form in ("window", 1, None):
        words = {"index_form": form}
        assert refusal(backward, y, at, X.shape, ROIS, 2, **words).startswith("index_form: ")


@pytest.mark.parametrize("form", ["plane", "tensor"])
@pytest.mark.parametrize("axes", [(1, 2), (2, 3)])
def test_winners_outside_their_bin_are_refused(axes, form):
    """Wherever they point to; in a bin that reaches over the image only -1 is right."""
    shape = (2, 5, 6, 2) if axes == (1, 2) else (2, 2, 5, 6)
    x = np.random.default_rng(0).standard_normal(shape)
    rois, words = [[1, 1, 0, 12, 3]], {"axes": axes}
    per_axis = [bins(0, 3, 5, 2), bins(1, 12, 6, 2)]
    y, at = ndpool.roi_max_pool(x, rois, 2, **words, return_indices=form)
    assert [list(map(len, along)) for along in per_axis] == [[2, 2], [5, 0]]
    every = np.arange(x.size).reshape(shape)
    for place in np.ndindex(*y.shape):
        right = set()
        for row in per_axis[0][place[axes[0]]]:
            for column in per_axis[1][place[axes[1]]]:
                cell = [1, *place[1:]]
                cell[axes[0]], cell[axes[1]] = row, column
                right.add(6 * row + column if form == "plane" else int(every[tuple(cell)]))
        for position in [*range(-3, x.size + 3), 2**62, -(2**62)]:
            bad = at.copy()
            bad[place] = position
            arguments = (np.ones(y.shape), bad, x.shape, rois, 2)
            if position in (right or {-1}):
                ndpool.roi_max_pool_backward(*arguments, **words, index_form=form)
            else:
                message = refusal(
                    ndpool.roi_max_pool_backward, *arguments, **words, index_form=form
                )
                assert f"{position} at {place}" in message
