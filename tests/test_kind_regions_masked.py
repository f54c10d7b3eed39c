"""Adaptive and pyramid pooling of the cells that `where` and `nan_policy` leave, by plain loops."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import is_float, same_bits
from kind_cases import close, float_of
from region_cases import kept, winners
from test_bad_input import refusal
from test_kind_adaptive import case

import ndpool

CASES = 300
NAN = float("nan")


def masked_case(seed, dtype=None):
    """(x, size and words, what each region has left, where)."""
    x, _, _, sums, (size, words) = case(seed, dtype)
    rng = random.Random(seed)
    shape = [1 if rng.random() < 0.15 else n for n in x.shape][rng.choice([0, 0, 1]) :]
    mask = np.random.default_rng(seed).random(shape) < rng.choice([0, 0.3, 0.6, 0.9, 1])
    mask = np.asarray(mask)
    return x, size, words, kept(sums, np.broadcast_to(mask, x.shape)), mask


def test_max_equals_the_oracle():
    refused = 0
    for seed in range(CASES):
        x, size, words, sums, where = masked_case(seed)
        before = x.tobytes()
        has = np.array([bool(cells) for cells in sums.windows]).reshape(sums.y_shape)
        words["where"] = where
        if not is_float(x.dtype) and not has.all():
            message = refusal(ndpool.adaptive_max_pool, x, size, **words)
            first = tuple(int(i) for i in np.argwhere(~has)[0])
            assert message.startswith("where: ")
            assert f"none in the window of y at {first}" in message
            refused += 1
            continue
        y, at = ndpool.adaptive_max_pool(x, size, **words, return_indices="tensor")
        some = sums._replace(windows=[cells or [0] for cells in sums.windows])
        expected = winners(x, some)
        assert np.array_equal(at[has], expected[has]), seed
        assert same_bits(y[has], x.reshape(-1)[expected[has]]), seed
        assert np.isnan(y[~has].astype(float)).all(), seed
        assert y.dtype == x.dtype
        again = ndpool.adaptive_max_pool(x, size, **words)
        assert same_bits(again, y), seed

        dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(x.dtype)
        exact = np.zeros(x.size)
        np.add.at(exact, expected[has], dy[has].astype(float))
        dx = ndpool.adaptive_max_pool_backward(dy, at, x.shape, size, **words, index_form="tensor")
        assert same_bits(dx, exact.reshape(x.shape).astype(x.dtype)), seed
        at = ndpool.adaptive_max_pool(x, size, **words, return_indices=True)[1]
        again = ndpool.adaptive_max_pool_backward(dy, at, x.shape, size, **words)
        assert same_bits(again, dx), seed
        assert x.tobytes() == before
    assert 20 < refused < CASES / 2


def test_mean_equals_exact_fractions():
    for seed in range(CASES):
        x, size, words, sums, where = masked_case(seed)
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 5, x.shape).astype(x.dtype)
        y = ndpool.adaptive_avg_pool(x, size, **words, where=where)
        whole = x.astype(np.int64)
        exact = oracle.fold(whole, sums, lambda v, n: Fraction(sum(v), n) if n else NAN)
        assert y.dtype == float_of(x.dtype)
        assert close(y, exact), seed
        dy = rng.integers(0, 5, y.shape).astype(x.dtype)
        dx = ndpool.adaptive_avg_pool_backward(dy, x.shape, size, **words, where=where)
        exact = oracle.fold_backward(
            whole, dy.astype(np.int64), sums, lambda v, n: [Fraction(1, n)] * n if n else []
        )
        assert close(dx, exact), seed


def test_nan_policies():
    for seed in range(CASES):
        x, size, words, _, _ = masked_case(seed, np.float64)
        x = np.where(np.isfinite(x), np.clip(x, -1e300, 1e300), x)  # no sum overflows
        numbers = ~np.isnan(x)
        for pool in (ndpool.adaptive_max_pool, ndpool.adaptive_avg_pool):
            omitted = pool(x, size, **words, nan_policy="omit")
            masked = pool(x, size, **words, where=numbers)
            assert np.allclose(omitted, masked, rtol=1e-12, equal_nan=True), seed
            if numbers.all():
                plain = pool(x, size, **words, nan_policy="raise")
                assert np.allclose(plain, omitted, rtol=1e-12, equal_nan=True), seed
            else:
                message = refusal(pool, x, size, **words, nan_policy="raise")
                first = tuple(int(i) for i in np.argwhere(~numbers)[0])
                assert message.startswith("x: ")
                assert f"NaN at {first}" in message


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_layers_remember_which_cells_were_there(kind):
    x = np.array([[1.0, NAN, 5.0, 2.0, NAN]])
    adaptive = {"max": ndpool.AdaptiveMaxPool, "avg": ndpool.AdaptiveAvgPool}[kind]
    expected = {"max": ([[5, 5]], [[0, 0, 3, 0, 0]]), "avg": ([[3, 3.5]], [[0.5, 0, 1.5, 1, 0]])}
    for layer in (
        adaptive((2,), nan_policy="omit"),
        ndpool.SpatialPyramidPool([(2,)], kind=kind, nan_policy="omit"),
    ):
        y, dx = expected[kind]
        assert layer(x).tolist() == y
        assert layer.backward(np.array([[1.0, 2.0]])).tolist() == dx
        assert layer.forward(x, where=np.array([1, 1, 0, 1, 1], bool)).tolist() == [[1, 2]]
        assert layer.backward(np.array([[1.0, 2.0]])).tolist() == [[1, 0, 0, 2, 0]]


def test_pyramids_are_masked_level_by_level():
    for seed in range(60):
        x, _, words, _, where = masked_case(seed, np.float32)
        axes = words.get("axes", tuple(range(-x.ndim, 0)))
        levels = [(1,) * len(axes), (2,) * len(axes)]
        words = {"axes": axes, "where": where}
        for kind in ("max", "avg"):
            one = {"max": ndpool.adaptive_max_pool, "avg": ndpool.adaptive_avg_pool}[kind]
            back = {
                "max": ndpool.adaptive_max_pool_backward, "avg": ndpool.adaptive_avg_pool_backward
            }[kind]  # fmt: skip
            asked = {"return_indices": "tensor"} if kind == "max" else {}
            found = ndpool.spatial_pyramid_pool(x, levels, kind=kind, **words, **asked)
            y, at = found if kind == "max" else (found, None)
            dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(np.float32)
            dx = ndpool.spatial_pyramid_pool_backward(
                dy, x.shape, levels, kind=kind, **words, indices=at, index_form="tensor"
            )
            total, first = np.zeros(x.shape), 0
            sorted_axes = sorted(axis % x.ndim for axis in axes)
            for level in levels:
                part = one(x, level, **words)
                last = np.moveaxis(part, sorted_axes, range(-len(axes), 0))
                many = int(np.prod(level))
                rows = (*last.shape[: -len(axes)], many)
                here = slice(first, first + many)
                assert np.array_equal(y[..., here], last.reshape(rows), equal_nan=True), seed
                # (batch axes, regions) -> the level's own shape
                slopes = np.moveaxis(
                    dy[..., here].reshape(last.shape), range(-len(axes), 0), sorted_axes
                )
                saved = ()
                if kind == "max":
                    saved = (one(x, level, **words, return_indices=True)[1],)
                total += back(slopes, *saved, x.shape, level, **words)
                first += many
            assert np.allclose(dx, total, rtol=1e-6), seed


def test_winners_that_were_not_there_are_refused():
    x, where = np.array([3.0, 1.0, 2.0, 5.0, 4.0]), np.array([0, 1, 1, 0, 1], bool)
    y, at = ndpool.adaptive_max_pool(x, (2,), where=where, return_indices="plane")
    assert at.tolist() == [2, 4]
    words = {"where": where, "index_form": "plane"}
    for bad in ([0, 4], [2, 3]):
        message = refusal(ndpool.adaptive_max_pool_backward, y, np.array(bad), (5,), (2,), **words)
        assert message.startswith("indices: ")


@pytest.mark.parametrize("where", [1, [1, 0], "yes", np.ones(3, bool), np.ones((2, 5), bool)])
def test_bad_masks(where):
    x = np.ones(5)
    y, at = ndpool.adaptive_max_pool(x, (2,), return_indices=True)
    for call in (
        lambda: ndpool.adaptive_max_pool(x, (2,), where=where),
        lambda: ndpool.adaptive_avg_pool(x, (2,), where=where),
        lambda: ndpool.adaptive_max_pool_backward(y, at, (5,), (2,), where=where),
        lambda: ndpool.adaptive_avg_pool_backward(y, (5,), (2,), where=where),
        lambda: ndpool.spatial_pyramid_pool(x, [(2,)], where=where),
        lambda: ndpool.spatial_pyramid_pool_backward(y, (5,), [(2,)], kind="avg", where=where),
    ):
        assert refusal(call).startswith("where: ")
    for policy in ("skip", None, 1):
        assert refusal(ndpool.adaptive_max_pool, x, (2,), nan_policy=policy).startswith("nan_pol")
