"""Window sums and their adjoint, by every engine: exact, and in one order of additions.

The order is written out here once more, as plainly as it can be: one window, one number at a time.
"""

import random
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import oracle
import pytest
from cases import DTYPES, ENGINES, FLOATS, LAYOUTS, laid_out, needs_native, same_bits, values
from kind_cases import cases
from test_native import BIG, SETS, settings, words_for  # noqa: F401

import ndpool
from ndpool import engines
from ndpool.dtypes import sum_dtype
from ndpool.engines import native
from ndpool.engines import numpy as numpy_engine
from ndpool.geometry import geometry

MODULES = {"numpy": numpy_engine, "native": native}


def in_order(cells):
    """The sum of m numbers: of the first m - h and of the last h, the largest power of two < m."""
    if len(cells) == 1:
        return cells[0]
    h = 1
    while 2 * h < len(cells):
        h *= 2
    return in_order(cells[:-h]) + in_order(cells[-h:])


def windows_along(shapes, number):
    """For each output along a pooled axis the cells of its taps, None outside the input."""
    n, k, s, d, before = (
        of[number]
        for of in (shapes.sizes, shapes.kernel, shapes.stride, shapes.dilation, shapes.before)
    )
    cells = [[o * s - before + t * d for t in range(k)] for o in range(shapes.out[number])]
    return [[cell if 0 <= cell < n else None for cell in window] for window in cells]


def summed(x, axis, windows, order):
    """Along one axis, the sum of each of these lists of cells, in this order."""
    zero = np.zeros(x.shape[:axis] + x.shape[axis + 1 :], x.dtype)
    sums = [
        order([zero if cell is None else x.take(cell, axis) for cell in window]) + zero
        if window else zero
        for window in windows
    ]  # fmt: skip
    return np.stack(sums, axis)


def expected_sums(x, shapes, order=in_order):
    with np.errstate(all="ignore"):
        sums = x.astype(sum_dtype(x.dtype))
        for number, axis in enumerate(shapes.axes):
            sums = summed(sums, axis, windows_along(shapes, number), order)
        return sums.astype(x.dtype)


def expected_spread(dy, shapes, order=in_order):
    """Each cell sums the windows that it is in; those that padding shifted out of y count as 0."""
    with np.errstate(all="ignore"):
        sums = dy.astype(sum_dtype(dy.dtype))
        for number in reversed(range(len(shapes.axes))):
            k, s, d, before, out = (
                of[number]
                for of in (shapes.kernel, shapes.stride, shapes.dilation, shapes.before, shapes.out)
            )
            of_cell = []
            for cell in range(shapes.sizes[number]):
                starts = [cell + before - t * d for t in reversed(range(k))]
                places = [start // s for start in starts if start % s == 0]
                of_cell.append([o if 0 <= o < out else None for o in places])
            sums = summed(sums, shapes.axes[number], of_cell, order)
        return sums.astype(dy.dtype)


def same(a, b):
    """The same bits; any NaN is any other: which of two a sum keeps is the processor's affair."""
    if same_bits(a, b):
        return True
    if a.dtype.kind in "biu" or a.shape != b.shape or a.dtype != b.dtype:
        return False
    plain = [np.where(v != v, v.dtype.type(0), v) for v in (a, b)]
    return np.array_equal(a != a, b != b) and same_bits(*plain)


@cache
def some_cases():
    return [case for case, _ in cases()[:250]]


@pytest.mark.parametrize("engine", ENGINES)
def test_random_cases_are_summed_in_the_order(engine):
    run = MODULES[engine]
    served = 0
    for case in some_cases():
        x = case.x
        shapes = geometry(x.shape, **case.words)
        dy = values(np.random.default_rng(case.seed), "random", shapes.y_shape, x.dtype)
        if run.serves_sums(x.dtype, shapes):
            served += 1
            before = x.tobytes()
            assert same(run.window_sums(x, shapes), expected_sums(x, shapes)), case
            assert x.tobytes() == before
        if run.serves_sums(x.dtype, shapes, backward=True):
            before = dy.tobytes()
            assert same(run.spread(dy, shapes), expected_spread(dy, shapes)), case
            assert dy.tobytes() == before
    assert served > 100


def test_integers_are_exact():
    """Sums of Python integers, wrapped to the dtype; any order of additions gives them."""
    for case, sums in cases()[:150]:
        if case.x.dtype.kind not in "iu":
            continue
        bits = 8 * case.x.itemsize
        wrapped = np.dtype(f"u{case.x.itemsize}")
        exact = oracle.fold(case.x, sums, lambda v, _, bits=bits: sum(v) % 2**bits)
        y = ndpool.sum_pool(case.x, **case.words)
        assert same_bits(y.astype(wrapped), exact.astype(wrapped)), case


@pytest.mark.parametrize("engine", ENGINES)
def test_error_grows_with_the_logarithm(engine):
    """Against exact fractions: 2**12 taps round 12 times, where one after another is 2**12."""
    x = np.random.default_rng(0).random(5000).astype(np.float32)
    shapes = geometry(x.shape, (4096,), stride=100)
    exact = [float(sum(map(Fraction, x[o * 100 : o * 100 + 4096].tolist()))) for o in range(10)]
    assert MODULES[engine].serves_sums(x.dtype, shapes)
    found = MODULES[engine].window_sums(x, shapes)
    assert np.allclose(found, exact, rtol=12 * 2**-24, atol=0)


def both_engines(x, words, rng, sets=SETS, threads=(None,), divisors=None):
    """Sums and spread by the numpy engine, and by native with every set of instructions."""
    shapes = geometry(x.shape, **words)
    dy = values(rng, "random", shapes.y_shape, x.dtype)
    dy = laid_out(dy, rng.choice(["C", "C", "F", "transposed", "gaps"]), random.Random(x.size))
    expected = (
        numpy_engine.window_sums(x, shapes, divisors), numpy_engine.spread(dy, shapes, divisors)
    )  # fmt: skip
    counted = 0
    for instructions, number in product(sets, threads):
        native._native.set_instruction_set(instructions)
        if number:
            ndpool.set_num_threads(number)
        about = instructions, number, x.dtype, x.shape, x.strides, words
        if native.serves_sums(x.dtype, shapes):
            counted += 1
            assert same(native.window_sums(x, shapes, divisors), expected[0]), about
        if native.serves_sums(dy.dtype, shapes, backward=True):
            counted += 1
            assert same(native.spread(dy, shapes, divisors), expected[1]), about
    return counted


@needs_native
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_rows_of_every_length(dtype):
    rng, array_rng = random.Random(1), np.random.default_rng(1)
    for width, _ in product(range(1, 71), range(3)):
        height = rng.randint(1, 40)
        kernel = tuple(rng.randint(1, min(n, rng.choice([5, 9, 40]))) for n in (height, width))
        stride = rng.choice([(1, 1), (2, 2), (rng.randint(1, 5), rng.randint(1, 5)), kernel])
        dilation = rng.choice([(1, 1), (1, 1), (rng.randint(1, 4), rng.randint(1, 4))])
        shape = (rng.choice([1, 1, 2, 5]), height, width)
        if words := words_for(shape, kernel, stride, dilation, rng):
            assert both_engines(values(array_rng, "random", shape, dtype), words, array_rng)


@needs_native
@pytest.mark.parametrize("d", [1, 3, 4])
def test_other_numbers_of_axes(d):
    rng, array_rng = random.Random(d), np.random.default_rng(d)
    for _ in range(120):
        shape = tuple(rng.randint(1, {1: 300, 3: 20, 4: 9}[d]) for _ in range(d))
        kernel = tuple(rng.randint(1, min(n, {1: 90, 3: 4, 4: 3}[d])) for n in shape)
        stride = tuple(rng.randint(1, 3) for _ in kernel)
        dilation = tuple(rng.choice([1, 1, 2, 3]) for _ in kernel)
        shape = (rng.randint(1, 3), *shape)
        if words := words_for(shape, kernel, stride, dilation, rng):
            x = values(array_rng, "random", shape, rng.choice(DTYPES[1:]))
            both_engines(x, words, array_rng)


@needs_native
@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2), (2, 0), (1,), (0,), (1, 3), (0, 1, 2)])
def test_axes_anywhere(axes):
    rng, array_rng = random.Random(8), np.random.default_rng(8)
    for kernel, stride, padding in [(2, 2, 0), (3, 2, 1), (5, 1, 2), (6, 4, 3)]:
        words = {"kernel_size": kernel, "stride": stride, "padding": padding, "axes": axes}
        for shape, layout in product([(9, 10, 11, 37), (9, 8, 7, 1), (6, 7, 1, 5)], LAYOUTS):
            try:
                geometry(shape, **words)
            except ndpool.PoolError:
                continue
            x = values(array_rng, "random", shape, rng.choice(DTYPES[1:]))
            both_engines(laid_out(x, layout, rng), words, array_rng)


@needs_native
@pytest.mark.parametrize("kernel", [8, 12, 23, 24, 31, 40, 63, 64, 65, 100])
@pytest.mark.parametrize("stride", [1, 2, 7, 100])
def test_large_windows(kernel, stride):
    rng = np.random.default_rng(9)
    for axes, dtype in product([(2, 3), (1, 2), (3,)], ["float32", "uint8", "float64"]):
        shape = {(2, 3): (2, 3, 60, 70), (1, 2): (2, 60, 70, 3), (3,): (2, 3, 4, 130)}[axes]
        words = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2, "axes": axes}
        both_engines(values(rng, "random", shape, dtype), words, rng, SETS[-1:])


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_windows_too_large_for_one_tile_go_axis_by_axis(dtype):
    rng = np.random.default_rng(14)
    for kernel, words in [((1100, 1000), {}), ((900, 800), {"stride": 100, "padding": 30})]:
        words = words | {"kernel_size": kernel}
        x = values(rng, "random", (1100, 1010), dtype)
        divisors = np.array(np.prod(kernel)).astype(sum_dtype(np.dtype(dtype)))
        assert len(native._steps(x.dtype, geometry(x.shape, **words), False)) == 2
        assert both_engines(x, words, rng, SETS[-1:], divisors=divisors) == 2


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int64"])
def test_windows_that_do_not_meet(dtype):
    """Side by side, with gaps, over whole axes: each has a way of its own, and each its ends."""
    rng, array_rng = random.Random(15), np.random.default_rng(15)
    kernels = [(2, 2), (3, 3), (1, 2), (7, 6), (14, 12), (2, 12), (14, 2), (9, 5), (8, 2), (4, 1)]
    for kernel, layout in product(kernels, ["C", "transposed", "gaps", "reversed"]):
        for shape in [(3, 2, 14, 12), (2, 14, 12, 3), (2, 2, 15, 140), (14, 12), (2, 3, 14, 12, 5)]:
            axes = {(2, 14, 12, 3): (1, 2), (2, 3, 14, 12, 5): (2, 3)}.get(shape, (-2, -1))
            stride = tuple(k + rng.choice([0, 0, 0, 1, 5]) for k in kernel)
            padding = tuple(rng.choice([0, 0, k // 2]) for k in kernel)
            words = {"kernel_size": kernel, "stride": stride, "padding": padding, "axes": axes}
            x = laid_out(values(array_rng, "random", shape, dtype), layout, rng)
            divisor = np.array(rng.choice([4, 6, 21])).astype(sum_dtype(x.dtype))
            divisors = None if x.dtype.kind in "iu" else divisor
            both_engines(x, words, array_rng, SETS[::2], divisors=divisors)


@needs_native
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_divisors(dtype):
    """One for all windows, a power of two or not, or one for each place in the plane."""
    rng = np.random.default_rng(3)
    wide = sum_dtype(dtype)
    for kernel, stride, axes in product([2, 3, 5], [1, 2, 3], [(1, 2), (2, 3)]):
        words = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2, "axes": axes}
        x = values(rng, "random", (2, 17, 40, 21), dtype)
        out = geometry(x.shape, **words).out
        for divisors in (np.array(4), np.array(7), rng.integers(1, 9, out)):
            if divisors.ndim:
                divisors = np.expand_dims(divisors, [a for a in range(4) if a not in axes])
            both_engines(x, words, rng, divisors=divisors.astype(wide))


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("name", BIG)
def test_any_number_of_threads_gives_the_same_bits(name, dtype):
    rng = np.random.default_rng(11)
    shape, more = BIG[name]
    shape = (shape[0] * (1 if dtype == "float32" else 3), *shape[1:])
    x = values(rng, "random", shape, dtype)
    for words in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1},
                  {"kernel_size": 5, "stride": 1, "padding": 2}):  # fmt: skip
        assert both_engines(x, words | more, rng, SETS[-1:], threads=(1, 2, 7))


@needs_native
@pytest.mark.parametrize("regime", ["zeros", "infinite", "nan", "extreme", "lowest"])
def test_values_of_every_kind(regime):
    rng = np.random.default_rng(12)
    for dtype, layout, kernel in product(DTYPES[1:], ["C", "gaps", "reversed"], [1, 2, 3, 9]):
        x = laid_out(values(rng, regime, (3, 20, 45), dtype), layout, random.Random(2))
        both_engines(x, {"kernel_size": kernel, "stride": 2, "padding": kernel // 2}, rng)


@needs_native
def test_serves_what_the_other_tests_mean_to_test():
    for dtype, kernel, stride in product(DTYPES[1:], (1, 2, 3, 13, 31, 63), (1, 2, 3, 63)):
        shapes = geometry((2, 3, 70, 70), kernel, stride, kernel // 2)
        for backward in (False, True):
            assert native.serves_sums(dtype, shapes, backward), (dtype, kernel, stride, backward)


@needs_native
@pytest.mark.parametrize("p", [1, 2])
def test_norms_are_the_same_from_both_engines(monkeypatch, p):
    for case in some_cases()[:150]:
        y = ndpool.lp_pool(case.x, p, **case.words)
        with monkeypatch.context() as only:
            only.setattr(engines, "_asked", "numpy")
            assert same(ndpool.lp_pool(case.x, p, **case.words), y), case


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_squares_never_leave_the_range(dtype):
    """Next to windows of plain values: those whose squares overflow, vanish, or are zeros."""
    info = np.finfo(dtype)
    tiny, huge = info.smallest_subnormal, info.max / 4
    x = np.array([[3, 4, huge, huge, tiny, tiny, 0, 0, huge, tiny, np.inf, 1]], dtype)
    y = ndpool.lp_pool(x, 2, (2,)).astype(np.longdouble)
    wide = x.astype(np.longdouble)
    expected = np.sqrt((wide * wide).reshape(6, 2).sum(1))
    ulp = np.maximum(info.eps * expected, tiny)
    assert (np.abs(y[0, :5] - expected[:5]) <= 2 * ulp[:5]).all()
    assert y[0, 3] == 0
    assert y[0, 5] == np.inf


@pytest.mark.parametrize("engine", ENGINES)
def test_a_quotient_too_small_for_a_sign_is_zero(engine):
    """Each is added to a cell that begins with 0.0, also where no windows meet."""
    dy = -np.full((3, 40), np.finfo(np.float32).smallest_subnormal)
    dx = ndpool.avg_pool_backward(dy, (3, 120), (3,), engine=engine)
    assert not np.signbit(dx).any() and not dx.any()


@pytest.mark.parametrize("dtype", [np.int64, np.float32], ids=str)
def test_windows_whose_divisors_leave_no_room_for_the_rest(dtype):
    """A window of 37,349 cells, in a plane of each a divisor of its own."""
    words = {
        "kernel_size": (13, 13, 13, 17),
        "stride": (1, 1, 4, 1),
        "dilation": (3, 2, 1, 1),
        "padding": [(18, 18), (12, 12), (6, 0), (16, 0)],
        "ceil_mode": True,
        "count_include_pad": False,
    }
    dy = np.arange(3 * 7 * 2 * 3 * 6, dtype=dtype).reshape(3, 7, 2, 3, 6)
    numpys, default = (
        ndpool.avg_pool_backward(dy, (3, 7, 2, 12, 6), **words, engine=engine)
        for engine in ("numpy", None)
    )
    assert same_bits(numpys, default)
