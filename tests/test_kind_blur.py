"""Blur and max-blur pooling against loops over exact fractions, and the paper's own layers."""

import random
from fractions import Fraction
from itertools import product

import numpy as np
import oracle
import pytest
from cases import DTYPES, LAYOUTS, laid_out, same_bits
from kind_cases import cases, close, float_of, integers
from test_bad_input import GEOMETRY, NO_ARRAYS

import ndpool

MODES = ["reflect", "edge", "symmetric", "wrap", "constant"]


def binomial(taps):
    row = [1]
    for _ in range(taps - 1):
        row = [a + b for a, b in zip([0, *row], [*row, 0], strict=True)]
    return [Fraction(value, 2 ** (taps - 1)) for value in row]


def beyond(at, n, mode):
    """The cell that stands at `at`, which may lie outside; None for a zero. One step at a time."""
    while not 0 <= at < n:
        if mode == "constant":
            return None
        if mode == "edge" or n == 1:
            return 0 if at < 0 else n - 1
        if mode == "wrap":
            at += n if at < 0 else -n
        else:
            at = -at - (mode == "symmetric") if at < 0 else 2 * (n - 1) - at + (mode == "symmetric")
    return at


def blurs(shape, axes, taps, strides, mode):
    """For each output, row-major: {position in the whole array: weight}; and the output's shape."""
    per_axis = []
    for axis, n in enumerate(shape):
        if axis not in axes:
            per_axis.append([{at: Fraction(1)} for at in range(n)])
            continue
        number = axes.index(axis)
        windows = []
        for middle in range(0, n, strides[number]):
            window = {}
            for tap, weight in enumerate(binomial(taps[number])):
                at = beyond(middle + tap - (taps[number] - 1) // 2, n, mode)
                if at is not None:
                    window[at] = window.get(at, 0) + weight
            windows.append(window)
        per_axis.append(windows)
    found = []
    for window in product(*per_axis):
        cells = {0: Fraction(1)}
        for along, n in zip(window, shape, strict=True):
            cells = {
                at * n + cell: weight * more
                for at, weight in cells.items()
                for cell, more in along.items()
            }
        found.append(cells)
    return found, [len(windows) for windows in per_axis]


def blurred(values, found, y_shape):
    y = [sum(values[at] * weight for at, weight in cells.items()) for cells in found]
    return np.array(y, object).reshape(y_shape)


def spread(dy, found, size):
    dx = [Fraction(0)] * size
    for cells, slope in zip(found, dy, strict=True):
        for at, weight in cells.items():
            dx[at] += slope * weight
    return dx


def test_random_blurs_equal_the_oracle():
    for seed in range(300):
        rng = random.Random(seed)
        d, batch = rng.choice([1, 1, 2, 2, 3]), rng.randint(0, 2)
        shape = tuple(rng.randint(1, {1: 9, 2: 6, 3: 4}[d]) for _ in range(d + batch))
        axes = tuple(sorted(rng.sample(range(d + batch), d)))
        taps = tuple(rng.randint(1, 7 - d) for _ in range(d))
        strides = tuple(rng.randint(1, 4) for _ in range(d))
        mode, dtype = rng.choice(MODES), rng.choice(DTYPES)
        words = {"kernel_size": taps, "stride": strides, "axes": axes, "mode": mode}
        about = (seed, shape, dtype, words)

        numbers = np.random.default_rng(seed).integers(0 if dtype.kind in "bu" else -4, 5, shape)
        layout = rng.choice([each for each in LAYOUTS if each != "broadcast"])
        x = laid_out(numbers.astype(dtype), layout, rng)
        values = x.astype(np.int64).reshape(-1).tolist()
        found, y_shape = blurs(shape, axes, taps, strides, mode)
        y = ndpool.blur_pool(x, **words)
        assert y.dtype == float_of(dtype), about
        assert close(y, blurred(values, found, y_shape)), about
        dy = np.random.default_rng(seed).integers(-4, 5, y_shape)
        exact = np.array(spread(dy.reshape(-1).tolist(), found, x.size), object).reshape(shape)
        dx = ndpool.blur_pool_backward(dy.astype(y.dtype), shape, **words)
        assert dx.dtype == y.dtype, about
        assert close(dx, exact), about
        assert np.array_equal(x.astype(np.int64).reshape(-1), values)


@pytest.mark.parametrize("mode", MODES)
def test_blurring_is_adjoint(mode):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 4, 8))
    words = {"kernel_size": (5, 4), "stride": (2, 3), "axes": (1, 3), "mode": mode}
    y = ndpool.blur_pool(x, **words)
    dy = rng.standard_normal(y.shape)
    dx = ndpool.blur_pool_backward(dy, x.shape, **words)
    assert np.isclose((y * dy).sum(), (x * dx).sum(), rtol=1e-13)
    if mode != "constant":  # the weights of a window add up to 1
        assert np.isclose(dx.sum(), dy.sum(), rtol=1e-13)
        assert np.allclose(ndpool.blur_pool(np.ones((5, 6)), 4, stride=1, mode=mode), 1)


def dense(case):
    """The oracle's windows of stride 1, as far as the blur sees them; None if one has no cell."""
    pads = []
    for number, axis in enumerate(case.axes):
        n, (before, after) = case.x.shape[axis], case.pads[number]
        k, s, d = case.kernel[number], case.stride[number], case.dilation[number]
        kept = oracle.out_size(n, k, s, d, before, after, case.ceil_mode)
        while oracle.out_size(n, k, 1, d, before, after, False) < (kept - 1) * s + 1:
            after += 1
        pads.append((before, after))
    steps = (1,) * len(case.axes)
    try:
        return oracle.members(case.x.shape, case.axes, case.kernel, steps, case.dilation, pads)
    except oracle.Impossible:
        return None


def test_random_max_blurs_equal_the_oracle():
    checked = 0
    for case, _ in cases():
        rng = random.Random(case.seed)
        words = case.words | {"blur": rng.randint(1, 4), "blur_mode": rng.choice(MODES)}
        sums = dense(case)
        x = integers(case, case.x.shape)
        if sums is None:
            with pytest.raises(ndpool.PoolError, match="only padding"):
                ndpool.max_blur_pool(x, **words)
            continue
        checked += 1
        before, values = x.tobytes(), x.astype(np.int64).reshape(-1).tolist()
        winners = [max(cells, key=lambda at: (values[at], -at)) for cells in sums.windows]
        found, y_shape = blurs(
            sums.y_shape, case.axes, (words["blur"],) * len(case.axes), case.stride,
            words["blur_mode"],
        )  # fmt: skip
        y, at = ndpool.max_blur_pool(x, **words, return_indices="tensor")
        assert y.dtype == float_of(x.dtype), case
        assert y.shape == case.expected.y.shape, case
        assert close(y, blurred([values[at] for at in winners], found, y_shape)), (case, words)
        assert same_bits(ndpool.max_blur_pool(x, **words), y), case
        assert np.array_equal(at.reshape(-1), winners), case

        dy = integers(case, y.shape)
        of_winners = spread(dy.astype(np.int64).reshape(-1).tolist(), found, len(winners))
        exact = np.array([Fraction(0)] * x.size, object)
        for winner, slope in zip(winners, of_winners, strict=True):
            exact[winner] += slope
        dx = ndpool.max_blur_pool_backward(dy, at, x.shape, **words, index_form="tensor")
        assert dx.dtype == float_of(dy.dtype), case
        assert close(dx, exact.reshape(x.shape)), (case, words)
        assert x.tobytes() == before
    assert checked > 300


def test_without_a_blur_it_is_max_pooling():
    for case, _ in cases():
        if dense(case) is not None:
            y = ndpool.max_blur_pool(case.x, **case.words, blur=1)
            with np.errstate(invalid="ignore"):
                expected = ndpool.max_pool(case.x, **case.words).astype(y.dtype)
            assert np.array_equal(y, expected, equal_nan=True), case


def test_a_shift_changes_less_than_in_max_pooling():
    """What the kind is for: a wave that max pooling loses or keeps, by its place."""
    x = np.tile([0.0, 0.0, 1.0, 1.0], 8)
    shifts = [np.roll(x, by) for by in range(4)]

    def change(pool):
        return np.std([pool(each, (2,), stride=2) for each in shifts], axis=0).mean()

    assert change(ndpool.max_blur_pool) < 0.6 * change(ndpool.max_pool)


def test_nan_and_infinities():
    x = np.array([[0, 0, np.inf, 0, 0, 0, np.nan, 0, 0]])
    y = ndpool.blur_pool(x, (3,))
    assert np.array_equal(y, [[0, np.inf, 0, np.nan, 0]], equal_nan=True)
    # maxima at every cell: 0 inf inf 0 0 nan nan 0
    y = ndpool.max_blur_pool(x, (2,))
    assert np.array_equal(y, [[np.inf, np.inf, np.nan, np.nan]], equal_nan=True)


def test_a_blur_has_the_rows_of_pascals_triangle():
    impulse = np.zeros(9)
    impulse[4] = 1
    y = ndpool.blur_pool(impulse, (5,), stride=1)
    assert y[2:7].tolist() == [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]
    wide = ndpool.blur_pool(np.ones(2000), (1023,), stride=1, mode="wrap")
    assert np.allclose(wide, 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blur", 0), ("blur", 1024), ("blur", 2.0), ("blur", True), ("blur", (3, 3)),
        ("blur_mode", "zeros"), ("blur_mode", 1), ("blur_mode", None), ("return_indices", "plain"),
    ],
)  # fmt: skip
def test_bad_words_of_max_blur(name, value):
    x = np.ones((6, 6))
    y, indices = ndpool.max_blur_pool(x, 2, return_indices=True)
    calls = [lambda: ndpool.max_blur_pool(x, 2, **{name: value})]
    if name != "return_indices":
        calls.append(lambda: ndpool.max_blur_pool_backward(y, indices, x.shape, 2, **{name: value}))
    for call in calls:
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            call()


@pytest.mark.parametrize("name", ["kernel_size", "stride", "axes", "mode", "x"])
def test_bad_words_of_blur(name):
    x = np.ones((1, 2, 5, 5))
    bad = {**GEOMETRY, "mode": ["zeros", None, 3], "x": NO_ARRAYS}
    for value in bad[name]:
        if isinstance(value, (int, tuple)) and value in (8, (3, 8)):
            continue  # longer than the input, which is no error here
        words = {"x": x, "kernel_size": 3} | {name: value}
        with pytest.raises((ndpool.PoolError, TypeError), match=r"^\w+: expected .+, got "):
            ndpool.blur_pool(**words)


def test_a_wrong_dy_is_named():
    with pytest.raises(ndpool.PoolError, match=r"^dy: expected shape \(3,\)"):
        ndpool.blur_pool_backward(np.ones(4), (5,), (3,))


def test_the_blurs_layer():
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 8))
    layer = ndpool.BlurPool(4, stride=(2, 3), mode="edge")
    y = layer.forward(x)
    assert same_bits(y, ndpool.blur_pool(x, 4, stride=(2, 3), mode="edge"))
    dx = ndpool.blur_pool_backward(y, x.shape, 4, stride=(2, 3), mode="edge")
    assert same_bits(layer.backward(y), dx)
    assert repr(layer) == "BlurPool(4, stride=(2, 3), mode='edge')"


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("mode", ["reflect", "edge", "constant"])
def test_equal_to_the_papers_layers(taps, mode):
    """``MaxPool2d(k, stride=1)``, then a padded convolution with one filter for each channel."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    x = np.random.default_rng(0).standard_normal((2, 3, 12, 13))
    row = torch.tensor([float(weight) for weight in binomial(taps)], dtype=torch.float64)
    filters = (row[:, None] * row[None, :]).repeat(3, 1, 1, 1)
    pads = [(taps - 1) // 2, taps // 2] * 2
    their_mode = {"edge": "replicate"}.get(mode, mode)
    for kernel, stride, padding in [(2, 2, 0), (3, 2, 1), (3, 3, 0)]:
        theirs_x = torch.from_numpy(x).requires_grad_()
        maxima = functional.max_pool2d(theirs_x, kernel, 1, padding)
        theirs = functional.conv2d(
            functional.pad(maxima, pads, mode=their_mode), filters, stride=stride, groups=3
        )
        words = {"stride": stride, "padding": padding, "blur": taps, "blur_mode": mode}
        y, indices = ndpool.max_blur_pool(x, kernel, **words, return_indices=True)
        assert np.allclose(y, theirs.detach().numpy(), rtol=1e-13, atol=1e-14)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.max_blur_pool_backward(dy, indices, x.shape, kernel, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-12, atol=1e-13)
