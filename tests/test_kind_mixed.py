"""Mixed pooling against loops over exact fractions, and PyTorch's two poolings."""

import math
import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import DTYPES, FLOATS
from kind_cases import cases, close, float_of, integers

import ndpool

ALPHAS = [0, 0.25, 0.5, 1, -0.5, 1.75]


def mixed(alpha):
    share = Fraction(alpha)
    return lambda v, _: share * max(v) + (1 - share) * Fraction(sum(v), len(v))


def slopes(alpha):
    share = Fraction(alpha)

    def of_cells(values, _):
        first = values.index(max(values))
        rest = (1 - share) / len(values)
        return [share * (i == first) + rest for i in range(len(values))]

    return of_cells


def test_random_cases_equal_the_oracle():
    for case, sums in cases()[:300]:
        alpha = random.Random(case.seed).choice(ALPHAS)
        x = integers(case, case.x.shape)
        whole, before = x.astype(np.int64), x.tobytes()
        y = ndpool.mixed_pool(x, alpha, **case.words)
        assert y.dtype == float_of(x.dtype), case
        assert close(y, oracle.fold(whole, sums, mixed(alpha))), (alpha, case)

        dy = integers(case, y.shape)
        dx, dalpha = ndpool.mixed_pool_backward(dy, x, alpha, **case.words)
        assert dx.dtype == float_of(dy.dtype), case
        whole_dy = dy.astype(np.int64)
        assert close(dx, oracle.fold_backward(whole, whole_dy, sums, slopes(alpha))), (alpha, case)
        slope = oracle.fold(whole, sums, lambda v, _: max(v) - Fraction(sum(v), len(v)))
        exact = float((slope * whole_dy).sum())
        assert type(dalpha) is float
        assert math.isclose(dalpha, exact, rel_tol=1e-5, abs_tol=1e-4), case
        assert x.tobytes() == before


def test_the_ends_are_the_two_poolings():
    x = np.random.default_rng(0).standard_normal((2, 7, 8))
    words = {"kernel_size": 3, "stride": 2, "padding": 1}
    assert np.array_equal(ndpool.mixed_pool(x, 1, **words), ndpool.max_pool(x, **words))
    mean = ndpool.avg_pool(x, **words, count_include_pad=False)
    assert np.array_equal(ndpool.mixed_pool(x, 0, **words), mean)


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (2, 1, 1, 1), (4, 4), (2, 3, 4, 4)])
def test_an_alpha_for_each(shape):
    """An array of alphas is each of its numbers where it belongs, and so is its gradient."""
    rng = np.random.default_rng(0)
    x, alpha = rng.standard_normal((2, 3, 8, 8)), rng.random(shape)
    y = ndpool.mixed_pool(x, alpha, 2)
    highest, mean = ndpool.max_pool(x, 2), ndpool.avg_pool(x, 2)
    assert np.allclose(y, alpha * highest + (1 - alpha) * mean, rtol=1e-14)
    dy = rng.standard_normal(y.shape)
    dx, dalpha = ndpool.mixed_pool_backward(dy, x, alpha, 2)
    ones = np.ones(shape)
    full = np.broadcast_to(alpha, y.shape)
    every = ndpool.mixed_pool_backward(dy, x, full, 2)
    assert np.array_equal(dx, every[0])
    assert np.isclose(np.sum(dalpha * ones), (dy * (highest - mean)).sum())
    # where every cell of y has its own alpha, its gradient is that cell's alone
    assert np.allclose(every[1], dy * (highest - mean), rtol=1e-14)
    assert np.shape(dalpha) == shape


def test_nothing_is_left_of_a_part_of_0():
    x = np.array([[-np.inf, 2, np.inf, 1, np.nan, 1]])
    y = ndpool.mixed_pool(x, 1, (2,))
    assert np.array_equal(y, [[2, np.inf, np.nan]], equal_nan=True)
    y = ndpool.mixed_pool(x, 0, (2,))
    assert np.array_equal(y, [[-np.inf, np.inf, np.nan]], equal_nan=True)
    y = ndpool.mixed_pool(x, 0.5, (2,))
    assert np.array_equal(y, [[-np.inf, np.inf, np.nan]], equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    x = np.array([[1, 0, 1, 1], [1, 1, 0, 0]]).astype(dtype)
    y = ndpool.mixed_pool(x, 0.5, 2)
    assert y.dtype == float_of(dtype)
    assert y.tolist() == [[0.875, 0.75]]


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_two_byte_floats_are_rounded_once(dtype):
    x = np.random.default_rng(0).standard_normal((6, 9)).astype(dtype)
    wide = x.astype(np.float32)
    y = ndpool.mixed_pool(x, 0.3, 3)
    assert np.array_equal(y, ndpool.mixed_pool(wide, 0.3, 3).astype(dtype))
    dx, dalpha = ndpool.mixed_pool_backward(y, x, 0.3, 3)
    expected = ndpool.mixed_pool_backward(y.astype(np.float32), wide, 0.3, 3)
    assert np.array_equal(dx, expected[0].astype(dtype))
    assert dalpha == expected[1]


@pytest.mark.parametrize(
    "value",
    [True, "2", None, 2j, math.nan, math.inf, np.ones(3), np.ones((1, 2, 2)), [[0.5, None]]],
)
def test_bad_alphas(value):
    x = np.ones((4, 4))
    for call in (
        lambda: ndpool.mixed_pool(x, value, 2),
        lambda: ndpool.mixed_pool_backward(np.ones((2, 2)), x, value, 2),
        lambda: ndpool.MixedPool(value, 2).forward(x),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^alpha: expected .+, got "):
            call()


def test_a_layer_learns_its_proportion():
    x = np.random.default_rng(0).standard_normal((4, 8, 8))
    target = ndpool.mixed_pool(x, 0.7, 2)
    layer = ndpool.MixedPool(0.1, 2)
    for _ in range(100):
        layer.backward(2 * (layer.forward(x) - target))
        layer.alpha -= 0.002 * layer.dalpha
    assert math.isclose(layer.alpha, 0.7, rel_tol=1e-9)


@pytest.mark.parametrize("alpha", [0.5, np.full((3, 1, 1), 0.5)])
def test_a_layer_that_draws(alpha):
    """Each forward in training is one of the two poolings, for each alpha; the seed says which."""
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
    highest, mean = ndpool.max_pool(x, 2), ndpool.avg_pool(x, 2)
    layer, again = (ndpool.MixedPool(alpha, 2, rng=0) for _ in range(2))
    drawn = []
    for _ in range(40):
        y = layer.forward(x)
        assert np.array_equal(again.forward(x), y)
        is_max = np.array([np.array_equal(y[:, c], highest[:, c]) for c in range(3)])
        for c in range(3):
            assert is_max[c] or np.array_equal(y[:, c], mean[:, c])
        drawn.append(is_max)
        dx = layer.backward(y)
        chosen = is_max[:, None, None] * 1.0
        assert np.array_equal(dx, ndpool.mixed_pool_backward(y, x, chosen, 2)[0])
    assert {(a, b) for a, b, _ in drawn} == (
        {(True, True), (False, False)} if np.ndim(alpha) == 0 else
        {(a, b) for a in (True, False) for b in (True, False)}
    )  # fmt: skip
    layer.training = False
    assert np.array_equal(layer(x), ndpool.mixed_pool(x, alpha, 2))


def test_equal_to_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    for seed in range(60):
        rng = random.Random(seed)
        kernel = (rng.randint(1, 4), rng.randint(1, 4))
        words = {"stride": rng.randint(1, 3), "padding": tuple(k // 2 for k in kernel)}
        x = np.random.default_rng(seed).standard_normal((2, 3, 8, 9))
        theirs_x = torch.from_numpy(x).requires_grad_()
        theirs_alpha = torch.tensor(rng.random(), dtype=torch.float64, requires_grad=True)
        highest = functional.max_pool2d(theirs_x, kernel, **words)
        mean = functional.avg_pool2d(theirs_x, kernel, **words, count_include_pad=False)
        theirs = theirs_alpha * highest + (1 - theirs_alpha) * mean
        y = ndpool.mixed_pool(x, theirs_alpha.item(), kernel, **words)
        assert np.allclose(y, theirs.detach().numpy(), rtol=1e-13, atol=1e-14)
        dy = np.random.default_rng(seed).standard_normal(y.shape)
        theirs.backward(torch.from_numpy(dy))
        dx, dalpha = ndpool.mixed_pool_backward(dy, x, theirs_alpha.item(), kernel, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-12, atol=1e-13)
        assert math.isclose(dalpha, theirs_alpha.grad.item(), rel_tol=1e-10, abs_tol=1e-11)
