"""Windows reduced by ufuncs and functions: NumPy's own reduce of each window, and the peers."""

import random
import tracemalloc
from functools import partial
from math import prod

import numpy as np
import oracle
import pytest
from cases import DTYPES, LAYOUTS, is_float, laid_out, same_bits
from kind_cases import cases, integers
from test_bad_input import GEOMETRY, NO_ARRAYS, refusal

import ndpool

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
UFUNCS = [np.add, np.multiply, np.maximum, np.minimum, np.logical_or, np.logical_and]
FUNCTIONS = [np.median, np.mean, np.ptp, np.argmax, np.std, partial(np.quantile, q=0.25)]
IN_ORDER = np.frompyfunc(lambda a, b: f"{a},{b}", 2, 1)


def windows_of(case, x, fill=None):
    """Each window's cells as a flat array, and y's shape; padding left out where fill is None."""
    numbers = np.arange(x.size).reshape(x.shape)
    taps = oracle.windows_of(
        numbers, case.axes, case.kernel, case.stride, case.dilation, case.pads, case.ceil_mode, -1
    ).reshape(*case.expected.y.shape, prod(case.kernel))
    flat = np.append(x.reshape(-1), np.array([0 if fill is None else fill]).astype(x.dtype))
    rows = taps.reshape(-1, taps.shape[-1]) if taps.size else []
    return [flat[row if fill is not None else row[row >= 0]] for row in rows], taps.shape[:-1]


def asked(case, rng):
    """The case's words with `partial` for its rounding, and what stands in padding."""
    words = {name: value for name, value in case.words.items() if name != "ceil_mode"}
    if not case.ceil_mode:
        return words, None
    if rng.random() < 0.5:
        return words | {"partial": "keep"}, None
    fill = rng.choice([0, 1])
    return words | {"partial": "pad", "fill": fill}, fill


def close(found, expected):
    """To the bit; float sums and products to rounding in their dtype."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    if not is_float(found.dtype):
        return np.array_equal(found, expected)
    tolerance = {2: 2e-2, 4: 1e-5, 8: 1e-13}[found.dtype.itemsize]
    pair = found.astype(np.float64), expected.astype(np.float64)
    return np.allclose(*pair, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_random_cases_equal_numpys_reduce_of_each_window():
    for case, _ in cases():
        rng = random.Random(case.seed)
        words, fill = asked(case, rng)
        x = laid_out(integers(case, case.x.shape), rng.choice(LAYOUTS), rng)
        before = x.tobytes()
        rows, shape = windows_of(case, x, fill)
        ufunc = rng.choice(UFUNCS)
        y = ndpool.reduce_windows(x, ufunc, **words)
        dtype = ufunc.reduce(np.ones((1, 2), x.dtype), axis=1).dtype
        # 2-byte floats are joined in float32
        wide = np.float32 if is_float(x.dtype) and x.itemsize == 2 and is_float(dtype) else dtype
        expected = np.array([ufunc.reduce(row, dtype=wide) for row in rows], wide)
        assert close(y, expected.astype(dtype).reshape(shape)), (ufunc, case)

        y = ndpool.reduce_windows(np.arange(x.size).reshape(x.shape), IN_ORDER, **words)
        rows, _ = windows_of(case, np.arange(x.size).reshape(x.shape), fill)
        expected = [",".join(map(str, row)) for row in rows]
        assert list(map(str, y.reshape(-1))) == expected, case
        assert x.tobytes() == before


def test_functions_of_an_axis():
    for case, _ in cases():
        rng = random.Random(case.seed)
        words, fill = asked(case, rng)
        dtype = rng.choice([np.float32, np.float64, np.int16, np.uint8])
        x = np.random.default_rng(case.seed).integers(0, 9, case.x.shape).astype(dtype)
        x = laid_out(x, rng.choice(LAYOUTS), rng)
        x.flags.writeable = False
        rows, shape = windows_of(case, x, fill)
        function = rng.choice(FUNCTIONS)
        y = ndpool.reduce_windows(x, function, **words)
        assert y.dtype == function(np.ones((1, 3), dtype), axis=1).dtype
        expected = np.array([function(row, axis=0) for row in rows], y.dtype).reshape(shape)
        assert close(y, expected), (function, case)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes_are_those_of_numpys_reduce(dtype):
    x = np.array([[1, 0, 1, 1, 1], [1, 1, 0, 0, 0]]).astype(dtype)
    for ufunc in [np.add, np.multiply, np.maximum, np.logical_or]:
        whole = ufunc.reduce(x[:, :4].reshape(2, 2, 2).transpose(1, 0, 2).reshape(2, 4), axis=1)
        for words in ({}, {"engine": 0}):
            y = ndpool.reduce_windows(x[:, :4] if words else x, ufunc, 2)
            assert y.dtype == whole.dtype
            assert y.tolist() == [whole.tolist()]
    if dtype.kind in "biu":
        y = ndpool.reduce_windows(x, np.add, 2, dtype=np.uint8)
        assert same_bits(y, np.array([[3, 2]], np.uint8))


def test_functions_of_numpy_that_are_a_ufuncs_reduce():
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 9)).astype(np.uint8)
    for function in (np.max, np.min, np.sum, np.prod, np.any, np.all):
        y = ndpool.reduce_windows(x, function, 3, partial="keep")
        by_rows = ndpool.reduce_windows(
            x, lambda rows, axis, f=function: f(rows, axis=axis), 3, partial="keep"
        )
        assert same_bits(y, by_rows)


def test_nan_and_infinities():
    x = np.array([[1, np.nan, np.inf, 2, -np.inf, np.inf, 5]])
    y = ndpool.reduce_windows(x, np.maximum, (2,), partial="keep")
    assert np.array_equal(y, [[np.nan, np.inf, np.inf, 5]], equal_nan=True)
    y = ndpool.reduce_windows(x, np.nanmax, (2,), partial="pad", fill=np.nan)
    assert np.array_equal(y, [[1, np.inf, np.inf, 5]])
    y = ndpool.reduce_windows(x, np.add, (2,), partial="pad", fill=np.nan)
    assert np.array_equal(y, [[np.nan, np.inf, np.nan, np.nan]], equal_nan=True)


def test_global_windows_and_empty_batches():
    x = np.random.default_rng(0).standard_normal((3, 40, 50))
    for ufunc in (np.multiply, np.logaddexp, np.hypot):
        y = ndpool.reduce_windows(x, ufunc, (40, 50))
        rows = x.reshape(3, 2000)
        assert np.allclose(y[:, 0, 0], ufunc.reduce(rows, axis=1), rtol=1e-10)
    y = ndpool.reduce_windows(x, np.multiply, (45, 55), partial="pad", fill=2, padding=3)
    assert np.allclose(y[:, 0, 0] / 2.0 ** (45 * 55 - 2000), np.prod(x, axis=(1, 2)), rtol=1e-9)
    for reduction in (np.add, np.multiply, np.median, np.argmax):
        empty = ndpool.reduce_windows(x[:0].astype(np.float32), reduction, 3, partial="keep")
        assert empty.shape == (0, 14, 17)
        assert empty.dtype == ndpool.reduce_windows(x.astype(np.float32), reduction, 3).dtype


def test_blocks_of_rows():
    """More cells than a block holds."""
    x = np.random.default_rng(0).standard_normal((3, 400, 500))
    view = np.lib.stride_tricks.sliding_window_view(x, (3, 4), axis=(1, 2))
    y = ndpool.reduce_windows(x, np.ptp, (3, 4), stride=1)
    assert np.array_equal(y, np.ptp(view, axis=(-2, -1)))


def test_a_ufunc_needs_no_memory_but_the_result():
    x = np.ones((1500, 1500))
    for words, most in [
        ({}, 1.3),
        ({"partial": "keep", "padding": 1}, 1.3),
        ({"partial": "pad", "padding": 1}, 2.1),
    ]:
        tracemalloc.start()
        y = ndpool.reduce_windows(x, np.multiply, 3, stride=1, **words)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * y.nbytes


def test_equal_to_block_reduce():
    measure = pytest.importorskip("skimage.measure", reason="scikit-image is not installed")
    for seed in range(120):
        rng = random.Random(seed)
        shape = [rng.randint(1, 9) for _ in range(rng.randint(1, 4))]
        block = tuple(rng.randint(1, 4) for _ in shape)
        dtype = rng.choice([np.uint8, np.int32, np.float32, np.float64])
        x = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
        function = rng.choice([np.sum, np.max, np.min, np.mean, np.median, np.prod])
        fill = rng.choice([0, 1, 3])
        theirs = measure.block_reduce(x, block, function, cval=fill)
        block = tuple(min(k, 10**6) for k in block)
        ours = ndpool.reduce_windows(x, function, block, partial="pad", fill=fill)
        assert ours.dtype == theirs.dtype, seed
        assert np.allclose(ours, theirs, rtol=1e-5), (seed, function)


def test_equal_to_scipys_filters():
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    x = np.random.default_rng(0).standard_normal((12, 13))
    for size in [(3, 3), (5, 1), (1, 7)]:
        words = {"stride": 1, "padding": tuple(k // 2 for k in size), "partial": "pad", "fill": 0.5}
        there = {"size": size, "mode": "constant", "cval": 0.5}
        assert np.array_equal(
            ndpool.reduce_windows(x, np.median, size, **words), ndimage.median_filter(x, **there)
        )
        for ufunc, theirs in [
            (np.maximum, ndimage.maximum_filter), (np.minimum, ndimage.minimum_filter),
        ]:  # fmt: skip
            assert np.array_equal(
                ndpool.reduce_windows(x, ufunc, size, **words), theirs(x, **there)
            )
        mean = ndpool.reduce_windows(x, np.add, size, **words) / np.prod(size)
        assert np.allclose(mean, ndimage.uniform_filter(x, **there), rtol=1e-12)


def test_equal_to_jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    lax = jax.lax
    pairs = [
        (np.add, lax.add, 0), (np.multiply, lax.mul, 1), (np.maximum, lax.max, -(2**31)),
        (np.minimum, lax.min, 2**31 - 1), (np.bitwise_xor, lax.bitwise_xor, 0),
    ]  # fmt: skip
    for seed in range(25):
        rng = random.Random(seed)
        shape = [rng.randint(2, 6) for _ in range(3)]
        kernel = [rng.randint(1, 2) if n < 4 else rng.randint(1, 3) for n in shape]
        stride = [rng.randint(1, 3) for _ in shape]
        dilation = [
            1 if k == 1 or n < 5 else rng.randint(1, 2) for k, n in zip(kernel, shape, strict=True)
        ]
        pads = [(rng.randint(0, k - 1), rng.randint(0, k - 1)) for k in kernel]
        pads = [(b * (d == 1), a * (d == 1)) for (b, a), d in zip(pads, dilation, strict=True)]
        x = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.int32)
        ufunc, theirs, start = rng.choice(pairs)
        expected = lax.reduce_window(
            x, np.int32(start), theirs, kernel, stride, pads, None, dilation
        )
        y = ndpool.reduce_windows(
            x, ufunc, tuple(kernel), stride=stride, padding=pads, dilation=dilation,
            dtype=np.int32,
        )  # fmt: skip
        assert same_bits(y, np.asarray(expected)), (seed, ufunc)


def reduce(x=X, kernel_size=3, stride=2, padding=1, reduction=np.add, **words):
    return ndpool.reduce_windows(x, reduction, kernel_size, stride=stride, padding=padding, **words)


def test_bad_input():
    for name, junks in GEOMETRY.items():
        for junk in junks:
            if name == "ceil_mode" or (name == "kernel_size" and type(junk) is type(iter([]))):
                continue
            for how in ({}, {"reduction": np.median}):
                assert refusal(reduce, **{name: junk}, **how).startswith(f"{name}: ")
    for junk in NO_ARRAYS:
        assert refusal(reduce, junk).startswith("x: ")
    for junk in ("sum", None, 1, [np.add]):
        assert refusal(reduce, reduction=junk).startswith("reduction: expected a NumPy ufunc")
    for ufunc in (np.negative, np.divmod, np.modf, np.left_shift, np.invert):
        assert refusal(reduce, reduction=ufunc).startswith("reduction: expected a ufunc that redu")
    for function in (lambda a, axis: a, lambda a, axis: 3.0, np.cumsum):
        assert refusal(reduce, reduction=function).startswith("reduction: expected a function of ")
    for function in (lambda a: 1, lambda *a: 1, int, float, None, "max"):
        assert refusal(reduce, reduction=function).startswith(
            "reduction: expected a NumPy ufunc, or"
        )
    for junk in ("valid", "", None, True, ("pad",)):
        assert refusal(reduce, partial=junk).startswith("partial: expected 'trim', 'pad', 'keep'")
    assert refusal(reduce, fill=0).startswith("fill: expected None, unless partial='pad'")
    for junk in ("0", [0], 1j, object()):
        assert refusal(reduce, fill=junk, partial="pad").startswith("fill: ")
    assert refusal(reduce, dtype=int, reduction=np.median).startswith("dtype: expected None")
    assert refusal(reduce, dtype="nonsense").startswith("reduction: ")
    assert refusal(reduce, kernel_size=2, padding=0, partial="exact") == (
        "partial: expected windows that fill axis 2, with 'exact', got 1 cells behind the last; "
        "say what to do with them: 'trim', 'pad' or 'keep'"
    )
    assert reduce(kernel_size=5, padding=0, partial="exact").shape == (1, 2, 1, 1)
    for word in ("ceil_mode", "strides"):
        with pytest.raises(TypeError, match=word):
            reduce(**{word: True})
