"""Generalised-mean pooling against loops, complex-step derivatives by x and by p, and PyTorch."""

import math
import random
from itertools import pairwise

import numpy as np
import oracle
import pytest
from cases import DTYPES, FLOATS
from kind_cases import cases, close, float_of, integers

import ndpool

POWERS = [-3, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4.0, 10]
EPS = 0.5  # so large that what is raised to it shows
H = 1e-30


def mean(p, eps=EPS):
    return lambda values, _: (sum(max(v, eps) ** p for v in values) / len(values)) ** (1 / p)


def by_cells(p, eps=EPS):
    """Derivatives by every value, to the last digit; 0 for those that were raised."""

    def slopes(values, counted):
        found = []
        for i, value in enumerate(values):
            raised = [complex(max(v, eps)) for v in values]
            raised[i] += H * 1j
            total = sum(v**p for v in raised) / len(values)
            found.append((total ** (1 / p)).imag / H if value >= eps else 0)
        return found

    return slopes


def by_p(p, eps=EPS):
    def slope(values, _):
        power = p + H * 1j
        total = sum(max(v, eps) ** power for v in values) / len(values)
        return (total ** (1 / power)).imag / H

    return slope


def test_random_cases_equal_the_oracle():
    for case, sums in cases()[:250]:
        p = random.Random(case.seed).choice(POWERS)
        x = integers(case, case.x.shape)
        wide, before = x.astype(np.float64), x.tobytes()
        y = ndpool.gem_pool(x, p, **case.words, eps=EPS)
        assert y.dtype == float_of(x.dtype), case
        assert close(y, oracle.fold(wide, sums, mean(p))), (p, case)

        dy = integers(case, y.shape)
        dx, dp = ndpool.gem_pool_backward(dy, x, p, **case.words, eps=EPS)
        wide_dy = dy.astype(np.float64)
        assert dx.dtype == float_of(dy.dtype), case
        assert close(dx, oracle.fold_backward(wide, wide_dy, sums, by_cells(p))), (p, case)
        exact = (oracle.fold(wide, sums, by_p(p)) * wide_dy).sum()
        precision = 1e-11 if dx.dtype == np.float64 else 1e-4
        assert type(dp) is float
        assert math.isclose(dp, exact, rel_tol=precision, abs_tol=precision), (p, case)
        assert x.tobytes() == before


def test_special_powers():
    x = np.random.default_rng(0).uniform(0.1, 5, (2, 7, 8))
    words = {"kernel_size": 3, "stride": 2, "padding": 1}

    def gem(p):
        return ndpool.gem_pool(x, p, **words)

    plain = ndpool.avg_pool(x, **words, count_include_pad=False)
    assert np.allclose(gem(1), plain, rtol=1e-15)
    harmonic = 1 / ndpool.avg_pool(1 / x, **words, count_include_pad=False)
    assert np.allclose(gem(-1), harmonic, rtol=1e-14)
    geometric = np.exp(ndpool.avg_pool(np.log(x), **words, count_include_pad=False))
    for p in (1e-12, -1e-12):
        assert np.allclose(gem(p), geometric, rtol=1e-11)
    assert np.allclose(gem(1e5), ndpool.max_pool(x, **words), rtol=1e-4)
    assert np.allclose(gem(-1e5), ndpool.min_pool(x, **words), rtol=1e-4)
    powers = [gem(p) for p in (-100, -2, -1, 1, 2, 100)]
    for less, more in pairwise(powers):
        assert (less < more).all()


@pytest.mark.parametrize("p", [-1000, -3, 3, 1000])
@pytest.mark.parametrize("scale", [1e-37, 1.0, 1e37])
def test_no_power_overflows(p, scale):
    x = np.array([[1, 2], [3, 3]], np.float32) * np.float32(scale)
    y = ndpool.gem_pool(x, p, 2, eps=1e-38)
    cells = [1.0, 2.0, 3.0, 3.0]
    top = max(cells) if p > 0 else min(cells)
    assert np.allclose(
        y / np.float32(scale), top * mean(p, 0)([v / top for v in cells], 4), rtol=2e-6
    )
    dx, dp = ndpool.gem_pool_backward(np.ones_like(y), x, p, 2, eps=1e-38)
    expected = by_cells(p, 0)([v / top for v in cells], 4)
    assert np.allclose(dx.reshape(-1), expected, rtol=1e-3, atol=1e-6)
    assert math.isclose(dp / scale, top * by_p(p, 0)([v / top for v in cells], 4), rel_tol=1e-3)


def test_cells_below_eps():
    x = np.array([[-3.0, 0.0, 1e-6, 2.0]])
    y = ndpool.gem_pool(x, 1, (4,))
    assert np.allclose(y, (2 + 3e-6) / 4, rtol=1e-15)
    dx, _ = ndpool.gem_pool_backward(np.ones((1, 1)), x, 1, (4,))
    assert np.allclose(dx, [[0, 0, 0.25, 0.25]], rtol=1e-15)
    dx, _ = ndpool.gem_pool_backward(np.ones((1, 1)), x, 1, (4,), eps=0.1)
    assert np.allclose(dx, [[0, 0, 0, 0.25]], rtol=1e-15)
    assert ndpool.gem_pool(np.zeros((2, 2), np.float32), 3, 2) == np.float32(1e-6)


def test_nan_and_infinities():
    x = np.array([[np.nan, 1, np.inf, 1, np.inf, np.inf, -np.inf, 1]])
    y = ndpool.gem_pool(x, 3, (2,))
    assert np.allclose(y, [[np.nan, np.inf, np.inf, 0.5 ** (1 / 3)]], equal_nan=True)
    y = ndpool.gem_pool(x, -1, (2,))
    assert np.allclose(y, [[np.nan, 2, np.inf, 2e-6]], equal_nan=True, rtol=1e-5)
    dx, dp = ndpool.gem_pool_backward(np.ones((1, 4)), x, 3, (2,))
    assert np.array_equal(np.isnan(dx), [[True] * 6 + [False] * 2])
    assert math.isnan(dp)
    dx, dp = ndpool.gem_pool_backward(np.ones((1, 1)), x[:, 2:4], -1, (2,))
    assert np.allclose(dx, [[0, 2]])
    assert math.isfinite(dp)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    y = ndpool.gem_pool(np.ones((4, 4)).astype(dtype), 3, 2)
    assert y.dtype == float_of(dtype)
    assert (y == 1).all()


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_two_byte_floats_are_rounded_once(dtype):
    x = np.random.default_rng(0).uniform(0, 3, (6, 9)).astype(dtype)
    wide = x.astype(np.float32)
    y = ndpool.gem_pool(x, 3, 3)
    assert np.array_equal(y, ndpool.gem_pool(wide, 3, 3).astype(dtype))
    dx, dp = ndpool.gem_pool_backward(y, x, 3, 3)
    expected = ndpool.gem_pool_backward(y.astype(np.float32), wide, 3, 3)
    assert np.array_equal(dx, expected[0].astype(dtype))
    assert dp == expected[1]


BAD = [
    *(("p", value) for value in (0, 0.0, math.nan, math.inf, 10**400, True, "2", None, 2j, [2])),
    *(("eps", value) for value in (0, -1, math.nan, math.inf, 1e-400, True, "2", None, [1])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_numbers(name, value):
    words = {"p": 3, "kernel_size": 2} | {name: value}
    for call in (
        lambda: ndpool.gem_pool(np.ones((4, 4)), **words),
        lambda: ndpool.gem_pool_backward(np.ones((2, 2)), np.ones((4, 4)), **words),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            call()


def test_an_eps_that_float32_does_not_know():
    with pytest.raises(ndpool.PoolError, match=r"^eps: expected .*float32"):
        ndpool.gem_pool(np.ones((2, 2), np.float32), 3, 2, eps=1e-60)


def test_a_layer_learns_its_power():
    """Down the gradient of the squared distance to what another p gives."""
    x = np.random.default_rng(0).uniform(0.1, 5, (4, 8, 8))
    target = ndpool.gem_pool(x, 4.0, 2)
    layer = ndpool.GeMPool(1.0, 2)
    for _ in range(300):
        layer.backward(2 * (layer.forward(x) - target))
        layer.p -= 0.05 * layer.dp
    assert math.isclose(layer.p, 4, rel_tol=1e-6)
    assert repr(layer).startswith(f"GeMPool({layer.p!r}, 2")


def test_backward_belongs_to_the_power_of_its_forward():
    x = np.random.default_rng(0).uniform(0.1, 5, (4, 4))
    layer = ndpool.GeMPool(2.0, 2)
    dy = layer.forward(x)
    dx, dp = layer.backward(dy), layer.dp
    layer.p = 5.0
    assert np.array_equal(layer.backward(dy), dx)
    assert layer.dp == dp


@pytest.mark.parametrize("p", [0.5, 1.0, 3.0, 6.5])
def test_equal_to_the_papers_code(p):
    """``avg_pool2d(x.clamp(min=eps).pow(p), ...).pow(1 / p)``, and what autograd makes of it."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.random.default_rng(0).uniform(-0.3, 3, (2, 3, 9, 8))
    for words in ({"stride": 2}, {"stride": 1}, {"stride": 3}):
        theirs_x = torch.from_numpy(x).requires_grad_()
        theirs_p = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        powers = theirs_x.clamp(min=1e-3).pow(theirs_p)
        theirs = torch.nn.functional.avg_pool2d(powers, (3, 2), **words).pow(1 / theirs_p)
        y = ndpool.gem_pool(x, p, (3, 2), eps=1e-3, **words)
        assert np.allclose(y, theirs.detach().numpy(), rtol=1e-12)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        theirs.backward(torch.from_numpy(dy))
        dx, dp = ndpool.gem_pool_backward(dy, x, p, (3, 2), eps=1e-3, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-10, atol=1e-12)
        assert math.isclose(dp, theirs_p.grad.item(), rel_tol=1e-9, abs_tol=1e-10)
