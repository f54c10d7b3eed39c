"""Soft pooling against loops, complex-step derivatives, and PyTorch's softmax."""

import cmath
import math
import random

import numpy as np
import oracle
import pytest
from cases import DTYPES, FLOATS
from kind_cases import cases, close, float_of, integers

import ndpool

BETAS = [-2, -0.5, 0, 0.25, 1, 1.0, 3]
H = 1e-30


def soft(beta):
    def fold(values, _=None):
        powers = [cmath.exp(beta * v) for v in values]
        return sum(p * v for p, v in zip(powers, values, strict=True)) / sum(powers)

    return fold


def real(fold):
    return lambda values, counted: fold(values, counted).real


def complex_step(beta):
    def slopes(values, _):
        found = []
        for i in range(len(values)):
            moved = [complex(v) for v in values]
            moved[i] += H * 1j
            found.append(soft(beta)(moved).imag / H)
        return found

    return slopes


def test_random_cases_equal_the_oracle():
    for case, sums in cases()[:250]:
        beta = random.Random(case.seed).choice(BETAS)
        x = integers(case, case.x.shape)
        wide, before = x.astype(np.float64), x.tobytes()
        y = ndpool.soft_pool(x, **case.words, beta=beta)
        assert y.dtype == float_of(x.dtype), case
        assert close(y, oracle.fold(wide, sums, real(soft(beta)))), (beta, case)

        dy = integers(case, y.shape)
        dx = ndpool.soft_pool_backward(dy, x, **case.words, beta=beta)
        exact = oracle.fold_backward(wide, dy.astype(np.float64), sums, complex_step(beta))
        assert dx.dtype == float_of(dy.dtype), case
        rounding = 1e-12 if dx.dtype == np.float64 else 1e-5
        if dx.itemsize > 2:
            assert np.allclose(dx, exact.astype(float), rtol=rounding, atol=rounding), (beta, case)
            # the weights of a window add up to 1 however x moves: nothing is lost
            assert np.isclose(dx.sum(), dy.astype(np.float64).sum(), atol=rounding * 100), case
        else:
            assert close(dx, exact), (beta, case)
        assert x.tobytes() == before


def test_special_betas():
    x = np.random.default_rng(0).standard_normal((2, 7, 8))
    words = {"kernel_size": 3, "stride": 2, "padding": 1}
    mean = ndpool.avg_pool(x, **words, count_include_pad=False)
    assert np.allclose(ndpool.soft_pool(x, **words, beta=0), mean, rtol=1e-14)
    assert np.allclose(ndpool.soft_pool(x, **words, beta=1e5), ndpool.max_pool(x, **words))
    assert np.allclose(ndpool.soft_pool(x, **words, beta=-1e5), ndpool.min_pool(x, **words))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [-1e30, -1, 0, 1e-3, 1, 1e30])
def test_no_power_overflows(dtype, beta):
    largest = np.finfo(dtype).max
    for cells in ([largest] * 4, [-largest] * 4):
        x = np.array([cells], dtype)
        assert np.allclose(ndpool.soft_pool(x, (4,), beta=beta), cells[0])
        dx = ndpool.soft_pool_backward(np.ones((1, 1), dtype), x, (4,), beta=beta)
        assert (dx == 0.25).all()
    x = np.array([[largest, -largest]], dtype)
    y = ndpool.soft_pool(x, (2,), beta=beta)
    assert y == (0 if beta == 0 else math.copysign(largest, beta))
    dx = ndpool.soft_pool_backward(np.ones((1, 1), dtype), x, (2,), beta=beta)
    assert np.array_equal(dx, [[0.5, 0.5] if beta == 0 else [beta > 0, beta < 0]])


def test_nan_and_infinities():
    inf = np.inf
    x = np.array([[np.nan, 1, inf, 1, inf, inf, -inf, 1, -inf, -inf, inf, -inf]])
    y = ndpool.soft_pool(x, (2,))
    assert np.array_equal(y, [[np.nan, inf, inf, 1, -inf, inf]], equal_nan=True)
    y = ndpool.soft_pool(x, (2,), beta=-1)
    assert np.array_equal(y, [[np.nan, 1, inf, -inf, -inf, -inf]], equal_nan=True)
    dx = ndpool.soft_pool_backward(np.ones((1, 6)), x, (2,))
    nan = np.nan
    expected = [[nan, nan, nan, 0, nan, nan, 0, 1, nan, nan, nan, 0]]
    assert np.array_equal(dx, expected, equal_nan=True)
    assert ndpool.soft_pool(np.array([[1.0, inf]]), (2,), beta=0) == inf


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    y = ndpool.soft_pool(np.ones((4, 4)).astype(dtype), 2)
    assert y.dtype == float_of(dtype)
    assert (y == 1).all()


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_two_byte_floats_are_rounded_once(dtype):
    x = np.random.default_rng(0).standard_normal((6, 9)).astype(dtype)
    wide = x.astype(np.float32)
    y = ndpool.soft_pool(x, 3)
    assert np.array_equal(y, ndpool.soft_pool(wide, 3).astype(dtype))
    dx = ndpool.soft_pool_backward(y, x, 3)
    expected = ndpool.soft_pool_backward(y.astype(np.float32), wide, 3)
    assert np.array_equal(dx, expected.astype(dtype))


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, True, "2", None, 2j, [2]])
def test_bad_betas(value):
    x = np.ones((4, 4))
    for call in (
        lambda: ndpool.soft_pool(x, 2, beta=value),
        lambda: ndpool.soft_pool_backward(np.ones((2, 2)), x, 2, beta=value),
        lambda: ndpool.SoftPool(2, beta=value).forward(x),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^beta: expected .+, got "):
            call()


@pytest.mark.parametrize("beta", [0.5, 1.0, -2.0])
def test_equal_to_torchs_softmax_over_unfolded_windows(beta):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 8))
    for stride in (1, 2, 3):
        theirs_x = torch.from_numpy(x).requires_grad_()
        # (n, c, rows, columns, cells)
        cells = theirs_x.unfold(2, 3, stride).unfold(3, 2, stride).flatten(-2)
        theirs = ((cells * beta).softmax(-1) * cells).sum(-1)
        y = ndpool.soft_pool(x, (3, 2), stride=stride, beta=beta)
        assert np.allclose(y, theirs.detach().numpy(), rtol=1e-12)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.soft_pool_backward(dy, x, (3, 2), stride=stride, beta=beta)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-10, atol=1e-13)
