"""Windows, overlap-add, im2col and col2im: plain loops, NumPy's view, the textbook and PyTorch."""

import random

import numpy as np
import oracle
import pytest
from cases import LAYOUTS, laid_out, same_bits, values
from kind_cases import cases
from test_bad_input import GEOMETRY, NO_ARRAYS, X_SHAPES, refusal

import ndpool
from ndpool.textbook import columns, rows

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
LAYOUT_NAMES = ("rows", "columns", "unfold")


def expected_windows(case, x, fill):
    return oracle.windows_of(
        x, case.axes, case.kernel, case.stride, case.dilation, case.pads, case.ceil_mode, fill
    )


def as_matrix(w, case, channels, layout):
    """The windows of the oracle in rows and columns, by one transpose and one reshape."""
    ndim = case.x.ndim
    batch = [axis for axis in range(ndim) if axis not in (*case.axes, *channels)]
    inside = [*channels, *range(ndim, w.ndim)]
    if layout == "unfold":
        moved = w.transpose([*batch, *inside, *case.axes])
        lead = moved.shape[: len(batch)]
        cells = int(np.prod([w.shape[axis] for axis in inside]))
        return moved.reshape(*lead, cells, int(np.prod([w.shape[axis] for axis in case.axes])))
    moved = w.transpose([*batch, *case.axes, *inside])
    cells = int(np.prod([w.shape[axis] for axis in inside]))
    outputs = int(np.prod([w.shape[axis] for axis in (*batch, *case.axes)]))
    moved = moved.reshape(outputs, cells)
    return moved if layout == "rows" else moved.T


def test_random_cases_equal_the_oracle():
    for case, _ in cases():
        rng = random.Random(case.seed)
        x = values(np.random.default_rng(case.seed), "nan", case.x.shape, case.x.dtype)
        x = laid_out(x, rng.choice(LAYOUTS), rng)
        before = x.tobytes()
        fill = rng.choice([0, 1, True])
        w = ndpool.windows(x, **case.words, fill=fill)
        expected = expected_windows(case, x, fill)
        assert same_bits(w, expected), case
        if np.shares_memory(w, x):
            assert not w.flags.writeable

        others = [axis for axis in range(x.ndim) if axis not in case.axes]
        channels = sorted(rng.sample(others, rng.randint(0, len(others))))
        layout = rng.choice(LAYOUT_NAMES)
        asked = {"channel_axes": rng.choice([tuple, list])(channels), "layout": layout}
        if channels == others[-1:] and rng.random() < 0.7:
            del asked["channel_axes"]
        col = ndpool.im2col(x, **case.words, **asked, fill=fill)
        assert same_bits(col, as_matrix(expected, case, channels, layout)), case
        assert not np.shares_memory(col, x)
        assert x.tobytes() == before


def test_adding_up_equals_the_oracle():
    """Each element to the cell it came from, in the order of the windows, to the bit."""
    for case, _ in cases():
        rng = random.Random(case.seed)
        numbers = np.arange(case.x.size).reshape(case.x.shape)
        from_cell = expected_windows(case, numbers, -1)
        w = values(np.random.default_rng(case.seed), "random", from_cell.shape, case.x.dtype)
        w = laid_out(w, rng.choice([layout for layout in LAYOUTS if layout != "broadcast"]), rng)
        before = w.tobytes()
        inside = from_cell.reshape(-1) >= 0
        exact = oracle.max_pool_backward(
            w.reshape(-1)[inside], from_cell.reshape(-1)[inside].tolist(), case.x.shape
        )
        assert same_bits(ndpool.overlap_add(w, case.x.shape, **case.words), exact), case
        assert w.tobytes() == before
        for layout in LAYOUT_NAMES:
            col = as_matrix(w, case, [], layout)
            col = laid_out(col, "gaps", rng)
            x = ndpool.col2im(col, case.x.shape, **case.words, layout=layout, channel_axes=())
            assert same_bits(x, exact), case


def test_they_are_adjoint():
    for case, _ in cases():
        rng = np.random.default_rng(case.seed)
        x = rng.integers(-9, 10, case.x.shape)
        w = ndpool.windows(x, **case.words)
        dw = rng.integers(-9, 10, w.shape)
        assert (w * dw).sum() == (x * ndpool.overlap_add(dw, x.shape, **case.words)).sum(), case
        col = ndpool.im2col(x, **case.words)
        dcol = rng.integers(-9, 10, col.shape)
        assert (col * dcol).sum() == (x * ndpool.col2im(dcol, x.shape, **case.words)).sum(), case


def test_nothing_is_copied_where_no_padding_is_needed():
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 8))
    for words in [
        {"kernel_size": 3},
        {"kernel_size": (3, 2), "stride": (2, 1), "dilation": (2, 3)},
        {"kernel_size": 4, "stride": 1, "axes": (0, 2)} | {"kernel_size": (1, 4)},
        {"kernel_size": (1, 2, 3), "stride": 3},
        {"kernel_size": 2, "ceil_mode": True, "axes": 3},
        {"kernel_size": (2, 3), "padding": ((0, 1), (0, 0)), "stride": 3},  # not reached
    ]:
        for array in (x, x[::-1, :, ::-1], np.asfortranarray(x)):
            w = ndpool.windows(array, **words)
            assert np.shares_memory(w, array)
            with pytest.raises(ValueError, match="read-only"):
                w[...] = 0
    w = ndpool.windows(x, 3, padding=1)
    assert not np.shares_memory(w, x)
    view = np.lib.stride_tricks.sliding_window_view(x, (3, 5), axis=(1, 3))
    assert np.array_equal(ndpool.windows(x, (3, 5), stride=1, axes=(1, 3)), view)


def test_huge_strides_and_dilations():
    """What no window needs is not computed with: 64 bits would not hold it."""
    x = np.arange(4.0)
    assert ndpool.windows(x, (1,), dilation=2**62, stride=2).tolist() == [[0], [2]]
    assert ndpool.windows(x, (2,), stride=2**62).tolist() == [[0, 1]]
    with pytest.raises(ndpool.PoolError, match=r"^kernel_size: expected windows of"):
        ndpool.windows(x, (2**58,), stride=1, padding=2**57)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_channels_last(layout):
    """Of a channels-last image the channels are in the columns, too."""
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6))
    words = {"stride": 2, "padding": 1, "layout": layout}
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    col = ndpool.im2col(x, 3, **words)
    assert np.array_equal(ndpool.im2col(last, 3, axes=(1, 2), **words), col)
    back = ndpool.col2im(col, last.shape, 3, axes=(1, 2), **words)
    assert np.allclose(back.transpose(0, 3, 1, 2), ndpool.col2im(col, x.shape, 3, **words))


@pytest.mark.parametrize(("pad", "stride", "size"), [(0, 1, 2), (1, 2, 3), (2, 1, 3), (1, 3, 2)])
def test_equal_to_the_textbook(pad, stride, size):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8)).astype(np.float32)
    words = {"stride": stride, "padding": pad}
    col = ndpool.im2col(x, size, **words, fill=-1)
    assert same_bits(col, rows.im2col(x, size, size, stride, pad, fill=-1))
    dcol = np.random.default_rng(1).integers(-9, 10, col.shape).astype(np.float32)
    assert same_bits(
        ndpool.col2im(dcol, x.shape, size, **words),
        np.ascontiguousarray(rows.col2im(dcol, x.shape, size, size, stride, pad)),
    )
    for ceil_mode in (False, True):
        words = {"stride": stride, "padding": pad, "ceil_mode": ceil_mode, "layout": "columns"}
        out = ndpool.max_pool(x, size, stride=stride, padding=pad, ceil_mode=ceil_mode).shape[2:]
        col = ndpool.im2col(x, size, **words, fill=-1)
        theirs = columns.im2col(x, size, size, *out, stride, pad, fill=-1)
        assert col.shape == theirs.shape
        if not ceil_mode:
            assert same_bits(col, np.ascontiguousarray(theirs))
        dcol = np.random.default_rng(1).integers(-9, 10, col.shape).astype(np.float32)
        assert same_bits(
            ndpool.col2im(dcol, x.shape, size, **words),
            np.ascontiguousarray(columns.col2im(dcol, x.shape, size, size, *out, stride, pad)),
        )


def test_equal_to_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for seed in range(150):
        rng = random.Random(seed)
        kernel = (rng.randint(1, 4), rng.randint(1, 4))
        words = {
            "dilation": (rng.randint(1, 2), rng.randint(1, 2)), "stride": rng.randint(1, 3),
            "padding": tuple(rng.randint(0, k // 2) for k in kernel),
        }  # fmt: skip
        shape = (rng.randint(1, 3), rng.randint(1, 3), rng.randint(7, 10), rng.randint(7, 10))
        x = np.random.default_rng(seed).standard_normal(shape[rng.randint(0, 1) :])
        theirs = torch.nn.functional.unfold(torch.from_numpy(x), kernel, **words)
        ours = ndpool.im2col(x, kernel, **words, layout="unfold")
        assert same_bits(ours, theirs.numpy()), seed
        dcol = np.random.default_rng(seed).standard_normal(ours.shape)
        theirs = torch.nn.functional.fold(torch.from_numpy(dcol), shape[2:], kernel, **words)
        ours = ndpool.col2im(dcol, x.shape, kernel, **words, layout="unfold")
        assert np.allclose(ours, theirs.numpy(), rtol=1e-14, atol=1e-14), seed


def test_empty_batch():
    x = np.zeros((0, 2, 5, 5), np.float32)
    for size in (3, 5):
        w = ndpool.windows(x, size, padding=1)
        assert w.shape == (0, 2, *ndpool.max_pool(x, size, padding=1).shape[2:], size, size)
        assert ndpool.overlap_add(w, x.shape, size, padding=1).shape == x.shape
        col = ndpool.im2col(x, size)
        assert col.shape == (0, 2 * size * size)
        assert ndpool.col2im(col, x.shape, size).shape == x.shape


def cut(x=X, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.windows(x, kernel_size, stride=stride, padding=padding, **words)


def to_columns(x=X, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.im2col(x, kernel_size, stride=stride, padding=padding, **words)


def add(w=None, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.overlap_add(
        cut() if w is None else w, x_shape, kernel_size, stride=stride, padding=padding, **words
    )


def from_columns(col=None, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.col2im(
        to_columns() if col is None else col, x_shape, kernel_size, stride=stride,
        padding=padding, **words,
    )  # fmt: skip


@pytest.mark.parametrize("call", [cut, to_columns, add, from_columns])
def test_bad_input(call):
    for name, junks in GEOMETRY.items():
        for junk in junks:
            if name != "kernel_size" or not isinstance(junk, type(iter([]))):
                assert refusal(call, **{name: junk}).startswith(f"{name}: ")
    for junk in NO_ARRAYS:
        if junk is not None or call in (cut, to_columns):
            assert refusal(call, junk).startswith(("x: ", "w: ", "col: "))
    if call in (add, from_columns):
        for junk in X_SHAPES:
            named = ("x_shape: ", "kernel_size: ", "w: ", "col: ")
            assert refusal(call, x_shape=junk).startswith(named)
        assert "expected shape" in refusal(call, np.ones((18, 19)))
    else:
        for junk in (None, "0", [0], np.zeros(1), 1j, object()):
            assert refusal(call, fill=junk).startswith("fill: expected one number")
        for junk in (0.5, -1, 256, float("nan"), 2**70):
            assert refusal(call, X.astype(np.uint8), fill=junk).startswith("fill: ")
    if call in (to_columns, from_columns):
        for junk in ("row", "", None, 1, ("rows",)):
            assert refusal(call, layout=junk).startswith("layout: expected 'rows', 'columns' or ")
        for junk in (4, -5, 2, (1, 1), (0, 3), "1", 1.0, True, (None,)):
            assert refusal(call, channel_axes=junk).startswith("channel_axes: expected ")
    with pytest.raises(TypeError, match="strides"):
        call(strides=2)
