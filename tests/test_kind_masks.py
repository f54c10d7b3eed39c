"""Cells that `where` and `nan_policy` leave out, against loops that never look at them."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, is_float, laid_out, same_bits
from kind_cases import cases, close, float_of, integers

import ndpool

NAN = float("nan")


def mask_for(case):
    """A mask of any density that broadcasts to the case's shape, in any layout."""
    rng = random.Random(case.seed)
    shape = [1 if rng.random() < 0.15 else n for n in case.x.shape]
    shape = shape[rng.choice([0, 0, 0, 1]) :]
    density = rng.choice([0, 0.2, 0.5, 0.9, 1])
    mask = np.array(np.random.default_rng(case.seed).random(shape) < density)
    if not mask.ndim:
        return mask
    return laid_out(mask, rng.choice(["C", "F", "reversed", "gaps", "read-only"]), rng)


def masked_cases(count=400):
    """(case, its sums without the cells that are masked, `where`)."""
    for case, sums in cases()[:count]:
        mask = mask_for(case)
        yield case, oracle.without(sums, np.broadcast_to(mask, case.x.shape)), mask


def first_empty(sums):
    """The first window without a cell, as a place in y; None where all have one."""
    for position, cells in enumerate(sums.windows):
        if not cells:
            return tuple(int(i) for i in np.unravel_index(position, sums.y_shape))
    return None


def test_sums():
    for case, sums, mask in masked_cases():
        x = integers(case, case.x.shape)
        y = ndpool.sum_pool(x, **case.words, where=mask)
        assert close_or_equal(y, oracle.fold(x, sums, lambda v, _: sum(map(int, v)))), case
        dy = integers(case, y.shape)
        dx = ndpool.sum_pool_backward(dy, x.shape, **case.words, where=mask)
        whole = dy.astype(np.int64)
        exact = oracle.fold_backward(x, whole, sums, lambda v, _: [1] * len(v))
        assert close_or_equal(dx, exact), case


def close_or_equal(found, exact):
    if is_float(found.dtype):
        return close(found, exact)
    # what wraps around, or is or-ed, does so in any sum
    return np.array_equal(found, exact.astype(np.int64).astype(found.dtype))


@pytest.mark.parametrize("include", [True, False])
def test_averages(include):
    def mean(values, counted):
        return Fraction(sum(values), counted if include else len(values)) if values else NAN

    def slopes(values, counted):
        return [Fraction(1, counted if include else len(values)) for _ in values]

    for case, sums, mask in masked_cases():
        x, words = integers(case, case.x.shape), {**case.words, "count_include_pad": include}
        y = ndpool.avg_pool(x, **words, where=mask)
        assert y.dtype == float_of(x.dtype)
        assert close(y, oracle.fold(x.astype(np.int64), sums, mean)), case
        dy = integers(case, y.shape)
        dx = ndpool.avg_pool_backward(dy, x.shape, **words, where=mask)
        exact = oracle.fold_backward(x.astype(np.int64), dy.astype(np.int64), sums, slopes)
        assert close(dx, exact), case


def test_an_overridden_divisor():
    x = np.arange(6.0).reshape(1, 6)
    where = np.array([True, False, True, True, False, False])
    words = {"kernel_size": (2,), "where": where, "divisor_override": 4}
    assert np.array_equal(ndpool.avg_pool(x, **words), [[0, 1.25, NAN]], equal_nan=True)
    dx = ndpool.avg_pool_backward(np.full((1, 3), 8.0), x.shape, **words)
    assert dx.tolist() == [[2, 0, 2, 2, 0, 0]]


def test_norms():
    for case, sums, mask in masked_cases(250):
        p = random.Random(case.seed).choice([1, 2, 3, 0.5])
        x = integers(case, case.x.shape)
        wide = x.astype(np.float64)
        y = ndpool.lp_pool(x, p, **case.words, where=mask)
        norm = oracle.fold(wide, sums, lambda v, _, p=p: sum(abs(a) ** p for a in v) ** (1 / p))
        assert close(y, norm), (p, case)
        dy = integers(case, y.shape)
        dx = ndpool.lp_pool_backward(dy, x, y, p, **case.words, where=mask)
        if dx.dtype != np.float64 or y.dtype != np.float64:
            continue

        def slopes(values, _, p=p):
            whole = sum(abs(a) ** p for a in values) ** (1 / p)
            return [np.sign(a) * (abs(a) / whole) ** (p - 1) if a else 0 for a in values]

        exact = oracle.fold_backward(wide, dy.astype(np.float64), sums, slopes)
        assert close(dx, exact), (p, case)


EXTREMES = [
    (ndpool.max_pool, ndpool.max_pool_backward, False),
    (ndpool.min_pool, ndpool.min_pool_backward, True),
]


@pytest.mark.parametrize(("pool", "backward", "lowest"), EXTREMES, ids=["max", "min"])
def test_extremes(pool, backward, lowest, engine):
    checked = 0
    for case, sums, mask in masked_cases():
        x, before = case.x, case.x.tobytes()
        words = {**case.words, "where": mask, "engine": engine}
        empty = first_empty(sums)
        if empty is not None and not is_float(x.dtype):
            with pytest.raises(ndpool.PoolError, match=r"^where: expected ") as caught:
                pool(x, **words)
            assert f"at {empty}; " in str(caught.value)
            continue
        winners = [best[0] if best else None for best in oracle.equal_winners(x, sums, lowest)]
        y, at = pool(x, **words, return_indices="tensor")
        check_winners(x, y, at, winners, sums)
        assert same_bits(pool(x, **words), y)
        dy = np.random.default_rng(case.seed).integers(-3, 4, y.shape)
        there = np.array([winner is not None for winner in winners]).reshape(y.shape)
        exact = oracle.max_pool_backward(
            np.where(there, dy, 0), [winner or 0 for winner in winners], x.shape
        )
        form = random.Random(case.seed).choice(["window", "plane", "tensor"])
        y, at = pool(x, **words, return_indices=form)
        dx = backward(dy, at, x.shape, **words, index_form=form)
        assert same_bits(dx, exact), case
        assert x.tobytes() == before
        checked += 1
    assert checked > 150


def check_winners(x, y, at, winners, sums):
    """Values to the bit, indices; NaN and one of the input's cells where no cell is left."""
    assert y.dtype == x.dtype
    assert y.flags.c_contiguous
    assert at.flags.c_contiguous
    flat, at = x.reshape(-1), at.reshape(-1).tolist()
    for value, index, winner in zip(y.reshape(-1), at, winners, strict=True):
        if winner is None:
            assert value != value
            assert 0 <= index < x.size
        else:
            assert index == winner
            assert same_bits(np.array(value), np.array(flat[winner]))


def test_omitted_nans_are_masked_cells():
    """For any kind: the same as where= without them, and the layers go back by the same mask."""
    pools = [
        (ndpool.max_pool, ndpool.MaxPool, ()), (ndpool.min_pool, ndpool.MinPool, ()),
        (ndpool.avg_pool, ndpool.AvgPool, ()), (ndpool.sum_pool, ndpool.SumPool, ()),
        (ndpool.lp_pool, ndpool.LPPool, (2,)),
    ]  # fmt: skip
    checked = 0
    for case, _ in cases():
        if "nan" not in case.about or not is_float(case.x.dtype) or not case.x.size:
            continue
        x, mask = case.x, mask_for(case)
        words = dict(case.words)
        size = words.pop("kernel_size")
        numbers = np.array([v == v for v in oracle.numbers(x)]).reshape(x.shape)
        for pool, layer, sizes in pools:
            masked = layer(*sizes, size, **words)
            y = masked(x, where=numbers & mask)
            omitting = layer(*sizes, size, **words, where=mask, nan_policy="omit")
            assert same_bits(omitting(x), y), (pool, case)
            assert same_bits(pool(x, *sizes, size, **words, where=mask, nan_policy="omit"), y), (
                pool,
                case,
            )
            dy = integers(case, y.shape)
            dx = omitting.backward(dy)
            assert same_bits(dx, masked.backward(dy)), (pool, case)
            assert not (dx.astype(float)[~(numbers & mask)]).any()
            nan = ~numbers & mask
            if nan.any():
                place = tuple(int(i) for i in np.argwhere(nan)[0])
                with pytest.raises(ndpool.PoolError, match=r"^x: expected no NaN") as caught:
                    pool(x, *sizes, size, **words, where=mask, nan_policy="raise")
                assert str(caught.value).endswith(f"got NaN at {place}")
            else:
                pool(x, *sizes, size, **words, where=mask, nan_policy="raise")
        checked += 1
    assert checked >= 20


@pytest.mark.parametrize("policy", ["omit", "raise"])
def test_integers_have_no_nan(policy):
    for dtype in (bool, np.int8, np.uint64):
        x = np.eye(4, dtype=dtype)
        for pool in (ndpool.max_pool, ndpool.min_pool, ndpool.avg_pool, ndpool.sum_pool):
            assert same_bits(pool(x, 2, nan_policy=policy), pool(x, 2))


def test_a_mask_of_true_changes_nothing():
    """Also to the divisor, padding counted or not; and True is NumPy's word for no mask."""
    for case, _ in cases()[:150]:
        for pool in (ndpool.max_pool, ndpool.min_pool, ndpool.avg_pool, ndpool.sum_pool):
            plain = pool(case.x, **case.words)
            for where in (True, np.ones(case.x.shape, bool), np.True_, [True] * case.x.shape[-1]):
                assert same_bits(pool(case.x, **case.words, where=where), plain), case


def test_lowest_values_win_over_cells_that_are_not_there():
    """-inf, 0 and -128 are what those are filled with on the way."""
    where = np.array([[False, True, True, False]])
    for dtype in (np.float32, BFLOAT16, np.float16, np.uint8, np.int8, bool):
        low = np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else 0
        x = np.full((1, 4), -np.inf if is_float(np.dtype(dtype)) else low).astype(dtype)
        y, at = ndpool.max_pool(x, (4,), where=where, return_indices=True)
        assert (y.tolist(), at.tolist()) == ([[x[0, 0]]], [[1]])
        y, at = ndpool.max_pool(x, (4,), where=where, return_indices=True, ties="last")
        assert at.tolist() == [[2]]


def test_an_index_of_a_cell_that_is_not_there_is_refused():
    where = np.array([[True, False, True, True]])
    words = {"kernel_size": (2,), "where": where}
    y, at = ndpool.max_pool(np.ones((1, 4)), return_indices=True, **words)
    at[0, 0] = 1
    with pytest.raises(ndpool.PoolError, match=r"^indices: .* got 1 at \(0, 0\)"):
        ndpool.max_pool_backward(y, at, (1, 4), **words)


def test_as_numpys_reductions():
    """Over a whole array: `nanmax` and its kin, and what `where=` is to NumPy's own."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 6, 7))
    where = rng.random(x.shape) < 0.5
    over = {"axis": (1, 2), "keepdims": True}
    assert same_bits(ndpool.global_max_pool(x, where=where), x.max(**over, where=where, initial=-9))
    assert same_bits(ndpool.global_min_pool(x, where=where), x.min(**over, where=where, initial=9))
    assert np.allclose(ndpool.global_avg_pool(x, where=where), x.mean(**over, where=where))
    assert np.allclose(ndpool.global_sum_pool(x, where=where), x.sum(**over, where=where))
    holed = np.where(where, x, NAN)
    for name in ("max", "min", "sum"):
        pool = getattr(ndpool, f"global_{name}_pool")
        expected = getattr(np, f"nan{name}")(holed, **over)
        assert np.allclose(pool(holed, nan_policy="omit"), expected)
    mean = ndpool.global_avg_pool(holed, nan_policy="omit")
    assert np.allclose(mean, np.nanmean(holed, **over))
