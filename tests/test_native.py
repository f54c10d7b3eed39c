"""The native engine on shapes that stress vector code and threads, bit for bit against numpy.

The numpy engine itself is held against the oracle in test_oracle.py.
"""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import prod

import numpy as np
import oracle
import pytest
from cases import (
    DTYPES,
    REGIMES,
    index_dtype,
    laid_out,
    needs_native,
    same_bits,
    values,
)
from numpy.lib.stride_tricks import sliding_window_view

import ndpool
from ndpool.engines import native
from ndpool.geometry import geometry

pytestmark = needs_native
SETS = [] if native.missing else native._native.instruction_sets()


@pytest.fixture(autouse=True)
def settings():
    """The set of instructions and the number of threads are afterwards what they were."""
    before = native.instruction_set(), native.num_threads()
    yield
    native._native.set_instruction_set(before[0])
    native.set_num_threads(before[1])


def run(x, dy, words, engine):
    """Everything that the engine makes of one pooling."""
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
    alone = ndpool.max_pool(x, **words, engine=engine)
    dx = ndpool.max_pool_backward(dy, indices, x.shape, **words, engine=engine)
    return {"y": y, "indices": indices, "y alone": alone, "dx": dx}


def check(x, words, rng, sets=SETS, threads=(None,)):
    """Forward and backward by both engines, with every set of vector instructions that is here.

    dy is of any layout, and such that sums depend on their order.
    """
    dy = values(rng, "random", geometry(x.shape, **words).y_shape, x.dtype)
    dy = laid_out(dy, rng.choice(["C", "C", "F", "transposed", "gaps"]), random.Random(x.size))
    expected = run(x, dy, words, "numpy")
    for instructions, number in product(sets, threads):
        native._native.set_instruction_set(instructions)
        if number:
            ndpool.set_num_threads(number)
        for what, ours in run(x, dy, words, "native").items():
            about = what, instructions, number, x.dtype, x.shape, x.strides, dy.strides, words
            assert same_bits(ours, expected[what]), about


def words_for(shape, kernel, stride, dilation, rng):
    """Arguments for the last axes: padding as far as it can go, ceil mode, else None."""
    pads = []
    for n, k, d in zip(shape[-len(kernel) :], kernel, dilation, strict=True):
        reach = min(d * (k - 1), n)
        pads.append((rng.randint(0, reach), rng.randint(0, reach)))
    for _ in range(2):
        ceil_mode = rng.random() < 0.3
        axes = tuple(range(len(shape) - len(kernel), len(shape)))
        try:
            oracle.all_windows(shape, axes, kernel, stride, dilation, pads, ceil_mode)
        except oracle.Impossible:
            pads = [(0, 0)] * len(kernel)
        else:
            return {"kernel_size": kernel, "stride": stride, "dilation": dilation,
                    "padding": tuple(pads), "ceil_mode": ceil_mode}  # fmt: skip
    return None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_of_every_length(dtype):
    rng, array_rng = random.Random(1), np.random.default_rng(1)
    checked = 0
    for width, _ in product(range(1, 71), range(4)):
        small = rng.random() < 0.7
        height = rng.randint(1, 40)
        kernel = tuple(rng.randint(1, min(n, 5 if small else 17)) for n in (height, width))
        stride = rng.choice([(1, 1), (2, 2), (rng.randint(1, 5), rng.randint(1, 5)), kernel])
        dilation = rng.choice([(1, 1), (1, 1), (rng.randint(1, 4), rng.randint(1, 4))])
        shape = (rng.choice([1, 1, 2, 3]), height, width)
        if words := words_for(shape, kernel, stride, dilation, rng):
            check(values(array_rng, rng.choice(REGIMES), shape, dtype), words, array_rng)
            checked += 1
    assert checked > 200


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int8", "int16", "float16"])
@pytest.mark.parametrize("stride", range(1, 6))
def test_every_kernel_at_every_stride(stride, dtype):
    rng, array_rng = random.Random(stride), np.random.default_rng(stride)
    for k in range(1, 18):
        shape = (2, k + rng.randint(0, 20), k + rng.randint(0, 53))
        for pad in {0, k // 2}:
            words = {"kernel_size": k, "stride": stride, "padding": pad}
            check(values(array_rng, rng.choice(REGIMES), shape, dtype), words, array_rng)


@pytest.mark.parametrize("d", [1, 3, 4])
def test_other_numbers_of_axes(d):
    rng, array_rng = random.Random(d), np.random.default_rng(d)
    checked = 0
    for _ in range(150):
        shape = tuple(rng.randint(1, {1: 200, 3: 20, 4: 9}[d]) for _ in range(d))
        kernel = tuple(rng.randint(1, min(n, {1: 40, 3: 4, 4: 3}[d])) for n in shape)
        stride = tuple(rng.randint(1, 3) for _ in kernel)
        dilation = tuple(rng.choice([1, 1, 2, 3]) for _ in kernel)
        shape = (rng.randint(1, 3), *shape)
        if words := words_for(shape, kernel, stride, dilation, rng):
            x = values(array_rng, rng.choice(REGIMES), shape, rng.choice(DTYPES))
            check(x, words, array_rng)
            checked += 1
    assert checked > 50


LAYOUTS = ["C", "F", "transposed", "reversed", "gaps", "broadcast", "misaligned"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("shape", "stride", "axes"),
    [((37, 3, 5, 1), 2, (2, 3)), ((9, 70, 90), (3, 1), (0, 2)), ((4, 1000), 3, (1,))],
)
def test_windows_of_one_cell(shape, stride, axes, layout):
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64", "int16", "bool"):
        x = laid_out(values(rng, "random", shape, dtype), layout, random.Random(1))
        words = {"kernel_size": (1,) * len(axes), "stride": stride, "axes": axes}
        check(x, words, rng, SETS[-1:], threads=(1, 2))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_layouts_of_wide_planes(dtype):
    """One geometry meets all of them: what is remembered of one must not be taken for another."""
    rng, array_rng = random.Random(7), np.random.default_rng(7)
    for kernel, stride in product((2, 3, 7), (1, 2)):
        shape = (2, rng.randint(7, 30), rng.randint(30, 90))
        words = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2}
        for layout in LAYOUTS:
            x = laid_out(values(array_rng, rng.choice(REGIMES), shape, dtype), layout, rng)
            check(x, words, array_rng)


@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2), (2, 0), (1,), (0,), (1, 3), (0, 1, 2)])
def test_axes_anywhere(axes):
    rng, array_rng = random.Random(8), np.random.default_rng(8)
    for kernel, stride, padding in [(2, 2, 0), (3, 2, 1), (5, 1, 2), (6, 4, 3)]:
        words = {"kernel_size": kernel, "stride": stride, "padding": padding, "axes": axes}
        for shape, layout in product([(9, 10, 11, 37), (9, 8, 7, 1), (6, 7, 1, 5)], LAYOUTS):
            x = values(array_rng, rng.choice(REGIMES), shape, rng.choice(DTYPES))
            try:
                geometry(shape, **words)
            except ndpool.PoolError:
                continue
            check(laid_out(x, layout, rng), words, array_rng)


@pytest.mark.parametrize(
    ("kernel", "index"),
    [((16, 16), "u1"), ((256,), "u1"), ((257,), "u2"), ((17, 16), "u2"), ((17, 17), "u2"),
     ((9, 8, 10), "u2"), ((63, 63), "u2"), ((65536,), "u2"), ((65537,), "u4"), ((257, 256), "u4")],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "float16"])
def test_large_windows(kernel, index, dtype):
    """Against NumPy's argmax over a view of all windows: also the first of equals, or of NaNs."""
    rng = np.random.default_rng(9)
    all_of_them = [*product(["random", "ties", "nan", "lowest"], [1, 2])]
    if prod(kernel) > 5000:  # too many for the numpy engine, should native not serve them
        all_of_them = {"float32": [("ties", 1)], "uint8": [("ties", 2)]}.get(dtype, [])
    for regime, stride in all_of_them:
        x = values(rng, regime, (2, *(k + 5 for k in kernel)), dtype)
        axes = tuple(range(1, x.ndim))
        steps = (slice(None), *(slice(None, None, stride) for _ in kernel))
        every = sliding_window_view(x, kernel, axes)[steps]
        # (batch, *out, *kernel) -> (batch, *out, cells)
        every = every.reshape(*every.shape[: x.ndim], -1)
        winners = every.argmax(-1)
        words = {"kernel_size": kernel, "stride": stride}
        y, indices = ndpool.max_pool(x, **words, return_indices=True, engine="native")
        assert indices.dtype == np.dtype(index) == index_dtype(prod(kernel))
        assert np.array_equal(indices, winners)
        assert same_bits(y, np.take_along_axis(every, winners[..., None], -1)[..., 0])
        assert same_bits(ndpool.max_pool(x, **words, engine="native"), y)

        dy = rng.integers(0, 3, y.shape).astype(dtype)
        dx = ndpool.max_pool_backward(dy, indices, x.shape, **words, engine="native")
        taps = np.unravel_index(winners, kernel)
        starts = np.indices(y.shape)
        cells = (starts[0], *(stride * starts[i + 1] + taps[i] for i in range(len(kernel))))
        expected = np.zeros(x.shape, dtype)
        np.add.at(expected, cells, dy)
        assert same_bits(dx, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_of_any_winners(dtype):
    """Winners that no forward call would give: any cell inside the input, the last, the first."""
    rng, array_rng = random.Random(10), np.random.default_rng(10)
    for choice, _ in product(["any", "first", "last"], range(40)):
        shape = (rng.randint(1, 3), rng.randint(1, 20), rng.randint(1, 70))
        kernel = tuple(rng.randint(1, min(n, 6)) for n in shape[1:])
        stride, dilation = rng.choice([(1, 1), (2, 2), (3, 2)]), rng.choice([(1, 1), (2, 3)])
        words = words_for(shape, kernel, stride, dilation, rng)
        if not words:
            continue
        per_axis = oracle.all_windows(
            shape, (1, 2), kernel, stride, dilation, words["padding"], words["ceil_mode"]
        )
        y_shape = tuple(map(len, per_axis))
        offsets = np.zeros(y_shape, np.int64)
        for axis, weight in ((1, kernel[1]), (2, 1)):
            low = np.array([inside[0][0] for inside in per_axis[axis]])
            high = np.array([inside[-1][0] for inside in per_axis[axis]])
            along = [-1 if i == axis else 1 for i in range(3)]
            taps = array_rng.integers(low.reshape(along), high.reshape(along) + 1, y_shape)
            taps = {"any": taps, "first": low.reshape(along), "last": high.reshape(along)}[choice]
            offsets += taps * weight
        indices = offsets.astype(index_dtype(prod(kernel)))
        dy = values(array_rng, "random", y_shape, dtype)
        ours, theirs = (
            ndpool.max_pool_backward(dy, indices, shape, **words, engine=engine)
            for engine in ("native", "numpy")
        )
        assert same_bits(ours, theirs), (shape, words)


POOLINGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 5, "stride": 1, "padding": 2},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 3, "stride": 1, "dilation": 2},
]


@pytest.mark.parametrize("words", POOLINGS, ids=str)
@pytest.mark.parametrize("shape", [(3, 8, 6), (2, 9, 40, 40), (70, 70)], ids=str)
def test_gradients_of_minus_zero_are_sums_that_begin_with_zero(shape, words):
    x = np.random.default_rng(4).standard_normal(shape)
    _, indices = ndpool.max_pool(x, **words, return_indices=True)
    dx = ndpool.max_pool_backward(
        np.full(indices.shape, -0.0), indices, shape, **words, engine="native"
    )
    assert not np.signbit(dx).any()


BIG = {  # more than a megabyte each, so that threads start
    "planes": ((16, 8, 64, 64), {}),
    "one plane": ((1, 1100, 1100), {}),
    "three tall planes": ((3, 1500, 300), {}),
    "small planes": ((9000, 6, 6), {}),
    "channels last": ((4, 64, 64, 24), {"axes": (1, 2)}),
    "a signal": ((2, 300_000), {"axes": -1}),
    "a volume": ((1, 48, 80, 80), {"axes": (1, 2, 3)}),
}


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("name", BIG)
def test_any_number_of_threads_gives_the_same_bits(name, dtype):
    rng = np.random.default_rng(11)
    shape, more = BIG[name]
    for pooling, regime in zip(POOLINGS, ["random", "ties", "nan"] * 2, strict=True):
        words = pooling | more
        if "small" in name and pooling.get("dilation"):
            words["padding"] = 1
        x = values(rng, regime, (shape[0] * (1 if dtype == "float32" else 2), *shape[1:]), dtype)
        check(x, words, rng, SETS[-1:], threads=(1, 2, 7))


def test_one_large_overlapping_window_in_many_threads():
    rng = np.random.default_rng(12)
    x = values(rng, "ties", (8, 40, 40, 40), "float32")
    check(x, {"kernel_size": 13, "stride": 1, "padding": 6}, rng, SETS[-1:], threads=(1, 2, 5))


def test_calls_from_many_python_threads_at_once():
    rng = np.random.default_rng(13)
    words = {"kernel_size": 3, "stride": 2, "padding": 1}
    xs = [values(rng, "random", (16, 16, 50 + i, 60), "float32") for i in range(8)]
    dys = [values(rng, "random", ndpool.max_pool(x, **words).shape, "float32") for x in xs]
    expected = [run(x, dy, words, "numpy") for x, dy in zip(xs, dys, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            got = pool.map(lambda x, dy: run(x, dy, words, "native"), xs, dys)
            for ours, theirs in zip(got, expected, strict=True):
                assert all(same_bits(ours[what], theirs[what]) for what in theirs)


FORK = """
import os, signal, numpy as np, ndpool
x = np.random.default_rng(0).standard_normal((32, 16, 64, 64), np.float32)
def work():
    y, i = ndpool.max_pool(x, 3, stride=2, padding=1, return_indices=True, engine="native")
    return y.tobytes(), i.tobytes(), ndpool.max_pool_backward(
        y, i, x.shape, 3, stride=2, padding=1, engine="native").tobytes()
ndpool.set_num_threads(4)
before = work()
child = os.fork()
if not child:
    signal.alarm(100)  # a child that hangs ends
    os._exit(0 if work() == before else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert work() == before
print("child", status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_works_after_fork():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=300)
    assert done.stdout == "child 0\n", done.stderr


def test_serves_what_the_other_tests_mean_to_test():
    """engine="native" hands over to numpy what it does not serve; this much it must serve."""
    for dtype, kernel in product(DTYPES, (1, 2, 3, 13, 17, 63)):
        shapes = geometry((2, 3, 70, 70), kernel)
        assert native.serves(dtype, shapes), (dtype, kernel)
        has_none = dtype.kind == "b"
        assert native.serves(dtype, shapes, backward=True) or has_none, (dtype, kernel)


def test_a_row_of_cells_whose_outputs_are_no_row():
    """The pooled axis alone lies without gaps in x; in y, batch cells lie between its outputs."""
    rng = np.random.default_rng(11)
    x = np.asfortranarray(rng.random((40, 8, 7, 1)))
    for dtype in (np.float32, np.int64, np.uint8):
        check(x.astype(dtype, order="F"), {"kernel_size": 3, "stride": 2, "axes": 0}, rng)


@needs_native
def test_a_cell_that_256_true_windows_chose_is_true():
    winners = np.arange(255, -1, -1, dtype=np.uint8)  # the cell at 255, of every window
    dy = np.ones(256, bool)
    dx = ndpool.max_pool_backward(dy, winners, (511,), 256, stride=1, axes=0, engine="native")
    assert dx.dtype == bool
    assert np.flatnonzero(dx).tolist() == [255]
