"""Average pooling against loops over exact fractions, and PyTorch."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import DTYPES, FLOATS, laid_out, same_bits
from kind_cases import cases, close, float_of, integers

import ndpool


def divided_by(words):
    """The oracle's rule for these arguments: (values, counted) -> divisor."""
    if words.get("divisor_override") is not None:
        return lambda values, counted: words["divisor_override"]
    if words.get("count_include_pad", True):
        return lambda values, counted: counted
    return lambda values, counted: len(values)


def test_random_cases_equal_the_oracle():
    for case, sums in cases():
        rng = random.Random(case.seed)
        words = rng.choice([{}, {}, {"count_include_pad": False}, {"divisor_override": 7}])
        divisor = divided_by(words)
        x = laid_out(integers(case, case.x.shape), "gaps", rng)
        before = x.tobytes()
        y = ndpool.avg_pool(x, **case.words, **words)
        exact = oracle.fold(
            x.astype(np.int64), sums, lambda v, n, divisor=divisor: Fraction(sum(v), divisor(v, n))
        )
        assert y.dtype == float_of(x.dtype), case
        # integers sum exactly: there is one rounding, that of the division (two for 2-byte floats)
        wide = np.float32 if y.itemsize == 2 else y.dtype
        rounded = exact.astype(np.float64).astype(wide).astype(y.dtype)
        assert same_bits(y, rounded), case

        dy = integers(case, y.shape)
        before_dy = dy.tobytes()
        dx = ndpool.avg_pool_backward(dy, x.shape, **case.words, **words)
        exact = oracle.fold_backward(
            x.astype(np.int64), dy.astype(np.int64), sums,
            lambda v, n, divisor=divisor: [Fraction(1, divisor(v, n))] * len(v),
        )  # fmt: skip
        assert dx.dtype == float_of(dy.dtype), case
        assert close(dx, exact), case
        assert (x.tobytes(), dy.tobytes()) == (before, before_dy)


def test_any_values_equal_the_oracle():
    """NaN, infinities, signed zeros: as Python's floats have them.

    Not the largest: whether their sums overflow depends on the order, which test_sums.py is about.
    """
    for case, sums in cases():
        if case.x.dtype != np.float64 or (np.isfinite(case.x) & (np.abs(case.x) > 1e300)).any():
            continue
        y = ndpool.avg_pool(case.x, **case.words)
        assert close(y, oracle.fold(case.x, sums, lambda v, n: sum(v) / n)), case


def test_it_is_adjoint():
    """(A x) . dy == x . (A^T dy)."""
    for case, _ in cases()[:200]:
        rng = np.random.default_rng(case.seed)
        x = rng.standard_normal(case.x.shape)
        y = ndpool.avg_pool(x, **case.words, count_include_pad=False)
        dy = rng.standard_normal(y.shape)
        dx = ndpool.avg_pool_backward(dy, x.shape, **case.words, count_include_pad=False)
        assert np.isclose((y * dy).sum(), (x * dx).sum(), rtol=1e-10, atol=1e-10), case
        assert np.isclose(dx.sum(), dy.sum(), rtol=1e-10, atol=1e-10), case


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    x = np.array([[1, 0, 1, 1], [1, 1, 0, 0]]).astype(dtype)
    y = ndpool.avg_pool(x, 2)
    assert y.dtype == float_of(dtype)
    assert y.tolist() == [[0.75, 0.5]]
    dx = ndpool.avg_pool_backward(np.ones((1, 2)).astype(dtype), x.shape, 2)
    assert dx.dtype == float_of(dtype)
    assert (dx == 0.25).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_two_byte_floats_are_summed_in_float32(dtype):
    """2049 ones are 2048 in float16 and 256 in bfloat16."""
    x = np.ones((3, 2049)).astype(dtype)
    assert (ndpool.avg_pool(x, (2049,)) == 1).all()
    assert (ndpool.avg_pool(x, (1025,), stride=1) == 1).all()


def test_integers_do_not_wrap():
    x = np.full((2, 2), 255, np.uint8)
    assert ndpool.avg_pool(x, 2).tolist() == [[255.0]]


def test_empty_batch_and_global_windows():
    assert ndpool.avg_pool(np.ones((0, 3, 4, 4), np.float32), 2).shape == (0, 3, 2, 2)
    assert ndpool.avg_pool(np.ones((0, 3, 4, 4), np.float32), 4).shape == (0, 3, 1, 1)
    assert ndpool.avg_pool_backward(np.ones((0, 3, 1, 1)), (0, 3, 4, 4), 4).shape == (0, 3, 4, 4)
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3))
    y = ndpool.avg_pool(x, (9, 8), axes=(1, 2))
    assert np.allclose(y, x.mean(axis=(1, 2), keepdims=True), rtol=1e-14, atol=0)


def test_bits_do_not_depend_on_the_layout():
    rng = random.Random(0)
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 40)).astype(np.float32)
    for words in ({"kernel_size": 40}, {"kernel_size": 3}, {"kernel_size": 9, "axes": (0, 2)}):
        words = words | ({"kernel_size": (2, 9)} if "axes" in words else {})
        expected = ndpool.avg_pool(x, **words)
        for layout in ("F", "transposed", "reversed", "gaps", "misaligned"):
            assert same_bits(ndpool.avg_pool(laid_out(x, layout, rng), **words), expected)


BAD = [
    ("count_include_pad", 1), ("count_include_pad", None), ("count_include_pad", "yes"),
    ("divisor_override", 0), ("divisor_override", -1), ("divisor_override", 2.0),
    ("divisor_override", True), ("divisor_override", "2"), ("divisor_override", np.arange(2)),
    ("divisor_override", 2**70),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_words(name, value):
    for call in (
        lambda: ndpool.avg_pool(np.ones((4, 4)), 2, **{name: value}),
        lambda: ndpool.avg_pool_backward(np.ones((2, 2)), (4, 4), 2, **{name: value}),
        lambda: ndpool.AvgPool(2, **{name: value}).forward(np.ones((4, 4))),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            call()


def test_random_cases_equal_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functions = {d: getattr(torch.nn.functional, f"avg_pool{d}d") for d in (1, 2, 3)}
    checked = 0
    for seed in range(400):
        rng = random.Random(seed)
        d = rng.choice([1, 2, 2, 3])
        kernel = [rng.randint(1, 5) for _ in range(d)]
        words = {
            "kernel_size": tuple(kernel),
            "stride": tuple(rng.randint(1, 4) for _ in range(d)),
            "padding": tuple(rng.randint(0, k // 2) for k in kernel),
            "ceil_mode": rng.random() < 0.5,
            "count_include_pad": rng.random() < 0.5,
        }
        if d > 1 and rng.random() < 0.3:
            words["divisor_override"] = rng.randint(1, 9)
        shape = (2, 2, *(rng.randint(k, k + 6) for k in kernel))
        x = np.random.default_rng(seed).standard_normal(shape)
        theirs_x = torch.from_numpy(x).requires_grad_()
        theirs = functions[d](theirs_x, **words)
        try:
            ours = ndpool.avg_pool(x, **words)
        except ndpool.PoolError as error:
            assert "only padding" in str(error)
            continue
        assert np.allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-13), (seed, words)
        dy = np.random.default_rng(seed).standard_normal(ours.shape)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.avg_pool_backward(dy, x.shape, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-12, atol=1e-13), (seed, words)
        checked += 1
    assert checked > 350
