"""Whatever cannot be right is refused by a sentence: the argument, what was expected, what came."""

import random
import re
import subprocess
import sys
import textwrap
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from cases import DTYPES, laid_out, needs_native
from fuzz_junk import fuzz

import ndpool

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
Y, INDICES = ndpool.max_pool(X, 3, stride=2, padding=1, return_indices=True)


def refusal(call, *data, **words):
    """The message with which this call is refused, as it must be: argument, expected, got."""
    with pytest.raises((ndpool.PoolError, TypeError)) as caught:
        call(*data, **words)
    message = str(caught.value)
    assert re.match(r"\w+: expected .+, got .+", message), message
    assert message.startswith(f"{caught.value.argument}: ")
    return message


def forward(x=X, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.max_pool(x, kernel_size, stride=stride, padding=padding, **words)


def backward(dy=Y, indices=INDICES, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.max_pool_backward(
        dy, indices, x_shape, kernel_size, stride=stride, padding=padding, **words
    )


def convert(indices=INDICES, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.convert_indices(
        indices, x_shape, kernel_size, stride=stride, padding=padding, **words
    )


def layer(kernel_size=3, stride=2, padding=1, **words):
    return ndpool.MaxPool(kernel_size, stride=stride, padding=padding, **words).forward(X)


class Opaque:
    def __repr__(self):
        raise RuntimeError("no repr")


NO_SIZES = [  # wrong wherever sizes are expected: kernel_size, stride, dilation, padding
    -1, (3, -1), -(2**70), 2.0, np.float64(2), float("nan"), True, np.True_, (2, True), "2", b"22",
    (2.0, 2), [2, None], ((2, 2), (2,)), [[[2]]], (2, "2"), {2, 3}, {2: 2}, 2j, object, Opaque(),
    (), [], (2,) * 5, (2,) * 100, np.array(2.5), np.array(True), np.array([2.5, 2]), range(0), X,
    np.array([True, True]), np.ones((2, 2, 2), int), np.array("2"), np.array(None), iter([2, 2]),
    (i for i in (2, 2)), np.datetime64("2020"), slice(2), ...,
]  # fmt: skip
GEOMETRY = {
    "kernel_size": [
        *NO_SIZES, None, 0, (3, 0), 8, (3, 8), 2**31, 2**40, 2**62, 2**63, 2**70, (2**32, 2**32),
        (2**70, 3), (3, 2**64), "same", ((3, 3), (3, 3)),
    ],
    "stride": [*NO_SIZES, 0, (2, 2, 2), (2, 0), "same", ((2, 2), (2, 2))],
    "dilation": [*NO_SIZES, None, 0, (1, 1, 1), (1, 0)],
    "padding": [
        *NO_SIZES, None, (1, 2, 3), "Same", "SAME", "", "same_upper", "full", ("same", "valid"),
        ("same", 1), (("same", "same"), (1, 1)), ((1,), (1,)), ((1, 2, 3), (1, 2, 3)),
        ((0, 1, 1), 1), ((1, -1), (1, 1)), ((1, 1.0), (1, 1)), 3, (1, 3), ((1, 1), (0, 4)),
        2**31, 2**40, 2**62, 2**63, 2**70, (2**70, 0), ((0, 2**64), 1),
    ],
    "ceil_mode": [
        1, 0, None, "yes", "True", 1.0, (True,), np.array([True, False]), np.array(1), object(),
    ],
    "axes": [
        4, -5, (0, 4), (2, 2), (3, -1), (-1, -1), (0, -4), (), [], 1.0, (1.0, 2), True, (True, 2),
        "12", (2, None), ((2, 3),), (2, 3, 1, 0, -1), 2**70, -(2**63), {2, 3}, (0,) * 100,
        np.array([1.0, 2.0]),
    ],
}  # fmt: skip
NO_ARRAYS = [
    np.ones(X.shape, complex), np.ones(X.shape, object), np.full(X.shape, "a"), "text", b"text",
    np.full(X.shape, b"a"), np.zeros(X.shape, "M8[s]"), np.zeros(X.shape, "m8[s]"), {1: 2}, {1, 2},
    np.zeros(X.shape, [("a", "f4")]), np.zeros(X.shape, "V4"), np.ma.masked_array(X, X > 3), [1j],
    np.zeros(X.shape, ml_dtypes.int4), np.zeros(X.shape, ml_dtypes.float8_e4m3), lambda: 0, None,
    [[1, 2], [3]], 2**70, [2**64], object(), Opaque(),
]  # fmt: skip
X_SHAPES = [
    None, 5, "1255", (1, 2, 5, 5.0), (1, 2, 5, True), (1, 2, 5, -5), (-1, 2, 5, 5), [1, 2, [5], 5],
    (1, 2, 5, None), (1, 2, 5, "5"), 2.5, True, np.array([1.0, 2, 5, 5]), (1, 2), (), (5,), X,
    (1, 2, 5), (2**70, 2, 5, 5), (1, 2, 2**70, 5), (2**32, 2**32, 5, 5), (1,) * 65, {1, 2},
    object(), Opaque(),
]  # fmt: skip
FORMS = [
    "nope", "", "Plane", 1, 0, None, 2.0, ("plane",), b"plane", object(), Opaque(),
    np.array(["plane", "plane"]),
]  # fmt: skip
OUTS = [
    Y[0], np.zeros((1, 2, 3, 4), "f4"), np.zeros((2, 3, 3), "f4"), Y.astype("f8"), Y.astype("i4"),
    Y.astype(">f4"), Y.tolist(), type(None), 3, "out", b"", Opaque(),
    np.broadcast_to(np.float32(0), Y.shape), np.ma.array(Y),
    np.lib.stride_tricks.as_strided(np.zeros(99, "f4"), Y.shape, (4, 4, 4, 4)[: Y.ndim]),
]  # fmt: skip
ENGINE_NAMES = ["", "cuda", "Numpy", "native ", 1, b"numpy", True, ("numpy",), np, Opaque(), []]
THREADS = [0, -1, 2.0, "2", None, True, 2**70, (2,), float("nan"), np.float64(1)]


def numbered(values):
    return [pytest.param(value, id=str(number)) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in GEOMETRY.items()
        for number, value in enumerate(values)
    ],
)
@pytest.mark.parametrize("call", [forward, backward, convert, layer])
def test_geometry(call, name, value):
    assert refusal(call, **{name: value}).startswith(f"{name}: ")


@pytest.mark.parametrize("junk", numbered(NO_ARRAYS))
def test_no_arrays(junk, engine):
    assert refusal(forward, junk, engine=engine).startswith("x: ")
    assert refusal(backward, junk, engine=engine).startswith("dy: ")
    assert refusal(backward, indices=junk, engine=engine).startswith("indices: ")
    assert refusal(convert, junk).startswith("indices: ")
    assert refusal(ndpool.MaxPool(1).forward, junk).startswith("x: ")


@pytest.mark.parametrize(
    "dtype",
    [np.longdouble, np.clongdouble, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn,
     ml_dtypes.float8_e8m0fnu, ml_dtypes.float4_e2m1fn, ml_dtypes.uint4, "c8", "m8", "O"],
    ids=lambda dtype: str(np.dtype(dtype)),
)  # fmt: skip
def test_the_message_lists_the_dtypes_there_are(dtype, engine):
    """Each of those it names is accepted, and no other."""
    named = "expected dtype bool, an integer, float16, bfloat16, float32 or float64, got dtype "
    for call in (forward, backward, ndpool.MaxPool(3, stride=2, padding=1).forward):
        shape = Y.shape if call is backward else X.shape
        words = {"engine": engine} if call in (forward, backward) else {}
        message = refusal(call, np.zeros(shape, dtype), **words)
        assert message.split(": ", 1)[1] == named + str(np.dtype(dtype))
    for allowed in DTYPES:
        y, indices = forward(X.astype(allowed), return_indices=True, engine=engine)
        assert y.dtype == allowed
        assert backward(y, indices, engine=engine).dtype == allowed


def test_numpys_own_true_and_false(engine):
    y, indices = forward(return_indices=np.True_, engine=engine)
    assert np.array_equal(y, Y)
    assert np.array_equal(indices, INDICES)
    assert indices.dtype == INDICES.dtype
    assert np.array_equal(forward(return_indices=np.False_, engine=engine), Y)
    for junk in (1, 0, np.int8(1), np.array(True), np.array([True]), "True"):
        message = refusal(forward, return_indices=junk, engine=engine)
        assert "expected True, False, 'window', 'plane' or 'tensor', got " in message


@pytest.mark.parametrize("junk", numbered(X_SHAPES))
def test_x_shapes(junk, engine):
    """Of two arguments that do not fit together either may be named."""
    named = ("x_shape: ", "kernel_size: ", "dy: ", "indices: ")
    assert refusal(backward, x_shape=junk, engine=engine).startswith(named)
    assert refusal(convert, x_shape=junk).startswith(named)


@pytest.mark.parametrize("junk", numbered(FORMS))
def test_index_forms(junk):
    assert refusal(forward, return_indices=junk).startswith("return_indices: expected ")
    assert refusal(backward, index_form=junk).startswith("index_form: expected ")
    assert refusal(convert, from_=junk).startswith("from_: expected ")
    assert refusal(convert, to=junk).startswith("to: expected ")


@pytest.mark.parametrize("junk", numbered(OUTS))
def test_out(junk, engine):
    for return_indices in (False, True):
        message = refusal(forward, out=junk, return_indices=return_indices, engine=engine)
        assert message.startswith("out: ")


@pytest.mark.parametrize("junk", numbered(ENGINE_NAMES))
def test_engine_names(junk):
    for call in (forward, backward, layer):
        assert refusal(call, engine=junk).startswith("engine: ")


@needs_native
@pytest.mark.parametrize("junk", numbered(THREADS))
def test_numbers_of_threads(junk):
    assert refusal(ndpool.set_num_threads, junk).startswith("threads: ")


@pytest.mark.parametrize(
    ("x", "kernel"),
    [(np.ones(3), 2), (np.float32(1), 2), (np.ones(3), (2, 2)), (np.ones((3, 3)), (2, 2, 2))],
)
def test_too_many_axes(x, kernel):
    assert "kernel_size: expected at most" in refusal(ndpool.max_pool, x, kernel)


@pytest.mark.parametrize("number", [2**31, 2**40, 2**62, 2**63, 2**70])
@pytest.mark.parametrize("name", ["stride", "dilation"])
def test_overflow_sized_steps(name, number, engine):
    """A window of one cell has no second tap, and one window no neighbour: those are right."""
    message = refusal(forward, dilation=number, engine=engine)
    assert re.match("kernel_size: .*dilation", message)
    for form in ("window", "plane", "tensor"):
        words = {"kernel_size": (1, 2), "stride": 1, "padding": 0, name: (number, 1)}
        y, at = forward(**words, return_indices=form, engine=engine)
        expected = np.maximum(X[..., :-1], X[..., 1:])[..., : 1 if name == "stride" else None, :]
        assert np.array_equal(y, expected)
        dx = backward(y, at, X.shape, **words, index_form=form, engine=engine)
        assert dx.sum() == y.sum()


@pytest.mark.parametrize("kernel", [2, 3, 2**20, 2**62])
@pytest.mark.parametrize("dilation", [1, 2, 2**40, 2**62, 2**63, 2**90])
def test_overflow_sized_windows_in_ceil_mode(dilation, kernel, engine):
    """The one window begins at the first cell and may be as long as the stride: right, or refused.

    Only its taps 0 to 4 can lie in the input.
    """
    x = np.array([3.0, 1, 7, 2, 5])
    words = {"kernel_size": (kernel,), "stride": 2**120, "dilation": dilation, "ceil_mode": True}
    try:
        y, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
    except ndpool.PoolError as error:
        assert error.argument == "kernel_size"
        assert kernel == 2**62
        return
    seen = x[:: min(dilation, 9)][: min(kernel, 9)]
    winner = int(np.argmax(seen))
    assert (y.tolist(), indices.tolist()) == ([seen[winner]], [winner])
    for form in ("plane", "tensor"):
        at = ndpool.convert_indices(indices, x.shape, **words, to=form)
        assert at.tolist() == [winner * min(dilation, 9)]
        back = ndpool.convert_indices(at, x.shape, **words, from_=form, to="window")
        assert back.tolist() == [winner]
    if dilation * (kernel - 1) > 4:
        past = np.full(1, kernel - 1, indices.dtype)
        refused = refusal(ndpool.max_pool_backward, y, past, x.shape, **words, engine=engine)
        assert refused.startswith("indices: ")
    dx = ndpool.max_pool_backward(y, indices, x.shape, **words, engine=engine)
    assert dx.tolist() == [seen[winner] * (cell == at[0]) for cell in range(5)]


@pytest.mark.parametrize("huge", [2**31, 2**40, 2**59, 2**61, 2**62, 2**63, 2**70])
def test_overflow_sized_windows(huge, engine):
    """With padding to match each has its cells in the input: right, or refused, or too large."""
    column = X.max(axis=2, keepdims=True)
    for words, right in [
        ({"kernel_size": huge, "padding": huge // 2}, X.max(axis=(2, 3), keepdims=True)),
        ({"kernel_size": (huge, 1), "stride": 1, "padding": ((huge - 5, 0), (0, 0))}, column),
        ({"kernel_size": (huge, 1), "stride": 1, "padding": ((huge - 1, 0), (0, 0))},
         np.maximum.accumulate(X, axis=2)),
        ({"kernel_size": (huge, 1), "stride": 1, "padding": ((huge - 1, huge - 1), (0, 0))}, None),
    ]:  # fmt: skip
        if right is None and huge < 2**50:
            continue  # an output that a computer might have room for
        try:
            y, indices = ndpool.max_pool(X, **words, return_indices=True, engine=engine)
            dx = ndpool.max_pool_backward(y, indices, X.shape, **words, engine=engine)
        except (ndpool.PoolError, TypeError) as error:
            assert huge > 2**60 or right is None or np.size(words["kernel_size"]) == 1, error
            assert "expected" in str(error)
        except MemoryError:
            assert right is None
        else:
            assert np.array_equal(y, right)
            assert dx.sum() == y.sum()


def test_no_search_goes_through_a_huge_padding():
    """A shape that no array has is refused at once, not after 2**48 looks at its windows."""
    code = """
        import numpy as np, ndpool
        dy, indices = np.ones(1), np.zeros(1, np.uint8)
        words = {"dilation": 2**60 + 2, "stride": 4, "padding": 2**50}
        ndpool.max_pool_backward(dy, indices, (2**60,), (2,), **words)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "PoolError: " in done.stderr


def test_a_repeated_axis_under_two_names():
    for axes in [(-1, 3), (3, -1), (2, -2), (0, -4)]:
        assert "axes: expected each axis once" in refusal(ndpool.max_pool, X, 2, axes=axes)


@pytest.mark.parametrize(
    ("words", "axis", "window"),
    [
        ({"kernel_size": 2, "stride": 1, "padding": 2}, 2, 0),
        ({"kernel_size": 2, "stride": 1, "padding": (1, 2)}, 3, 0),
        ({"kernel_size": 2, "stride": 1, "padding": ((0, 0), (0, 2))}, 3, 5),
        ({"kernel_size": 2, "stride": 3, "padding": ((1, 3), (0, 0))}, 2, 2),
        # two taps so far apart that they step over all five cells: at -1 and 5, then at -2 and 5
        ({"kernel_size": 2, "stride": 1, "dilation": 6, "padding": ((1, 1), (6, 6))}, 2, 0),
        ({"kernel_size": (2, 1), "stride": 1, "dilation": 6, "padding": ((4, 2), (0, 0))}, 2, 3),
        ({"kernel_size": (2, 1), "stride": 1, "dilation": 7, "padding": ((4, 4), (0, 0))}, 2, 2),
        ({"kernel_size": (2, 1), "stride": 1, "padding": ((2, 0), (0, 0)), "axes": (1, 0)}, 1, 0),
    ],
)
def test_a_window_wholly_in_padding_is_named(words, axis, window):
    message = refusal(ndpool.max_pool, X, **words)
    assert message.startswith("padding: ")
    assert f"window {window} along axis {axis}" in message


def test_a_pooled_axis_without_cells():
    for shape in [(1, 1, 0, 5), (1, 1, 5, 0), (0, 0, 0, 0)]:
        dy, indices = np.ones(shape), np.ones(shape, "u1")
        assert refusal(ndpool.max_pool, np.ones(shape), 1).startswith("x: ")
        assert refusal(ndpool.max_pool_backward, dy, indices, shape, 1).startswith("x")


def test_equal_arguments_of_other_types_are_refused_though_cached():
    """(2.0, 2) == (2, 2) and True == 1: a cache must not take one for the other."""
    right = {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 1, "axes": (2, 3)}
    for name, value in {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 1}.items():
        no_integers = [float(value), np.float32(value), complex(value)]
        for wrong in no_integers + [True, np.True_] * (value == 1):
            for junk in (wrong, (value, wrong), [wrong, value]):
                for form in (value, (value, value), [value, value]):
                    forward(**right | {name: form})  # now in the cache
                assert refusal(forward, **right | {name: junk}).startswith(f"{name}: ")
    forward(**right | {"axes": (0, 1)})
    for junk in [(False, True), (0, True), (0.0, 1), [0, 1.0]]:
        assert refusal(forward, **right | {"axes": junk}).startswith("axes: ")
    forward(ceil_mode=False)
    for junk in [0, 0.0]:
        assert refusal(forward, ceil_mode=junk).startswith("ceil_mode: ")


def test_wrong_shapes(engine):
    for dy in [
        Y[0], Y[:, :1], Y[..., :2], Y[None], Y.ravel(), np.zeros((0, 2, 3, 3)), np.float32(1), X,
        np.broadcast_to(Y, (2, 2, 3, 3)),
    ]:  # fmt: skip
        message = refusal(backward, dy, engine=engine)
        assert message == f"dy: expected shape (1, 2, 3, 3), got shape {np.shape(dy)}"
    for indices in [INDICES[0], INDICES[:, :1], INDICES[None], INDICES.ravel(), np.uint8(1)]:
        for call in (backward, convert):
            message = refusal(call, indices=indices)
            assert message == f"indices: expected shape (1, 2, 3, 3), got shape {indices.shape}"


def test_wrong_index_dtypes():
    for dtype in ["i4", "i8", "u2", "u8", "i1", "f4", "f8", "?", "O", "c8", "M8[s]", "U1"]:
        for call in (backward, convert):
            message = refusal(call, indices=np.zeros(Y.shape).astype(dtype))
            assert message.startswith("indices: ")
            assert str(np.dtype(dtype)) in message
    for dtype in ["u1", "i4", "u8", ">i8"]:
        indices = np.zeros(Y.shape).astype(dtype)
        message = refusal(backward, indices=indices, index_form="plane")
        assert message.startswith("indices: expected dtype int64")


BAD_WINNERS = [  # kernel, stride, padding, dilation, x's last two sizes
    (2, 2, 0, 1, (8, 80)), (3, 2, 1, 1, (9, 67)), (3, 1, 1, 1, (6, 50)), (5, 1, 2, 1, (7, 33)),
    (13, 1, 6, 1, (20, 20)), (3, 1, 2, 2, (7, 40)), (2, 3, 0, 1, (9, 70)), (17, 4, 8, 1, (30, 40)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16"])
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "size"), BAD_WINNERS)
def test_one_winner_outside_the_input_is_found_wherever_it_is(
    kernel, stride, padding, dilation, size, dtype, engine
):
    """Past the window's last cell or in the padding, at the border or amid, the only one."""
    x = np.random.default_rng(0).integers(0, 9, (2, *size)).astype(dtype)
    words = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
    height, width = y.shape[1:]
    rows = {0, height // 2, height - 1}
    columns = {c for c in (0, 1, 15, 16, 31, 32, 63, width // 2, width - 1) if c < width}
    for place in product((0, 1), sorted(rows), sorted(columns)):
        outside = [kernel * kernel, np.iinfo(indices.dtype).max]
        for offset in range(kernel * kernel):
            taps = divmod(offset, kernel)
            cell = [
                o * stride + t * dilation - padding for o, t in zip(place[1:], taps, strict=True)
            ]
            if not all(0 <= c < n for c, n in zip(cell, size, strict=True)):
                outside.append(offset)
        for offset in outside[:4] + outside[-2:]:
            bad = indices.copy()
            bad[place] = offset
            what = f"{offset} at {place}"
            assert what in refusal(
                ndpool.max_pool_backward, y, bad, x.shape, **words, engine=engine
            )
            assert what in refusal(ndpool.convert_indices, bad, x.shape, **words)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("form", ["plane", "tensor"])
def test_one_position_outside_its_window_is_found(form, dilation, engine):
    """Wherever else it points to: before, behind, beside, between the window's cells."""
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
    words = {"kernel_size": 3, "stride": 2, "padding": dilation, "dilation": dilation}
    y, at = ndpool.max_pool(x, **words, return_indices=form, engine=engine)
    for place in [(0, 0, 0, 0), (1, 2, 2, 3), (0, 1, 1, 2)]:
        n, c, i, j = place
        rows, columns = ([2 * o + (tap - 1) * dilation for tap in range(3)] for o in (i, j))
        base = (n * 3 + c) * 42 if form == "tensor" else 0
        right = {base + 7 * a + b for a in rows for b in columns if 0 <= a < 6 and 0 <= b < 7}
        wrong = {*range(-50, x.size + 50), -(2**63), 2**63 - 1} - right
        for position in wrong:
            bad = at.copy()
            bad[place] = position
            message = refusal(backward, y, bad, x.shape, **words, index_form=form, engine=engine)
            assert f"{position} at {place}" in message
        for position in right:
            good = at.copy()
            good[place] = position
            backward(y, good, x.shape, **words, index_form=form, engine=engine)


@pytest.mark.parametrize("layout", ["F", "reversed", "gaps", "read-only"])
def test_winners_of_any_layout_are_checked(layout, engine):
    bad = laid_out(np.full(Y.shape, 9, np.uint8), layout, random.Random(0))
    assert "9 at (0, 0, 0, 0)" in refusal(backward, indices=bad, engine=engine)


def test_junk():
    """Some seconds' worth; `python tests/fuzz_junk.py --minutes 10` goes on for longer."""
    counts = fuzz(range(6000))
    assert counts["refused"] > 1000
    assert counts["right"] > 1000
