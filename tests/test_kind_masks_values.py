"""`where` and `nan_policy` of the kinds that look at values: the same loops without those cells."""

import math
import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
import test_kind_gem as gem
import test_kind_mixed as mixed
import test_kind_soft as soft
import test_kind_stochastic as stochastic
from cases import is_float, same_bits
from kind_cases import cases, close, float_of, integers
from test_kind_masks import check_winners, first_empty, mask_for, masked_cases
from test_kind_median import expected_gradient, medians_of

import ndpool

NAN = float("nan")


def or_nan(of_window):
    """The same, but NaN for a window without a cell."""
    return lambda values, counted: of_window(values, counted) if values else NAN


def check(case, sums, lowest, call, gradient, of_window, slopes):
    """A kind with a number for each window, and its gradient, against the oracle's."""
    x = integers(case, case.x.shape, lowest)
    whole = x.astype(np.int64)
    y = call(x)
    assert y.dtype == float_of(x.dtype), case
    assert close(y, oracle.fold(whole, sums, or_nan(of_window))), case
    dy = integers(case, y.shape)
    dx = gradient(dy, x)
    exact = oracle.fold_backward(whole, dy.astype(np.int64), sums, slopes)
    assert close(dx, exact), case
    return whole, dy.astype(np.int64)


def test_generalised_means():
    for case, sums, mask in masked_cases(250):
        p = random.Random(case.seed).choice([-3, -1, 0.5, 1, 2, 3])
        words, by_p = {**case.words, "where": mask, "eps": gem.EPS}, []

        def gradient(dy, x, p=p, words=words, by_p=by_p):
            dx, dp = ndpool.gem_pool_backward(dy, x, p, **words)
            by_p.append(dp)
            return dx

        whole, dy = check(
            case, sums, -4, lambda x, p=p, words=words: ndpool.gem_pool(x, p, **words), gradient,
            gem.mean(p), gem.by_cells(p),
        )  # fmt: skip
        slope = gem.by_p(p)
        along = oracle.fold(whole, sums, lambda v, n, slope=slope: slope(v, n) if v else 0)
        exact = (along * dy).sum()
        assert math.isclose(by_p[0], exact, rel_tol=1e-4, abs_tol=1e-4), (p, case)


def test_soft_pools():
    for case, sums, mask in masked_cases(250):
        words = {**case.words, "where": mask, "beta": random.Random(case.seed).choice(soft.BETAS)}
        if words["beta"] == 3 and case.x.itemsize < 4 and is_float(case.x.dtype):
            words["beta"] = 1  # a dx of two bytes is compared to 1e-3
        check(
            case, sums, -4, lambda x, words=words: ndpool.soft_pool(x, **words),
            lambda dy, x, words=words: ndpool.soft_pool_backward(dy, x, **words),
            soft.real(soft.soft(words["beta"])), soft.complex_step(words["beta"]),
        )  # fmt: skip


def test_mixed_pools():
    for case, sums, mask in masked_cases(250):
        alpha = random.Random(case.seed).choice(mixed.ALPHAS)
        words, by_alpha = {**case.words, "where": mask}, []

        def gradient(dy, x, alpha=alpha, words=words, by_alpha=by_alpha):
            dx, dalpha = ndpool.mixed_pool_backward(dy, x, alpha, **words)
            by_alpha.append(dalpha)
            return dx

        def slopes(values, counted, alpha=alpha):
            return mixed.slopes(alpha)(values, counted) if values else []

        whole, dy = check(
            case, sums, -4, lambda x, a=alpha, words=words: ndpool.mixed_pool(x, a, **words),
            gradient, mixed.mixed(alpha), slopes,
        )  # fmt: skip
        along = oracle.fold(whole, sums, lambda v, _: max(v) - Fraction(sum(v), len(v)) if v else 0)
        exact = float((along * dy).sum())
        assert math.isclose(by_alpha[0], exact, rel_tol=1e-4, abs_tol=1e-4), case


def test_expectations():
    for case, sums, mask in masked_cases(250):
        words = {**case.words, "where": mask}
        check(
            case, sums, 0,
            lambda x, words=words: ndpool.stochastic_pool(x, **words, training=False),
            lambda dy, x, words=words: ndpool.stochastic_pool_backward(dy, x, None, **words),
            stochastic.expected_value, stochastic.slopes,
        )  # fmt: skip


def test_drawn_cells():
    checked = 0
    for case, sums, mask in masked_cases():
        x = integers(case, case.x.shape, 0)
        words = {**case.words, "where": mask, "rng": case.seed}
        if first_empty(sums) is not None and not is_float(x.dtype):
            with pytest.raises(ndpool.PoolError, match=r"^where: expected "):
                ndpool.stochastic_pool(x, **words)
            continue
        winners = stochastic.drawn(x, sums, case.seed)
        y, at = ndpool.stochastic_pool(x, **words, return_indices="tensor")
        check_winners(x, y, at, winners.reshape(-1).tolist(), sums)
        checked += 1
    assert checked > 150


def test_medians():
    checked = 0
    for case, sums, mask in masked_cases():
        x, words = case.x, {**case.words, "where": mask}
        both = medians_of(x, sums)
        for number, method in enumerate(("lower", "higher")):
            if first_empty(sums) is not None and not is_float(x.dtype):
                with pytest.raises(ndpool.PoolError, match=r"^where: expected "):
                    ndpool.median_pool(x, **words, method=method)
                continue
            y, at = ndpool.median_pool(x, **words, method=method, return_indices="tensor")
            check_winners(x, y, at, both[..., number].reshape(-1).tolist(), sums)
        y, at = ndpool.median_pool(x, **words, return_indices=True)
        is_empty = np.array([not cells for cells in sums.windows], bool).reshape(y.shape)
        assert np.isnan(y[is_empty]).all()
        dy = np.random.default_rng(case.seed).integers(-8, 9, y.shape).astype(y.dtype)
        dx = ndpool.median_pool_backward(dy, at, x.shape, **words)
        cells = np.moveaxis(np.where(is_empty[..., None], 0, both), -1, 0).reshape(2, y.size)
        expected = expected_gradient(np.where(is_empty, 0, dy), cells.astype(int), x.shape)
        assert np.array_equal(dx.astype(np.float64), expected), case
        checked += 1
    assert checked > 300


def test_max_blur_is_a_blur_of_masked_maxima():
    x = np.random.default_rng(0).standard_normal((2, 9, 9))
    where = np.random.default_rng(1).random((2, 9, 9)) < 0.8
    y, at = ndpool.max_blur_pool(x, 3, stride=2, where=where, return_indices=True)
    maxima = ndpool.max_pool(x, 3, stride=1, where=where)
    assert same_bits(y, ndpool.blur_pool(maxima, 3, stride=2))
    dx = ndpool.max_blur_pool_backward(y, at, x.shape, 3, stride=2, where=where)
    of_maxima = ndpool.blur_pool_backward(y, maxima.shape, 3, stride=2)
    assert same_bits(dx, ndpool.max_pool_backward(of_maxima, at, x.shape, 3, stride=1, where=where))
    assert not dx[~where].any()
    where = np.arange(8) > 2
    y = ndpool.max_blur_pool(np.ones(8), (2,), stride=1, where=where)
    assert np.array_equal(np.isnan(y), [True] * 3 + [False] * 4)


LAYERS = [
    (ndpool.GeMPool, (3,), {}), (ndpool.SoftPool, (), {}), (ndpool.MedianPool, (), {}),
    (ndpool.MixedPool, (0.5,), {}), (ndpool.StochasticPool, (), {"rng": 0}),
    (ndpool.StochasticPool, (), {"training": False}), (ndpool.MaxBlurPool, (), {}),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "sizes", "more"), LAYERS)
def test_omitted_nans_are_masked_cells(layer, sizes, more):
    checked = 0
    for case, _ in cases():
        if "nan" not in case.about or not is_float(case.x.dtype) or not case.x.size:
            continue
        x, mask = np.abs(case.x), mask_for(case)
        words = dict(case.words)
        size = words.pop("kernel_size")
        numbers = np.array([v == v for v in oracle.numbers(x)]).reshape(x.shape)
        masked = layer(*sizes, size, **more, **words)
        try:
            y = masked(x, where=numbers & mask)
        except ndpool.PoolError as error:  # max-blur needs a cell in every window of stride 1
            assert "only padding" in str(error)
            continue
        omitting = layer(*sizes, size, **more, **words, where=mask, nan_policy="omit")
        assert same_bits(omitting(x), y), case
        dy = integers(case, y.shape)
        dx = omitting.backward(dy)
        assert same_bits(dx, masked.backward(dy)), case
        assert not dx.astype(float)[~(numbers & mask)].any(), case
        if (~numbers & mask).any():
            with pytest.raises(ndpool.PoolError, match=r"^x: expected no NaN"):
                layer(*sizes, size, **more, **words, nan_policy="raise")(x)
        checked += 1
    assert checked >= 15
