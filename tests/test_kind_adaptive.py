"""Adaptive pooling against plain loops over its regions, exact fractions, and PyTorch."""

import itertools
import random
from fractions import Fraction
from math import prod

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, DTYPES, FLOATS, index_dtype, is_float, laid_out, same_bits
from kind_cases import close, float_of
from region_cases import array, as_asked, boxes, offsets, plane, winners
from test_bad_input import GEOMETRY, NO_ARRAYS, NO_SIZES, X_SHAPES, refusal

import ndpool

CASES = 300
FUNCTIONS = [ndpool.adaptive_max_pool, ndpool.adaptive_avg_pool]
LAYERS = [ndpool.AdaptiveMaxPool, ndpool.AdaptiveAvgPool]


def regions(n, out):
    """The cells that share some of region i's length n / out."""
    return [
        [c for c in range(n) if c + 1 > Fraction(i * n, out) and c < Fraction((i + 1) * n, out)]
        for i in range(out)
    ]


def case(seed, dtype=None):
    """(x, axes, each axis' cells by region, their `oracle.Sums`, arguments)."""
    rng = random.Random(seed)
    d = rng.choice([1, 2, 2, 3, 4])
    x, axes = array(rng, d, dtype=dtype)
    wanted, sizes = [], []
    for axis in axes:
        n = x.shape[axis]
        size = rng.choice([rng.randint(1, n), rng.randint(1, min(n, 3)), rng.randint(1, n + 3)])
        wanted.append(rng.choice([size, size, size, None]))
        sizes.append(n if wanted[-1] is None else size)
    cells = [regions(x.shape[axis], size) for axis, size in zip(axes, sizes, strict=True)]
    return x, axes, cells, boxes(x.shape, axes, cells), as_asked(rng, x.ndim, axes, wanted)


@pytest.mark.parametrize("chunk", range(3))
def test_max_equals_the_oracle(chunk):
    uneven = 0
    for seed in range(chunk * CASES, (chunk + 1) * CASES):
        x, axes, cells, sums, (size, words) = case(seed)
        before = x.tobytes()
        expected = winners(x, sums)
        largest = [max(map(len, along)) for along in cells]
        uneven += any(len(c) != k for along, k in zip(cells, largest, strict=True) for c in along)

        y, at = ndpool.adaptive_max_pool(x, size, **words, return_indices="tensor")
        assert same_bits(y, x.reshape(-1)[expected]), seed
        assert same_bits(at, expected), seed
        assert same_bits(ndpool.adaptive_max_pool(x, size, **words), y), seed
        in_plane = ndpool.adaptive_max_pool(x, size, **words, return_indices="plane")[1]
        assert same_bits(in_plane, plane(expected, x.shape, axes)), seed
        in_window = ndpool.adaptive_max_pool(x, size, **words, return_indices=True)[1]
        assert in_window.dtype == index_dtype(prod(largest)), seed
        assert np.array_equal(in_window, offsets(expected, sums, x.shape, axes, cells)), seed

        dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(x.dtype)
        exact = oracle.max_pool_backward(dy, expected.reshape(-1), x.shape)
        for form, indices in [("window", in_window), ("plane", in_plane), ("tensor", at)]:
            dx = ndpool.adaptive_max_pool_backward(
                dy, indices, x.shape, size, **words, index_form=form
            )
            assert same_bits(dx, exact), (seed, form)
        assert x.tobytes() == before
    assert uneven > CASES / 4


def test_mean_equals_exact_fractions():
    for seed in range(CASES):
        x, _, _, sums, (size, words) = case(seed)
        rng = np.random.default_rng(seed)
        low = 0 if x.dtype.kind in "bu" else -4
        x = rng.integers(low, 5, x.shape).astype(x.dtype)
        before = x.tobytes()
        y = ndpool.adaptive_avg_pool(x, size, **words)
        exact = oracle.fold(x.astype(np.int64), sums, lambda v, n: Fraction(sum(v), n))
        assert y.dtype == float_of(x.dtype), seed
        # sums of small integers are exact: one rounding, and one more for the 2-byte floats
        wide = np.float32 if y.itemsize == 2 else y.dtype
        assert same_bits(y, exact.astype(np.float64).astype(wide).astype(y.dtype)), seed

        dy = rng.integers(low, 5, y.shape).astype(x.dtype)
        dx = ndpool.adaptive_avg_pool_backward(dy, x.shape, size, **words)
        exact = oracle.fold_backward(
            x.astype(np.int64), dy.astype(np.int64), sums, lambda v, n: [Fraction(1, n)] * n
        )
        assert dx.dtype == float_of(dy.dtype), seed
        assert close(dx, exact), seed
        assert x.tobytes() == before


def test_mean_of_any_values():
    """NaN and infinities: as Python's floats have them, where no sum of finite ones overflows."""
    for seed in range(CASES):
        x, _, _, sums, (size, words) = case(seed, np.float64)
        x = np.where(np.isfinite(x), np.clip(x, -1e300, 1e300), x)
        y = ndpool.adaptive_avg_pool(x, size, **words)
        assert close(y, oracle.fold(x, sums, lambda v, n: sum(v) / n)), seed


def test_mean_is_adjoint_to_its_gradient():
    for seed in range(100):
        x, _, _, _, (size, words) = case(seed)
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(x.shape)
        y = ndpool.adaptive_avg_pool(x, size, **words)
        dy = rng.standard_normal(y.shape)
        dx = ndpool.adaptive_avg_pool_backward(dy, x.shape, size, **words)
        assert np.isclose((y * dy).sum(), (x * dx).sum(), rtol=1e-10, atol=1e-10)
        assert np.isclose(dx.sum(), dy.sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_two_byte_floats_are_summed_in_float32(dtype):
    """2049 ones are 2048 in float16 and 256 in bfloat16."""
    x = np.ones((2, 4099)).astype(dtype)
    assert (ndpool.adaptive_avg_pool(x, (2,)) == 1).all()
    dy = np.array([256, 1]).astype(dtype)
    dx = ndpool.adaptive_avg_pool_backward(dy, (3,), (2,))  # both have the middle one
    assert dx.astype(float).tolist() == [128, 128 if dtype == BFLOAT16 else 128.5, 0.5]
    at = np.array([1, 0], np.uint8)
    dx = ndpool.adaptive_max_pool_backward(np.array([256, 1]).astype(dtype), at, (3,), (2,))
    assert dx.astype(float).tolist() == [0, 256 if dtype == BFLOAT16 else 257, 0]


def test_nan_and_infinities_of_every_float():
    nan, inf = np.nan, np.inf
    for dtype in FLOATS:
        x = np.array([1, nan, inf, 2, nan]).astype(dtype)
        y, at = ndpool.adaptive_max_pool(x, (2,), return_indices="plane")
        assert np.isnan(y.astype(float)).all()
        assert at.tolist() == [1, 4]
        assert np.isnan(ndpool.adaptive_avg_pool(x, (2,)).astype(float)).all()
        x = np.array([1, -inf, inf, inf, 3]).astype(dtype)
        y = ndpool.adaptive_avg_pool(x, (2,)).astype(float)
        assert np.isnan(y[0])
        assert y[1] == inf


def test_bits_do_not_depend_on_the_layout():
    rng = random.Random(0)
    x = np.random.default_rng(0).standard_normal((2, 3, 41, 50)).astype(np.float32)
    for size, words in [((3, 4), {}), ((20, 27), {}), ((3, 7), {"axes": (0, 2)}), ((None, 7), {})]:
        expected = ndpool.adaptive_avg_pool(x, size, **words)
        for layout in ("F", "transposed", "reversed", "gaps", "misaligned"):
            y = ndpool.adaptive_avg_pool(laid_out(x, layout, rng), size, **words)
            assert same_bits(y, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_empty_batch(dtype):
    for shape, size in itertools.product([(0, 3, 5, 7), (2, 0, 5, 7)], [1, 2, 3, (None, 9)]):
        x = np.zeros(shape, dtype)
        y_shape = ndpool.adaptive_avg_pool(np.ones((1, 1, 5, 7)), size).shape[2:]
        for layer in LAYERS:
            layer = layer(size)
            y = layer(x)
            assert y.shape == shape[:2] + y_shape
            assert layer.backward(y).shape == shape
            assert y.dtype == (dtype if is_float(dtype) or "Max" in repr(layer) else np.float64)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer):
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 3))
    made = layer((2, None), axes=(1, 2))
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        made.backward(x)
    y = made(x)
    assert y.shape == (2, 2, 7, 3)
    assert repr(made) == f"{layer.__name__}((2, None), axes=(1, 2))"
    assert np.array_equal(eval(repr(made), {layer.__name__: layer})(x), y)
    for _ in range(2):
        dx = made.backward(np.ones_like(y))
        assert dx.shape == x.shape
        assert np.isclose(dx.sum(), y.size)


BAD_SIZES = [
    *[junk for junk in NO_SIZES if not (isinstance(junk, list) and junk == [2, None])],
    0, (3, 0), None, "same", ((3, 3), (3, 3)), (), 2**62, 2**70, (2**31, 2**31),
]  # fmt: skip


def test_bad_words():
    x = np.ones((1, 2, 5, 5))
    y, at = ndpool.adaptive_max_pool(x, 2, return_indices=True)
    calls = [
        lambda *size, **words: ndpool.adaptive_max_pool(x, *size, **words),
        lambda *size, **words: ndpool.adaptive_avg_pool(x, *size, **words),
        lambda *size, **words: ndpool.adaptive_max_pool_backward(y, at, x.shape, *size, **words),
        lambda *size, **words: ndpool.adaptive_avg_pool_backward(y, x.shape, *size, **words),
        lambda *size, **words: ndpool.AdaptiveMaxPool(*size, **words).forward(x),
        lambda *size, **words: ndpool.AdaptiveAvgPool(*size, **words).forward(x),
    ]
    for call in calls:
        for junk in BAD_SIZES:
            assert refusal(call, junk).startswith("output_size: "), junk
        for junk in GEOMETRY["axes"]:
            assert refusal(call, 2, axes=junk).startswith("axes: "), junk
        with pytest.raises(TypeError, match="stride"):
            call(2, stride=2)


def test_bad_arrays():
    x = np.ones((1, 2, 5, 5))
    for function in FUNCTIONS:
        for junk in NO_ARRAYS:
            assert refusal(function, junk, 2).startswith("x: ")
        assert "pooled axis 1" in refusal(function, np.ones((3, 0, 4)), 2)
        assert refusal(function, np.ones(3), 2).startswith("output_size: ")
    y, at = ndpool.adaptive_max_pool(x, 3, return_indices=True)
    for junk in X_SHAPES:
        names = ("x_shape: ", "output_size: ", "dy: ", "indices: ", "x: ")
        assert refusal(ndpool.adaptive_max_pool_backward, y, at, junk, 3).startswith(names)
        assert refusal(ndpool.adaptive_avg_pool_backward, y, junk, 3).startswith(names)
    for dy in (y[0], y[..., :2], np.ones((1, 2, 5, 5))):
        named = "dy: expected shape (1, 2, 3, 3)"
        assert refusal(ndpool.adaptive_max_pool_backward, dy, at, x.shape, 3).startswith(named)
        assert refusal(ndpool.adaptive_avg_pool_backward, dy, x.shape, 3).startswith(named)


def test_winners_outside_their_region_are_refused():
    x = np.random.default_rng(0).standard_normal((2, 7, 10))
    size = (3, 4)
    sums = boxes(x.shape, (1, 2), [regions(7, 3), regions(10, 4)])
    y, at = ndpool.adaptive_max_pool(x, size, return_indices="tensor")
    for place, cells in zip(np.ndindex(*y.shape), sums.windows, strict=True):
        for position in [*range(-3, x.size + 3), 2**62, -(2**62)]:
            bad = at.copy()
            bad[place] = position
            words = {"index_form": "tensor"}
            if position in cells:
                ndpool.adaptive_max_pool_backward(y, bad, x.shape, size, **words)
                continue
            message = refusal(ndpool.adaptive_max_pool_backward, y, bad, x.shape, size, **words)
            assert f"{position} at {place}" in message
    # rows of 3, 3, 3 of 7 cells, columns of 3, 3, 3, 3 of 10: 9 offsets, none beyond
    at = ndpool.adaptive_max_pool(x, size, return_indices=True)[1]
    at[1, 2, 3] = 9
    assert "9 at (1, 2, 3)" in refusal(ndpool.adaptive_max_pool_backward, y, at, x.shape, size)
    # 4 cells in 3 regions of 2 and 2 and 2; 5 cells in 3 of 2, 3 and 2: the last has no third
    at = np.array([0, 2, 2], np.uint8)
    assert "2 at (2,)" in refusal(ndpool.adaptive_max_pool_backward, np.ones(3), at, (5,), (3,))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_random_cases_equal_torch(d):
    """Values, positions, gradients, and the gradient's gradient."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    theirs_max = getattr(functional, f"adaptive_max_pool{d}d")
    theirs_avg = getattr(functional, f"adaptive_avg_pool{d}d")
    for seed in range(100):
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        sizes = [rng.randint(1, 12) for _ in range(d)]
        out = tuple(rng.choice([None, rng.randint(1, n), rng.randint(1, n + 4)]) for n in sizes)
        if d == 1 and out[0] is None:
            out = (sizes[0],)
        x = numbers.standard_normal((2, 3, *sizes))
        tensor = torch.from_numpy(x).requires_grad_()
        theirs, theirs_at = theirs_max(tensor, out, return_indices=True)
        ours, at = ndpool.adaptive_max_pool(x, out, return_indices="plane")
        assert np.array_equal(ours, theirs.detach().numpy()), (seed, sizes, out)
        assert np.array_equal(at, theirs_at.numpy()), (seed, sizes, out)
        dy = numbers.integers(-4, 5, ours.shape).astype(np.float64)
        dx = ndpool.adaptive_max_pool_backward(dy, at, x.shape, out, index_form="plane")
        (gradient,) = torch.autograd.grad(theirs, tensor, torch.from_numpy(dy))
        assert np.array_equal(dx, gradient.numpy()), (seed, sizes, out)

        theirs, ours = theirs_avg(tensor, out), ndpool.adaptive_avg_pool(x, out)
        assert np.allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-13)
        slopes = torch.from_numpy(dy).requires_grad_()
        (gradient,) = torch.autograd.grad(theirs, tensor, slopes, create_graph=True)
        dx = ndpool.adaptive_avg_pool_backward(dy, x.shape, out)
        assert np.allclose(dx, gradient.detach().numpy(), rtol=1e-12, atol=1e-13)
        ddx = numbers.standard_normal(x.shape)
        (twice,) = torch.autograd.grad(gradient, slopes, torch.from_numpy(ddx))
        again = ndpool.adaptive_avg_pool(ddx, out)
        assert np.allclose(again, twice.numpy(), rtol=1e-12, atol=1e-13)
