"""The `Trace` itself: its words, its part of large data, its sentences, and what it refuses."""

import inspect
import os
import random
import re
import subprocess
import sys
from html.parser import HTMLParser

import ml_dtypes
import numpy as np
import oracle
import pytest

import ndpool
from ndpool.explain import Trace, moments
from ndpool.textbook import coded_array

DIALECTS = ["rows", "columns", "direct"]
dialects = pytest.mark.parametrize("dialect", DIALECTS)

NINE = np.array([[1, 2, 1], [3, 9, 5], [4, 8, 0]])  # its 9 wins all four windows of 2x2


# --- steps ---------------------------------------------------------------------------------------


def test_steps_are_those_of_the_notebooks():
    names = {dialect: [step.name for step in ndpool.explain((4, 4), dialect=dialect).steps]
             for dialect in DIALECTS}  # fmt: skip
    forward = [
        "x",
        "pad",
        "im2col",
        "reshape",
        "argmax",
        "max",
        "out_t",
        "out",
        "dout",
        "transpose",
        "zeros",
        "fill",
    ]
    assert names["rows"] == [*forward, "reshape_5d", "dcol", "col2im", "dx"]
    assert names["columns"] == [*forward, "reshape_6d", "transpose_6d", "dcol", "col2im", "dx"]
    assert names["direct"] == ["x", "windows", "winners", "out", "dout", "routes", "dx"]


SHAPES = {  # of (2, 3, 5, 7), windows 2x3 side by side: OH, OW = 2, 2
    "x": (2, 3, 5, 7), "pad": (2, 3, 5, 7), "im2col": (8, 18), "reshape": (24, 6),
    "argmax": (24,), "max": (24,), "out_t": (2, 2, 2, 3), "out": (2, 3, 2, 2),
    "dout": (2, 3, 2, 2), "transpose": (2, 2, 2, 3), "zeros": (24, 6), "fill": (24, 6),
    "reshape_5d": (2, 2, 2, 3, 6), "dcol": (8, 18), "col2im": (2, 3, 5, 7), "dx": (2, 3, 5, 7),
}  # fmt: skip
SHAPES_OF_COLUMNS = {
    **SHAPES, "im2col": (18, 8), "zeros": (6, 24), "fill": (6, 24),
    "reshape_6d": (2, 3, 2, 2, 2, 3), "transpose_6d": (3, 2, 3, 2, 2, 2), "dcol": (18, 8),
}  # fmt: skip
SHAPES_OF_DIRECT = {
    "x": (2, 3, 5, 7), "windows": (2, 3, 2, 2, 2, 3), "winners": (2, 3, 2, 2),
    "out": (2, 3, 2, 2), "dout": (2, 3, 2, 2), "routes": (2, 3, 2, 2, 2, 3), "dx": (2, 3, 5, 7),
}  # fmt: skip


@pytest.mark.parametrize(
    "dialect, shapes",
    [("rows", SHAPES), ("columns", SHAPES_OF_COLUMNS), ("direct", SHAPES_OF_DIRECT)],
)
def test_shapes_and_axes(dialect, shapes):
    trace = ndpool.explain((2, 3, 5, 7), (2, 3), dialect=dialect)
    sizes = dict(n=2, c=3, r=5, k=7, rp=5, kp=7, oh=2, ow=2, h=2, w=3)
    for step in trace.steps:
        assert step.shape == shapes[step.name]
        named = [np.prod([sizes[part] for part in axis.split("·")]) for axis in step.axes]
        assert step.shape == tuple(named)
        for link in step.links:
            assert link.shape == trace[link.step].shape
    first = {"x", "dout", "zeros"}
    assert {step.name for step in trace.steps if step.shape_before is None} == first & shapes.keys()


@dialects
def test_steps_cannot_be_changed(dialect):
    trace = ndpool.explain((4, 4), dialect=dialect, padding=1)
    for step in trace.steps:
        with pytest.raises(ValueError, match="read-only"):
            step.array[...] = 0
        with pytest.raises(AttributeError):
            step.name = "other"
        if step.padding is not None:
            assert not step.padding.flags.writeable
    with pytest.raises(AttributeError):
        trace.steps = ()


def test_the_input_is_neither_changed_nor_kept():
    x = np.arange(16.0).reshape(4, 4)
    before = x.copy()
    trace = ndpool.explain(x, 2)
    assert np.array_equal(x, before)
    x[...] = 0
    assert np.array_equal(trace["x"].array[0, 0], before)


def test_sources():
    trace = ndpool.explain(NINE, 2, stride=1)
    assert trace["max"].sources(0) == (("reshape", (0, 3)),)
    assert trace["max"].chosen_from(0) == tuple(("reshape", (0, i)) for i in range(4))
    assert trace["argmax"].sources(0) == ()
    assert trace["argmax"].chosen_from(-4) == trace["argmax"].chosen_from(0)
    assert trace["fill"].sources(0, 3) == (("transpose", (0, 0, 0, 0)),)
    assert trace["fill"].sources(0, 2) == ()
    assert trace["fill"].chosen_from(0, 2) == (("argmax", (0,)),)
    assert trace["x"].sources(0, 0, 0, 0) == ()
    # In the order of adding: the windows' cells (0, 0), then (0, 1), (1, 0), (1, 1)
    assert trace["col2im"].sources(0, 0, 1, 1) == tuple(
        ("dcol", at) for at in [(3, 0), (2, 1), (1, 2), (0, 3)]
    )
    assert trace.goes_to("x", 0, 0, 1, 1) == (("pad", (0, 0, 1, 1)),)
    assert trace.goes_to("pad", 0, 0, 1, 1) == tuple(("im2col", (i, 3 - i)) for i in range(4))
    assert trace.goes_to("argmax", 0) == ()
    assert trace.goes_to("argmax", 0, role="choice") == tuple(("fill", (0, i)) for i in range(4))


def test_follow():
    trace = ndpool.explain(NINE, 2, stride=1)
    assert trace.follow("dx", (0, 0, 1, 1), to="dout") == (
        (0, 0, 1, 1), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 0),
    )  # fmt: skip
    assert trace.follow("dx", (0, 0, 0, 0), to="dout") == ()
    assert trace.follow("out", (0, 0, 0, 0), to="x") == ((0, 0, 1, 1),)
    both = trace.follow("out", (0, 0, 0, 0), to="x", roles=("value", "choice"))
    assert both == ((0, 0, 1, 1), (0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0))
    assert trace.follow("out", (0, 0, 0, 0), to="out") == ((0, 0, 0, 0),)
    assert trace.follow("x", (0, 0, 0, 0), to="dx") == ()


@pytest.mark.parametrize("index", [(0,), (0, 0, 3, 0), (0, 0, 0, -4), (0, 0, 0, 0, 0), ()])
def test_no_such_cell(index):
    trace = ndpool.explain(NINE)
    for call in (
        lambda: trace["x"].sources(*index),
        lambda: trace.goes_to("x", *index),
        lambda: trace.follow("x", index, to="x"),
        lambda: trace.sentence("x", index),
    ):
        with pytest.raises(ndpool.PoolError, match=r"index: expected a cell of x with shape"):
            call()


def test_no_such_step():
    trace = ndpool.explain(NINE, dialect="direct")
    with pytest.raises(ndpool.PoolError, match=r"name: expected a step of 'direct': x, windows, "):
        trace["im2col"]
    with pytest.raises(ndpool.PoolError, match="name: expected a step"):
        trace.follow("dx", (0, 0, 0, 0), to="y")


# --- data and gradient ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7), (2, 1, 3, 7), [2, 3]])
def test_shapes_are_coded_and_lists_are_data(shape):
    trace = ndpool.explain(shape, 1)
    if isinstance(shape, list):
        assert trace["x"].array.tolist() == [[[[2, 3]]]]
    else:
        whole = (1,) * (4 - len(shape)) + shape
        assert np.array_equal(trace["x"].array, coded_array(*whole))


@dialects
def test_one_dimension(dialect):
    x = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])
    trace = ndpool.explain(x, 3, stride=2, padding=1, dilation=2, dy="ones", dialect=dialect)
    y, indices = ndpool.max_pool(
        x, (3,), stride=2, padding=1, dilation=2, axes=0, return_indices=True
    )
    dx = ndpool.max_pool_backward(
        np.ones_like(y), indices, x.shape, (3,), stride=2, padding=1, dilation=2, axes=0
    )
    assert np.array_equal(trace.out[0, 0, 0], y)
    assert np.array_equal(trace.dx[0, 0, 0], dx)
    pair = ndpool.explain(x, (1, 3), stride=(1, 2), padding=((0, 0), (1, 1)), dilation=(1, 2))
    assert np.array_equal(pair.out, trace.out)
    tuples = ndpool.explain(x, (3,), stride=(2,), padding=((1, 1),), dilation=(2,))
    assert np.array_equal(tuples.out, trace.out)
    same = ndpool.explain(x, 3, stride=1, padding="same")
    assert same.out.shape == (1, 1, 1, 8)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, ml_dtypes.bfloat16])
def test_what_is_sent_back(dtype):
    x = NINE.astype(dtype)
    trace = ndpool.explain(x, 2, stride=1)
    if dtype is bool:
        assert trace["dout"].array.dtype == np.int64
        assert trace["dout"].array.tolist() == [[[[1, 1], [1, 1]]]]
    else:
        assert trace["dout"].array.dtype == dtype
        assert np.array_equal(trace["dout"].array, trace.out)
    ones = ndpool.explain(x, 2, stride=1, dy="ones")["dout"].array
    assert ones.dtype == (np.int64 if dtype is bool else dtype) and (ones == 1).all()
    powers = ndpool.explain(x, 2, stride=1, dy="powers")["dout"].array
    assert powers.dtype == np.int64 and powers.tolist() == [[[[1, 2], [4, 8]]]]
    given = ndpool.explain(x, 2, stride=1, dy=np.array([[1, 0], [0, 1]], np.uint8))
    assert given["dout"].array.dtype == np.uint8 and given.dx.dtype == np.uint8


def test_powers_tell_the_outputs():
    trace = ndpool.explain((2, 2, 9, 9), 3, stride=1, dy="powers")
    for index in np.ndindex(*trace.dx.shape):
        outputs = trace.follow("dx", index, to="dout")
        assert trace.dx[index] == sum(2 ** (7 * oh + ow) for _, _, oh, ow in outputs)
    with pytest.raises(ndpool.PoolError, match="dy: expected at most 63 outputs a channel"):
        ndpool.explain((8, 8), 1, dy="powers")
    assert ndpool.explain((7, 9), 1, dy="powers").dx.max() == 2**62


@dialects
def test_sums(dialect):
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 9, (2, 2, 6, 7))
    dy = rng.integers(-9, 9, (2, 2, 6, 7))
    trace = ndpool.explain(x, 3, stride=1, padding=1, dy=dy, dialect=dialect)
    sums = trace.sums()
    assert sums.dx == sums.dout == dy.sum()
    # <x, col2im(c)>: each output's dy times the winner's value, which is out's
    assert sums.columns == sums.image == (trace.out * dy).sum()
    huge = ndpool.explain(np.full((2, 2), 2**62), dialect=dialect).sums()
    assert huge.columns == huge.image == 2**124  # beyond any dtype
    assert ndpool.explain(np.array([[np.inf, -np.inf]]), 1, dialect=dialect).sums().dx != 0


# --- large data ----------------------------------------------------------------------------------


def test_all_is_shown_where_it_can_be_read():
    trace = ndpool.explain((2, 8, 16, 16))
    assert trace.part.whole and trace.hidden is None
    assert trace["im2col"].array.size == 4096


def test_else_the_first_image_and_channel():
    trace = ndpool.explain((3, 8, 16, 16))
    assert trace["x"].shape == (1, 1, 16, 16)
    assert trace.hidden.startswith("Shown: image 1 of 3, channel 1 of 8. ")


def test_else_the_upper_left_corner():
    trace = ndpool.explain((3, 200, 300), 3, stride=2, channel=2)
    assert trace.part.region == ((0, 12), (0, 12)) and trace.part.channels == (2, 3)
    assert trace.hidden.startswith(
        "Shown: channel 3 of 3, rows 1-12 of 200, columns 1-12 of 300. The rest is hidden"
    )
    smaller = ndpool.explain((200, 300), 7, stride=1)
    (rows, columns), size = smaller.part.region, smaller["im2col"].array.size
    assert rows == columns and size <= 4096
    one_more = ndpool.explain((200, 300), 7, stride=1, region=(0, rows[1] + 1, 0, rows[1] + 1))
    assert one_more["im2col"].array.size > 4096


def test_what_no_one_could_read_is_refused():
    with pytest.raises(ndpool.PoolError, match="kernel_size: expected at most 1048576 cells in"):
        ndpool.explain((1100, 1100), 1100)
    assert ndpool.explain((200, 200), 63, stride=1).hidden  # one window holds the corner
    with pytest.raises(ndpool.PoolError, match="region: expected at most 1048576 cells in"):
        ndpool.explain((200, 200), 63, stride=1, region=(99, 100, 99, 100))
    with pytest.raises(ndpool.PoolError, match="region: expected at most 1048576 cells in"):
        ndpool.explain((2000, 2000), 2, region=(0, 2000, 0, 2000))


def test_a_large_image_costs_what_is_shown_of_it():
    touched = []

    class Watched(np.ndarray):
        def __getitem__(self, index):
            touched.append(super().__getitem__(index).size)
            return super().__getitem__(index)

    x = np.zeros((1000, 1000), np.float32).view(Watched)
    ndpool.explain(x, 3, stride=2, padding=1)
    assert sum(touched) < 10_000


REGIONS = 400


def test_a_region_is_exact():
    """What the part says of the region is what the oracle says of the whole."""
    tried = 0
    for seed in range(10_000):
        if tried == REGIONS:
            return
        tried += check_region(random.Random(seed))
    raise AssertionError(f"only {tried} of the random regions could be pooled")


def check_region(rng):
    shape = (1, 1, rng.randint(1, 25), rng.randint(1, 25))
    kernel, stride, dilation, pads = [], [], [], []
    for n in shape[2:]:
        kernel.append(rng.randint(1, 4))
        stride.append(rng.randint(1, 6))
        dilation.append(rng.choice([1, 1, 2, 3]))
        pads.append(tuple(rng.randint(0, min(3, n)) for _ in range(2)))
    ceil_mode = rng.random() < 0.5
    x = np.array([rng.randint(-3, 3) for _ in range(shape[2] * shape[3])]).reshape(shape)
    arguments = ((2, 3), kernel, stride, dilation, pads, ceil_mode)
    try:
        expected = oracle.max_pool(x, *arguments)
    except oracle.Impossible:
        return False
    dy = np.arange(1, expected.y.size + 1).reshape(expected.y.shape)
    dx = oracle.max_pool_backward(dy, expected.cells, shape)
    r0, c0 = rng.randrange(shape[2]), rng.randrange(shape[3])
    rows, columns = (
        slice(r0, rng.randint(r0 + 1, shape[2])),
        slice(c0, rng.randint(c0 + 1, shape[3])),
    )
    trace = ndpool.explain(
        x, tuple(kernel), stride=tuple(stride), dilation=tuple(dilation), padding=pads,
        ceil_mode=ceil_mode, dy=dy, region=(rows, columns), dialect=rng.choice(DIALECTS),
    )  # fmt: skip
    part = trace.part
    assert part.region == ((rows.start, rows.stop), (columns.start, columns.stop))
    assert np.array_equal(trace["x"].array, x[part.input])
    assert np.array_equal(trace.out, expected.y[part.output])
    exact = ~trace.incomplete
    assert exact.sum() == x[..., rows, columns].size
    assert np.array_equal(trace.dx[exact], dx[..., rows, columns].ravel())
    # Every cell where it says it is, in x and in out; and a padded cell by way of x.
    for name, whole in (("x", x), ("out", expected.y)):
        for index in np.ndindex(*trace[name].shape):
            assert trace[name].array[index] == whole[trace.whole_index(name, index)]
    if "pad" in trace.winners:
        for index in np.ndindex(*trace["pad"].shape):
            at = trace.whole_index("pad", index)
            for _, source in trace["pad"].sources(*index):
                row, column = trace.whole_index("x", source)[2:]
                assert at[2:] == (row + pads[0][0], column + pads[1][0])
    # All windows that hold a cell of the region are there.
    per_axis = oracle.all_windows(shape, *arguments)
    for axis, chosen, shown in ((2, rows, part.outputs[0]), (3, columns, part.outputs[1])):
        cells = set(range(chosen.start, chosen.stop))
        holding = {o for o, taps in enumerate(per_axis[axis]) if cells & {at for _, at in taps}}
        assert holding <= set(range(*shown))
    return True


def test_rows_of_matrices_are_counted_in_the_whole():
    whole = ndpool.explain((2, 3, 12, 12), 3, stride=2, region=(0, 12, 0, 12), image=1, channel=2)
    part = ndpool.explain((2, 3, 12, 12), 3, stride=2, region=(5, 8, 5, 8), image=1, channel=2)
    for name in ("im2col", "reshape", "argmax", "dcol"):
        for row in range(part[name].shape[0]):
            index = (row, 0)[: part[name].array.ndim]
            at = whole_row = part.whole_index(name, index)[0]
            there = [
                i for i in range(whole[name].shape[0])
                if whole.whole_index(name, (i, 0)[: whole[name].array.ndim])[0] == whole_row
            ]  # fmt: skip
            assert len(there) == 1, at
            assert np.array_equal(whole[name].array[there[0]], part[name].array[row])


# --- sentences -----------------------------------------------------------------------------------


def test_the_sentence_of_the_nine():
    trace = ndpool.explain(NINE, 2, stride=1, dy="powers")
    assert trace.sentence("dx", (0, 0, 1, 1)) == (
        "dx[0,0,1,1] = 15 = 1+2+4+8, from outputs (0,0), (0,1), (1,0), (1,1): "
        "it won 4 of the 4 windows that hold it."
    )
    assert ndpool.explain(NINE, 2, stride=1, dy="powers", lang="ja").sentence(
        "dx", (0, 0, 1, 1)
    ) == (
        "dx[0,0,1,1] = 15 = 1+2+4+8。出力 (0,0)、(0,1)、(1,0)、(1,1) の勾配の和です。"
        "この要素を含む 4 個のウィンドウのうち 4 個で最大値になりました。"
    )


SENTENCES = [
    ("x", (0, 0, 1, 1), "x[0,0,1,1] = 9: it won 4 of the 4 windows that hold it."),
    ("x", (0, 0, 0, 0), "x[0,0,0,0] = 1: it did not win the one window that holds it."),
    ("x", (0, 0, 2, 1), "x[0,0,2,1] = 8: it won none of the 2 windows that hold it."),
    ("im2col", (0, 3), "col[0,3] = 9, copied from x_padded[0,0,1,1]; it comes from x[0,0,1,1]."),
    ("argmax", (1,), "arg_max[1] = 2: place 2 of its window (row 1, column 0) holds 9, the highest "
     "of 2, 1, 9, 5."),
    ("out", (0, 0, 0, 1), "out[0,0,0,1] = 9, the highest of 2, 1, 9, 5; it stands at x[0,0,1,1]."),
    ("dout", (0, 0, 1, 0), "dout[0,0,1,0] = 4: the gradient of output (1,0). It goes to "
     "dx[0,0,1,1], which won."),
    ("fill", (1, 2), "dmax[1,2] = 2, from dout_t[0,0,1,0]: the gradient of output (0,1), whose "
     "winner stands at row 1, column 0 of its window."),
    ("fill", (1, 0), "dmax[1,0] = 0: row 0, column 0 of the window of output (0,1) did not win, "
     "so it gets nothing."),
    ("dx", (0, 0, 0, 0), "dx[0,0,0,0] = 0: it did not win the one window that holds it, so no "
     "gradient comes to it."),
]  # fmt: skip


@pytest.mark.parametrize("name, index, sentence", SENTENCES)
def test_sentences(name, index, sentence):
    assert ndpool.explain(NINE, 2, stride=1, dy="powers").sentence(name, index) == sentence


def test_sentences_of_special_cells():
    padded = ndpool.explain(NINE, 2, padding=1)
    assert padded.sentence("pad", (0, 0, 0, 0)).endswith("is no cell of the input and never wins.")
    assert "the only cell of the input" in padded.sentence("out", (0, 0, 0, 0))
    unseen = ndpool.explain(NINE, 2)
    assert unseen.sentence("dx", (0, 0, 2, 2)) == (
        "dx[0,0,2,2] = 0: no window holds it, so no gradient comes to it."
    )
    ties = ndpool.explain(np.ones((2, 2)), 2)
    assert "1.0, the first of 4 equal highest among 1.0, 1.0, 1.0, 1.0" in ties.sentence(
        "max", (0,)
    )
    nan = ndpool.explain(np.array([[1.0, np.nan]]), (1, 2))
    assert "nan, the first NaN among 1.0, nan" in nan.sentence("out", (0, 0, 0, 0))
    negative = ndpool.explain(-NINE, 2, stride=1, dy=-np.ones((2, 2), int))
    assert "= -2 = (-1)+(-1), from outputs" in negative.sentence("dx", (0, 0, 0, 0)) or (
        "= -1, from output (0,0)" in negative.sentence("dx", (0, 0, 0, 0))
    )
    many = ndpool.explain(np.pad([[1]], 4), 5, stride=1, dy="ones").sentence("dx", (0, 0, 4, 4))
    assert "= 25 = 1+1+1+1+1+1+1+…+1, from outputs (0,0), (0,1)" in many
    part = ndpool.explain((20, 20), 3, stride=1, region=(5, 6, 7, 8))
    assert part.sentence("dx", (0, 0, 0, 0)).startswith("dx[0,0,3,5] = ")
    assert part.sentence("dx", (0, 0, 0, 0)).endswith("this is not all of its gradient.")
    assert not part.sentence("dx", (0, 0, 2, 2)).endswith("not all of its gradient.")


@dialects
@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", moments.names())
def test_every_cell_has_a_sentence(dialect, lang, name):
    trace = moments.trace(name, dialect=dialect, lang=lang)
    for step in trace.steps:
        for index in np.ndindex(*step.shape):
            sentence = trace.sentence(step.name, index)
            at = ",".join(map(str, index))
            assert sentence.startswith(f"{step.symbol}[{at}] = ")
            assert sentence.endswith((".", "。")) and "{" not in sentence


# --- moments -------------------------------------------------------------------------------------


def exhibits(name):
    return {exhibit.caption: exhibit.array for exhibit in moments.exhibits(name)}


def test_overlap_without_adding_loses_gradient():
    shown = exhibits("overlap")
    assert shown["coverage"].tolist() == [[[[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]]]
    assert shown["right"].sum() == 63 > shown["wrong"].sum()
    assert shown["right"][0, 0, 1, 1] == 27 and shown["wrong"][0, 0, 1, 1] == 1


def test_the_naive_reshape_puts_1222_where_1124_belongs():
    shown = exhibits("transpose")
    assert shown["right"][0, 0, 0, 1] == 1124 and shown["wrong"][0, 0, 0, 1] == 1222
    assert np.array_equal(np.sort(shown["right"], None), np.sort(shown["wrong"], None))


def test_zeros_swallow_the_gradient():
    shown = exhibits("padding")
    assert (shown["wrong_out"] == 0).sum() == 3 and (shown["right_out"] < 0).all()
    assert shown["right"].sum() == 15 and shown["wrong"].sum() == 8


def test_unseen_ceil_ties_and_nan():
    assert not exhibits("unseen")["coverage"][..., 4].any()
    assert not exhibits("unseen")["dx"][..., 4, :].any()
    assert exhibits("unseen")["remedy"].all()
    assert exhibits("ceil")["sizes"].tolist() == [[[[4, 4, 2], [4, 4, 2], [2, 2, 1]]]]
    assert exhibits("ties")["right"].sum() == 15 < exhibits("ties")["wrong"].sum()
    assert np.isnan(exhibits("nan")["right"]).sum() == 3
    assert np.isnan(exhibits("nan")["wrong"]).sum() == 2


def test_right_arrays_are_right():
    for name in moments.names():
        trace, shown = moments.trace(name), exhibits(name)
        x, shapes = trace["x"].array, trace.geometry
        pads = list(zip(shapes.before, shapes.after, strict=True))
        expected = oracle.max_pool(
            x, (2, 3), shapes.kernel, shapes.stride, shapes.dilation, pads,
            trace.config.ceil_mode,
        )  # fmt: skip
        dx = oracle.max_pool_backward(trace["dout"].array, expected.cells, x.shape)
        assert np.array_equal(trace.out, expected.y, equal_nan=x.dtype.kind == "f")
        assert np.array_equal(trace.dx, dx)
        for caption, array in shown.items():
            if caption in ("dx", "right") and array.shape == dx.shape:
                assert np.array_equal(array, dx)


def test_no_such_moment():
    with pytest.raises(ndpool.PoolError, match="moment: expected one of overlap, "):
        moments.trace("over")


# --- arguments that cannot be --------------------------------------------------------------------

WRONG = [
    ({"x": (1, 2, 3, 4, 5)}, ndpool.PoolError, "x: expected a shape of 1 to 4 sizes"),
    ({"x": ()}, ndpool.PoolError, "x: expected a shape of 1 to 4 sizes"),
    ({"x": np.ones((1,) * 5)}, ndpool.PoolError, "x: expected 1 to 4 dimensions"),
    ({"x": np.array(3)}, ndpool.PoolError, "x: expected 1 to 4 dimensions"),
    ({"x": np.ones((0, 3, 3))}, ndpool.PoolError, "x: expected at least one cell"),
    ({"x": (3, 0)}, ndpool.PoolError, "w: expected at least 1, got 0"),
    ({"x": (8, 64, 1000, 1000)}, ndpool.PoolError, "x: expected a shape of at most 67108864"),
    ({"x": "abc"}, TypeError, "x: expected dtype bool"),
    ({"x": np.ones((3, 3), complex)}, TypeError, "x: expected dtype bool"),
    ({"x": np.ma.ones((3, 3))}, TypeError, "x: expected an array without a mask"),
    ({"kernel_size": 4}, ndpool.PoolError, "kernel_size: expected a window no longer"),
    ({"kernel_size": (1, 2, 3)}, ndpool.PoolError, "kernel_size: expected one integer, or one for"),
    ({"kernel_size": 2.0}, TypeError, "kernel_size: expected an integer"),
    ({"stride": 0}, ndpool.PoolError, "stride: expected at least 1"),
    ({"padding": "some"}, ndpool.PoolError, "padding: expected 'valid', 'same'"),
    ({"padding": 2}, ndpool.PoolError, "padding: expected a cell of the input in every window"),
    ({"ceil_mode": 1}, TypeError, "ceil_mode: expected True or False"),
    ({"dialect": "latin"}, ndpool.PoolError, "dialect: expected 'rows', 'columns' or 'direct'"),
    ({"dialect": 1}, TypeError, "dialect: expected"),
    ({"lang": "la"}, ndpool.PoolError, "lang: expected 'en' or 'ja', got 'la'"),
    ({"dy": "twos"}, ndpool.PoolError, "dy: expected 'out', 'ones' or 'powers'"),
    ({"dy": np.ones((2, 2))}, ndpool.PoolError, r"dy: expected shape \(1, 1\), the output's"),
    ({"dy": [["a"]]}, TypeError, "dy: expected dtype"),
    ({"image": 1}, ndpool.PoolError, "image: expected 0 to 0, got 1"),
    ({"channel": "a"}, TypeError, "channel: expected an integer"),
    ({"image": True}, TypeError, "image: expected an integer"),
    ({"region": 3}, TypeError, "region: expected two slices"),
    ({"region": (0, 1, 2)}, ndpool.PoolError, "region: expected two slices"),
    ({"region": (slice(0, 2), 1)}, ndpool.PoolError, "region: expected two slices"),
    ({"region": (0, 1, "a", 2)}, TypeError, "region: expected slices of integers"),
    ({"region": (slice(0, 3, 2), slice(0, 3))}, ndpool.PoolError, "region: expected at least one"),
    ({"region": (2, 2, 0, 1)}, ndpool.PoolError, "region: expected at least one cell of 3x3"),
    ({"name": 3}, TypeError, "name: expected a string"),
]


@pytest.mark.parametrize("arguments, error, message", WRONG)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        ndpool.explain(**{"x": NINE, **arguments})


# --- the module that can be called ---------------------------------------------------------------


def python(code):
    path = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import ndpool; t = ndpool.explain((2, 2)); import ndpool.explain; "
        "u = ndpool.explain((2, 2))",
        "import ndpool.explain; t = u = ndpool.explain((2, 2))",
        "from ndpool.explain import Trace; import ndpool; t = u = ndpool.explain((2, 2))",
        "from ndpool import explain; t = explain((2, 2)); u = explain.explain((2, 2))",
        "import ndpool.explain.trace; import ndpool; t = u = ndpool.explain((2, 2))",
    ],
)
def test_it_can_be_called_whatever_was_imported_first(code):
    assert python(f"{code}; print(t.dx.sum(), u.dx.sum(), type(t).__name__)") == "1122 1122 Trace\n"


def test_importing_ndpool_does_not_import_it():
    code = "import sys, ndpool; print([m for m in sys.modules if m.startswith('ndpool.explain')])"
    assert python(code) == "[]\n"
    assert python("import ndpool; print('explain' in dir(ndpool))") == "True\n"
    with pytest.raises(AttributeError, match="module 'ndpool' has no attribute 'explode'"):
        ndpool.explode  # noqa: B018


def test_it_has_the_functions_signature():
    parameters = inspect.signature(ndpool.explain).parameters
    assert list(parameters)[:3] == ["x", "kernel_size", "stride"]
    assert isinstance(ndpool.explain(NINE), Trace)


@pytest.mark.parametrize(
    "missing, call, message",
    [
        ("matplotlib", "t.figure('forward')", "figures need matplotlib"),
        ("PIL", "load('x.png')", "images need Pillow"),
    ],
)
def test_what_is_missing_is_said(missing, call, message):
    blocked = f"import sys; sys.modules.update(dict.fromkeys(['{missing}', 'IPython']))"
    code = f"""
{blocked}
import ndpool
from ndpool.explain.load import load
t = ndpool.explain((2, 2, 4, 5))
str(t), t._repr_mimebundle_(), t.sentence("dx", (0, 0, 1, 1))
try:
    {call}
except ImportError as error:
    print(error)
"""
    assert python(code) == f"{message}: pip install 'ndpool[figures]'\n"


def test_nothing_optional_is_imported_for_text():
    code = (
        "import sys; from ndpool import cli; cli.main(['explain', '--list']); "
        "print({'matplotlib', 'PIL', 'IPython', 'ndpool.demo', 'ndpool.explain.page'}"
        " & sys.modules.keys())"
    )
    assert python(code).splitlines()[-1] == "set()"


# --- notebooks -----------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Tags that are closed in order, ids, and the text outside of frames and styles."""

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.tags, self.text, self.bold = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in ("br", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.text.append(data)
        if "b" in self.open:
            self.bold.append(data)


@dialects
def test_a_notebook_gets_text_and_html(dialect):
    trace = ndpool.explain((2, 2, 4, 5), dialect=dialect)
    bundle = trace._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"] == str(trace)
    outline = Outline(bundle["text/html"])
    assert outline.open == [] and outline.ids == []
    assert "script" not in outline.tags  # it reads without
    text = "".join(outline.text)
    for step in trace.steps:
        assert step.line in text
    assert [word for word in outline.bold if word.startswith("[")][:2] == ["[1122]", "[1124]"]
    for number in coded_array(2, 2, 4, 5).reshape(-1):
        assert str(number) in text


def test_names_are_escaped():
    name = "</script><script>alert('x')</script>"
    html = ndpool.explain((2, 2), name=name)._repr_mimebundle_()["text/html"]
    assert "<script>alert" not in html
    assert name in "".join(Outline(html).text)


def test_rules_touch_nothing_else_in_the_notebook():
    html = ndpool.explain((2, 2))._repr_mimebundle_()["text/html"]
    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    for rule in re.findall(r"([^{}]+)\{", style):
        assert rule.strip().startswith(".ndpool-trace")
