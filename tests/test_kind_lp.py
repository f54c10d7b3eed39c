"""Lp pooling against loops, complex-step derivatives, PyTorch and the rules at zero."""

import random

import ml_dtypes
import numpy as np
import oracle
import pytest
from cases import DTYPES
from kind_cases import cases, close, float_of, integers

import ndpool

NORMS = [0.5, 1, 1.5, 2, 3, 4.0]


def norm(p):
    return lambda values, _: sum(abs(v) ** p for v in values) ** (1 / p)


def complex_step(p):
    """Derivatives of the norm by every value that is not 0, to the last digit; 0 for the others."""

    def slopes(values, _):
        found = []
        for i, value in enumerate(values):
            sizes = [complex(abs(v)) for v in values]
            sizes[i] += 1e-30j
            sign = (value > 0) - (value < 0)
            found.append((sum(s**p for s in sizes) ** (1 / p)).imag / 1e-30 * sign if sign else 0)
        return found

    return slopes


def test_random_cases_equal_the_oracle():
    for case, sums in cases()[:250]:
        p = random.Random(case.seed).choice(NORMS)
        x = integers(case, case.x.shape)
        wide, before = x.astype(np.float64), x.tobytes()
        y = ndpool.lp_pool(x, p, **case.words)
        assert y.dtype == float_of(x.dtype), case
        assert close(y, oracle.fold(wide, sums, norm(p))), (p, case)

        dy = integers(case, y.shape)
        dx = ndpool.lp_pool_backward(dy, x, y, p, **case.words)
        exact = oracle.fold_backward(wide, dy.astype(np.float64), sums, complex_step(p))
        assert dx.dtype == float_of(dy.dtype), case
        if dx.itemsize > 2:  # those of two bytes take a rounded y: see below
            assert np.allclose(dx, exact.astype(float), rtol=1e-5, atol=1e-5), (p, case)
        if dx.dtype == np.float64:
            assert close(dx, exact), (p, case)
        assert x.tobytes() == before


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_two_byte_gradients(dtype):
    x = np.array([[3, -4, 0, 12]]).astype(dtype)
    dx = ndpool.lp_pool_backward(
        np.ones((1, 1)).astype(dtype), x, ndpool.lp_pool(x, 2, (4,)), 2, (4,)
    )
    assert dx.dtype == dtype
    assert np.array_equal(dx, np.array([[3 / 13, -4 / 13, 0, 12 / 13]]).astype(dtype))


@pytest.mark.parametrize("p", NORMS)
def test_zero_is_safe(p):
    """Windows of zeros, and single zeros: no NaN, no warning, gradient 0."""
    x = np.zeros((2, 4, 4), np.float32)
    x[1, 0, 0] = 2
    y = ndpool.lp_pool(x, p, 2, stride=1)
    dx = ndpool.lp_pool_backward(np.ones_like(y), x, y, p, 2, stride=1)
    expected = np.zeros_like(x)
    expected[1, 0, 0] = 1
    assert np.array_equal(dx, expected)


@pytest.mark.parametrize("p", [2, 3, 1000])
@pytest.mark.parametrize("scale", [1e-37, 1.0, 1e37])
def test_no_power_overflows(p, scale):
    x = np.full((4, 4), scale, np.float32)
    y = ndpool.lp_pool(x, p, 2)
    assert np.allclose(y / np.float32(scale), 4 ** (1 / p), rtol=1e-6)
    dx = ndpool.lp_pool_backward(np.ones_like(y), x, y, p, 2)
    assert np.allclose(dx, 4 ** (1 / p - 1), rtol=2e-4)


def test_nan_and_infinities():
    x = np.array([[np.nan, 1, np.inf, 1, -np.inf, np.nan]])
    y = ndpool.lp_pool(x, 2, (2,))
    assert np.array_equal(y, [[np.nan, np.inf, np.nan]], equal_nan=True)
    dx = ndpool.lp_pool_backward(np.ones((1, 3)), x, y, 2, (2,))
    assert np.array_equal(dx, [[np.nan, np.nan, np.nan, 0, np.nan, np.nan]], equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    y = ndpool.lp_pool(np.ones((4, 4)).astype(dtype), 2, 2)
    assert y.dtype == float_of(dtype)
    assert (y == 2).all()


@pytest.mark.parametrize(
    "value", [0, -1, float("nan"), float("inf"), 10**400, True, "2", None, 2j, [2], np.ones(1)]
)
def test_bad_norms(value):
    for call in (
        lambda: ndpool.lp_pool(np.ones((4, 4)), value, 2),
        lambda: ndpool.lp_pool_backward(
            np.ones((2, 2)), np.ones((4, 4)), np.ones((2, 2)), value, 2
        ),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^norm_type: expected .+, got "):
            call()


def test_a_wrong_y_is_named():
    with pytest.raises(ndpool.PoolError, match=r"^y: expected shape"):
        ndpool.lp_pool_backward(np.ones((2, 2)), np.ones((4, 4)), np.ones((2, 3)), 2, 2)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_equal_to_torch_where_nothing_is_negative(p):
    """PyTorch has no padding here; in ceil mode it scales partial windows up, ndpool does not."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for seed in range(40):
        rng = random.Random(seed)
        words = {"kernel_size": (rng.randint(1, 4), rng.randint(1, 4)), "stride": rng.randint(1, 3)}
        x = np.random.default_rng(seed).uniform(0.1, 2, (2, 3, 8, 9))
        theirs_x = torch.from_numpy(x).requires_grad_()
        stride = (words["stride"],) * 2
        theirs = torch.nn.functional.lp_pool2d(theirs_x, p, words["kernel_size"], stride)
        y = ndpool.lp_pool(x, p, **words)
        assert np.allclose(y, theirs.detach().numpy(), rtol=1e-12)
        dy = np.random.default_rng(seed).standard_normal(y.shape)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.lp_pool_backward(dy, x, y, p, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-11, atol=1e-12)
