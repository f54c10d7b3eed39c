"""Spatial pyramid pooling: all levels' regions by plain loops, one behind the other."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, DTYPES, same_bits
from kind_cases import close, float_of
from region_cases import array, boxes, plane, winners
from test_bad_input import GEOMETRY, NO_ARRAYS, NO_SIZES, X_SHAPES, refusal
from test_kind_adaptive import regions

import ndpool

CASES = 150


def rows(y, axes):
    """(batch axes, regions)."""
    last = np.moveaxis(y, axes, range(-len(axes), 0))
    return last.reshape(*last.shape[: -len(axes)], -1)


def case(seed):
    rng = random.Random(seed)
    x, axes = array(rng, rng.choice([1, 2, 2, 3]), side=7)
    levels = []
    for _ in range(rng.randint(1, 3)):
        sizes = tuple(rng.randint(1, 4) for _ in axes)
        levels.append(sizes[0] if rng.random() < 0.5 else sizes)
    sums = []
    for level in levels:
        out = level if isinstance(level, tuple) else (level,) * len(axes)
        cells = [regions(x.shape[axis], size) for axis, size in zip(axes, out, strict=True)]
        sums.append(boxes(x.shape, axes, cells))
    return x, axes, levels, sums


def test_max_equals_the_oracle():
    for seed in range(CASES):
        x, axes, levels, sums = case(seed)
        before = x.tobytes()
        won = [winners(x, level) for level in sums]
        at = np.concatenate([rows(level, axes) for level in won], axis=-1)
        words = {"axes": axes}
        y, found = ndpool.spatial_pyramid_pool(x, levels, **words, return_indices="tensor")
        assert same_bits(found, at), seed
        assert same_bits(y, x.reshape(-1)[at]), seed
        assert same_bits(ndpool.spatial_pyramid_pool(x, levels, **words), y), seed
        in_plane = ndpool.spatial_pyramid_pool(x, levels, **words, return_indices=True)[1]
        assert same_bits(in_plane, plane(at, x.shape, axes)), seed

        dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(x.dtype)
        exact = oracle.max_pool_backward(dy, at.reshape(-1), x.shape)
        for form, indices in [("plane", in_plane), ("tensor", found)]:
            dx = ndpool.spatial_pyramid_pool_backward(
                dy, x.shape, levels, **words, indices=indices, index_form=form
            )
            assert same_bits(dx, exact), seed
        assert x.tobytes() == before


def test_mean_equals_exact_fractions():
    for seed in range(CASES):
        x, axes, levels, sums = case(seed)
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 5, x.shape).astype(x.dtype)
        whole = x.astype(np.int64)
        words = {"axes": axes, "kind": "avg"}
        y = ndpool.spatial_pyramid_pool(x, levels, **words)
        exact = [oracle.fold(whole, level, lambda v, n: Fraction(sum(v), n)) for level in sums]
        assert y.dtype == float_of(x.dtype)
        assert close(y, np.concatenate([rows(level, axes) for level in exact], axis=-1)), seed

        dy = [rng.integers(0, 5, level.shape) for level in exact]
        flat = np.concatenate([rows(level, axes) for level in dy], axis=-1).astype(x.dtype)
        dx = ndpool.spatial_pyramid_pool_backward(flat, x.shape, levels, **words)
        parts = [
            oracle.fold_backward(
                whole, level.astype(x.dtype).astype(np.int64), regions,
                lambda v, n: [Fraction(1, n)] * n,
            )
            for level, regions in zip(dy, sums, strict=True)
        ]  # fmt: skip
        assert close(dx, sum(parts)), seed


def test_the_vector_of_spp_net():
    """1 + 4 + 16 numbers a channel, whatever the image's size."""
    layer = ndpool.SpatialPyramidPool()
    for size in ((13, 13), (7, 20), (3, 2)):
        x = np.random.default_rng(0).standard_normal((2, 256, *size)).astype(np.float32)
        y = layer(x)
        assert y.shape == (2, 256, 21)
        assert np.array_equal(y[..., 0], x.max(axis=(2, 3)))
        assert np.array_equal(y[..., 1:5], ndpool.adaptive_max_pool(x, 2).reshape(2, 256, 4))
        assert layer.backward(y).shape == x.shape


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes_and_empty_batches(dtype, kind):
    layer = ndpool.SpatialPyramidPool((1, (2, None)), kind=kind)
    assert repr(layer) == f"SpatialPyramidPool((1, (2, None)), kind={kind!r})"
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(np.ones(3))
    for batch in (0, 2):
        x = np.ones((batch, 3, 4)).astype(dtype)
        y = layer(x)
        assert (y.shape, y.dtype) == ((batch, 9), dtype if kind == "max" else float_of(dtype))
        assert (y == 1).all()
        dx = layer.backward(y)
        assert (dx.shape, dx.dtype) == (x.shape, y.dtype)


def test_levels_are_summed_before_they_are_rounded():
    for dtype, big in [(np.float16, 2048), (BFLOAT16, 256)]:  # big + 1 is no number of theirs
        layer = ndpool.SpatialPyramidPool(((1,),) * 5)
        layer.forward(np.ones(2).astype(dtype))
        dx = layer.backward(np.array([big, 1, 1, 1, 1]).astype(dtype))
        assert dx.astype(float).tolist() == [big + 4, 0]
        # two regions of the first level have the middle cell in common
        layer = ndpool.SpatialPyramidPool(((2,), (1,)))
        layer.forward(np.array([0, 1, 0]).astype(dtype))
        dx = layer.backward(np.array([big, 1, 1]).astype(dtype))
        assert dx.astype(float).tolist() == [0, big + 2, 0]


X = np.random.default_rng(0).standard_normal((1, 2, 5, 6))
BAD = [
    *[("levels", {"levels": junk}) for junk in (
        (), [], 2, None, "124", (0,), (2, -1), (2, (2, 2, 2)), ((2,), 2), (2.0,), ("2",), (2**70,),
        {1, 2}, iter([1, 2]),
    )],
    *[("levels", {"levels": (1, junk)}) for junk in NO_SIZES
      if not (isinstance(junk, list) and junk == [2, None])],
    *[("kind", {"kind": junk}) for junk in ("mean", None, 1)],
    *[("axes", {"axes": junk}) for junk in GEOMETRY["axes"]],
]  # fmt: skip


@pytest.mark.parametrize(("name", "words"), BAD)
def test_bad_words(name, words):
    y, at = ndpool.spatial_pyramid_pool(X, return_indices=True)
    for call in (
        lambda **words: ndpool.spatial_pyramid_pool(X, **words),
        lambda **words: ndpool.SpatialPyramidPool(**words).forward(X),
        lambda **words: ndpool.spatial_pyramid_pool_backward(y, X.shape, **words, indices=at),
    ):
        assert refusal(call, **words).startswith(f"{name}: ")


def test_bad_arrays():
    for junk in NO_ARRAYS:
        assert refusal(ndpool.spatial_pyramid_pool, junk).startswith("x: ")
    assert refusal(ndpool.spatial_pyramid_pool, np.ones(3)).startswith("levels: ")
    assert refusal(ndpool.spatial_pyramid_pool, np.ones((2, 0, 3))).startswith("x: ")
    words = {"kind": "avg", "return_indices": True}
    assert refusal(ndpool.spatial_pyramid_pool, X, **words).startswith("return_indices: ")
    for form in ("window", 1, None):
        words = {"return_indices": form}
        assert refusal(ndpool.spatial_pyramid_pool, X, **words).startswith("return_indices: ")
    y, at = ndpool.spatial_pyramid_pool(X, return_indices=True)
    backward = ndpool.spatial_pyramid_pool_backward
    for junk in X_SHAPES:
        named = ("x_shape: ", "x: ", "dy: ", "levels: ")
        assert refusal(backward, y, junk, indices=at).startswith(named)
    assert refusal(backward, y[..., 1:], X.shape, indices=at).startswith("dy: ")
    assert refusal(backward, y, X.shape, kind="avg", indices=at).startswith("indices: ")
    for junk in (None, at[..., 1:], at.astype(np.int32), at.astype(float)):
        assert refusal(backward, y, X.shape, indices=junk).startswith("indices: ")
    for bad in (-1, 30, 2**62):
        at[0, 1, 3] = bad
        assert f"{bad} at " in refusal(backward, y, X.shape, indices=at)
