"""What the contract promises beyond single results: corners, layers, imports, memory, threads."""

import inspect
import os
import subprocess
import sys
import textwrap
from itertools import product
from math import ceil

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, DTYPES, FLOATS, INTEGERS, needs_native, same_bits

import ndpool
from ndpool.engines import native
from ndpool.geometry import geometry

NAN_BITS = {
    "f4": [0x7FC00000, 0xFFC01234, 0x7FFFFFFF, 0x7FC0BEEF],
    "f8": [2**63 - 1, 0x7FF8000000000000, 0xFFF8000000001234, 0x7FF80000DEADBEEF],
}


def pool(x, kernel_size, **words):
    """(y, indices) as lists, for small examples."""
    y, indices = ndpool.max_pool(x, kernel_size, **words, return_indices=True)
    return y.tolist(), indices.tolist()


# --- the rules of winning ---


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_padding_never_wins(dtype, engine):
    """Also where every value is the lowest that there is."""
    lowest = {"b": False, "i": -(2 ** (8 * dtype.itemsize - 1)), "u": 0}.get(dtype.kind, -np.inf)
    x = np.full((2, 5, 6), lowest).astype(dtype)
    words = {"stride": 2, "padding": ((1, 1), (2, 0)), "engine": engine}
    y, indices = ndpool.max_pool(x, 3, **words, return_indices=True)
    assert y.dtype == dtype
    assert (y == np.array(lowest).astype(dtype)).all()
    # first cells inside: row 1 of the uppermost windows, column 2 of the leftmost
    assert np.array_equal(indices[0], [[5, 3, 3], [2, 0, 0], [2, 0, 0]])
    dy = np.ones(y.shape, dtype)
    dx = ndpool.max_pool_backward(dy, indices, x.shape, 3, **words)
    if dtype.kind != "b":
        assert dx.astype(float).sum() == 18


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("width", [4, 40, 133])
def test_the_first_of_equals_wins(width, dtype, engine):
    x = np.ones((3, 4, width)).astype(dtype)
    for kernel, stride in product([2, 3, 4], [1, 2]):
        words = {"stride": stride, "engine": engine}
        indices = ndpool.max_pool(x, kernel, **words, return_indices=True)[1]
        assert not indices.any()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_zeros_of_either_sign_are_equal(dtype, engine):
    """The first wins and keeps its sign."""
    x = np.tile(np.array([[-0.0, 0.0, 0.0, -0.0]]), (2, 20)).astype(dtype)
    for words in [
        {"kernel_size": 2},
        {"kernel_size": 2, "stride": 1},
        {"kernel_size": (1, 3), "padding": (0, 1)},
    ]:
        y, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
        signs = np.signbit(y.astype(np.float32))
        at = ndpool.convert_indices(indices, x.shape, **words)
        assert np.array_equal(signs, np.signbit(x.astype(np.float32).reshape(-1)[at]))
    y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
    assert not indices.any()
    assert np.array_equal(np.signbit(y.astype(np.float32)), [[True, False] * 20])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_first_nan_wins(dtype, engine):
    nan, inf = np.nan, np.inf
    x = np.tile(np.array([[inf, nan, 1, 2], [nan, 9, -inf, -1]]), (1, 20)).astype(dtype)
    y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
    assert np.array_equal(y.astype(np.float32), [[nan, 2] * 20], equal_nan=True)
    assert np.array_equal(indices, [[1, 1] * 20])
    y, indices = ndpool.max_pool(x, 2, stride=1, return_indices=True, engine=engine)
    assert indices[0, :4].tolist() == [1, 0, 1, 3]


@pytest.mark.parametrize("code", ["f4", "f8"])
def test_nan_keeps_its_payload(code, engine):
    bits = np.tile(np.array(NAN_BITS[code], code.replace("f", "u")), (4, 20))
    x = bits.view(code)
    for kernel, stride, padding in [(2, 2, 0), (3, 1, 1), (1, 1, 0), (4, 2, 2)]:
        words = {"kernel_size": kernel, "stride": stride, "padding": padding, "engine": engine}
        y, at = ndpool.max_pool(x, **words, return_indices="tensor")
        assert np.array_equal(y.view(bits.dtype), bits.reshape(-1)[at])
        assert same_bits(ndpool.max_pool(x, **words), y)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_are_never_floats(dtype, engine):
    a, b = 2**53, 2**62
    x = np.array([a, a + 1, a - 1, a, b, b + 1, b + 3, b + 2] * 9, dtype)
    y, indices = ndpool.max_pool(x, (4,), return_indices=True, engine=engine)
    assert y.tolist() == [a + 1, b + 3] * 9
    assert indices.tolist() == [1, 2] * 9
    dy, indices = np.array([a + 1, 2], dtype), np.array([1, 0], np.uint8)
    dx = ndpool.max_pool_backward(dy, indices, (3,), (2,), stride=1, engine=engine)
    assert dx.tolist() == [0, a + 3, 0]


def test_two_byte_floats_are_summed_in_float32_and_rounded_once(engine):
    for dtype, big in [(np.float16, 2048), (BFLOAT16, 256)]:  # big + 1 is no number of theirs
        dy = np.array([big, 1, 1, 1, 1]).astype(dtype)
        indices = np.arange(5)[::-1].astype(np.uint8)
        dx = ndpool.max_pool_backward(dy, indices, (9,), (5,), stride=1, engine=engine)
        assert dx.dtype == dtype
        assert dx[4] == big + 4
        assert np.count_nonzero(dx.astype(np.float32)) == 1


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_gradients_wrap_and_bools_are_ored(dtype, engine):
    most = np.iinfo(dtype).max
    dy, indices = np.array([most, most], dtype), np.array([1, 0], np.uint8)
    dx = ndpool.max_pool_backward(dy, indices, (3,), (2,), stride=1, engine=engine)
    assert dx.tolist() == [
        0,
        2 * most - 2 ** (8 * dtype.itemsize) * (1 + (dtype.kind == "u") * 0),
        0,
    ]
    dx = ndpool.max_pool_backward(
        np.array([True, True]), indices, (3,), (2,), stride=1, engine=engine
    )
    assert dx.dtype == bool
    assert dx.tolist() == [False, True, False]


def test_gradients_overflow_without_a_warning(engine):
    """As they do in the native engine; warnings are errors here."""
    indices = np.array([1, 0], np.uint8)
    for dy, total in [
        (np.array([np.inf, -np.inf]), np.nan),
        (np.array([3e38, 3e38], np.float32), np.inf),
        (np.array([6e4, 6e4], np.float16), np.inf),
        (np.array([3e38, 3e38]).astype(BFLOAT16), np.inf),
    ]:
        dx = ndpool.max_pool_backward(dy, indices, (3,), (2,), stride=1, engine=engine)
        assert np.array_equal(dx.astype(np.float64), [0, total, 0], equal_nan=True)


# --- whatever the array ---


def test_axes_and_defaults():
    x = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    assert np.array_equal(ndpool.max_pool(x, 2), x[:, 1::2, 1::2])
    assert np.array_equal(ndpool.max_pool(x, (2, 2, 2)), x[1:, 1::2, 1::2])
    assert np.array_equal(ndpool.max_pool(x, (2,)), x[:, :, 1::2])
    assert np.array_equal(ndpool.max_pool(x, 2, axes=1), x[:, 1::2])
    assert np.array_equal(ndpool.max_pool(x, 2, axes=(0, -2)), x[1:, 1::2])
    assert np.array_equal(ndpool.max_pool(x, (2, 3), axes=(-2, -1)), x[:, 1::2, 2::3])
    assert np.array_equal(ndpool.max_pool(x, (3, 2), axes=(2, 1)), x[:, 1::2, 2::3])
    assert np.array_equal(ndpool.max_pool(x, 2, stride=(1, 2)), x[:, 1:, 1::2])
    # windows are row-major in the array's order, whatever the order of axes=
    assert pool(np.array([[0, 1], [9, 2]]), (2, 2), axes=(1, 0)) == ([[9]], [[2]])


@pytest.mark.parametrize("shape", [(0, 3, 6, 8), (2, 0, 6, 8), (0, 0, 6, 8)])
@pytest.mark.parametrize("dtype", ["f4", "u1", ">i4", BFLOAT16])
def test_a_batch_of_nothing(shape, dtype, engine):
    x = np.zeros(shape, dtype)
    for form, index in [(True, "u1"), ("plane", "i8"), ("tensor", "i8")]:
        y, indices = ndpool.max_pool(x, 2, return_indices=form, engine=engine)
        assert (y.shape, y.dtype) == ((*shape[:2], 3, 4), x.dtype)
        assert (indices.shape, indices.dtype) == (y.shape, np.dtype(index))
    y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
    assert ndpool.max_pool_backward(y, indices, shape, 2, engine=engine).shape == shape
    assert ndpool.convert_indices(indices, shape, 2).shape == y.shape
    channels_last = np.zeros((6, 8, *shape[:2]), dtype)
    y, indices = ndpool.max_pool(channels_last, 2, axes=(0, 1), return_indices=True, engine=engine)
    assert y.shape == (3, 4, *shape[:2])
    dx = ndpool.max_pool_backward(y, indices, channels_last.shape, 2, axes=(0, 1), engine=engine)
    assert dx.shape == channels_last.shape


def test_no_batch_axis_at_all(engine):
    x = np.array([3, 1, 2, 5], np.float32)
    y, indices = ndpool.max_pool(x, (2,), return_indices=True, engine=engine)
    assert (y.tolist(), indices.tolist()) == ([3, 5], [0, 1])
    dx = ndpool.max_pool_backward(y, indices, (4,), (2,), engine=engine)
    assert dx.tolist() == [3, 0, 0, 5]


def test_lists_and_read_only_arrays_and_subclasses(engine):
    assert ndpool.max_pool([[1, 5], [3, 4]], 2, engine=engine).tolist() == [[5]]
    assert ndpool.max_pool([[1.5, 5], [3, 4]], 2, engine=engine).dtype == np.float64
    assert ndpool.max_pool([[True, False]], (2,), engine=engine).dtype == bool
    x = np.arange(16.0).reshape(4, 4)
    x.flags.writeable = False
    y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
    assert y.flags.writeable
    assert indices.flags.writeable
    y.flags.writeable = indices.flags.writeable = False
    assert ndpool.max_pool_backward(y, indices, [4, 4], 2, engine=engine).flags.writeable
    assert ndpool.max_pool_backward(y.tolist(), indices, (4, 4), 2, engine=engine).sum() == y.sum()
    assert type(ndpool.max_pool(x.view(np.matrix), 2, engine=engine)) is np.ndarray


def test_big_endian_comes_back_big_endian(engine):
    for code in [">f4", ">i2", ">f2", ">u8"]:
        x = np.array([[1, 256], [2, 3]], code)
        y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
        assert (y.dtype, y.tolist()) == (np.dtype(code), [[256]])
        dx = ndpool.max_pool_backward(y, indices, (2, 2), 2, engine=engine)
        assert (dx.dtype, dx.tolist()) == (np.dtype(code), [[0, 256], [0, 0]])


def test_results_are_new_and_in_order(engine):
    x = np.asfortranarray(np.arange(64.0).reshape(4, 4, 4))
    y, indices = ndpool.max_pool(x, 1, return_indices=True, engine=engine)
    dx = ndpool.max_pool_backward(x, indices, x.shape, 1, engine=engine)
    forms = [
        ndpool.convert_indices(indices, x.shape, 1, to=to) for to in ("window", "plane", "tensor")
    ]
    for result in (y, indices, dx, *forms):
        assert result.flags.c_contiguous
        assert result.flags.owndata
        assert result.flags.writeable
    assert not np.may_share_memory(x, y)


def test_more_axes_than_anyone_pools(engine):
    x = np.random.default_rng(0).integers(0, 99, (2, 3, 2, 2, 3, 2, 2, 2, 1, 2))
    kernel, axes, ones = (2, 2, 2, 2, 2, 2, 1, 2), tuple(range(2, 10)), (1,) * 8
    expected = oracle.max_pool(x, axes, kernel, ones, ones, [(0, 0)] * 8)
    y, indices = ndpool.max_pool(x, kernel, stride=1, return_indices=True, engine=engine)
    assert same_bits(y, expected.y)
    assert np.array_equal(indices, expected.offsets)


# --- geometry ---


def formula(n, k, s, d, before, after, ceil_mode):
    """design.md: output sizes."""
    size = (n + before + after - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    return size - 1 if ceil_mode and (size - 1) * s >= n + before else size


def test_output_sizes_are_those_of_the_formula():
    """Both for the package and for the oracle, which counts windows; 18,432 combinations."""
    possible = 0
    for n, k, s, d, before, after in product(
        range(1, 9), range(1, 5), range(1, 5), range(1, 4), range(4), range(4)
    ):
        for ceil_mode in (False, True):
            size = formula(n, k, s, d, before, after, ceil_mode)
            assert oracle.out_size(n, k, s, d, before, after, ceil_mode) == max(size, 0)
            try:
                oracle.all_windows((n,), (0,), (k,), (s,), (d,), [(before, after)], ceil_mode)
            except oracle.Impossible:
                with pytest.raises(ndpool.PoolError, match=r"^(kernel_size|padding): "):
                    geometry((n,), (k,), s, ((before, after),), d, ceil_mode)
            else:
                assert geometry((n,), (k,), s, ((before, after),), d, ceil_mode).out == (size,)
                possible += 1
    assert possible > 6_000


def test_same_padding():
    """ceil(n / stride) outputs; the odd cell of padding at the end, or at the start."""
    for n, k, s, d in product(range(1, 14), range(1, 6), range(1, 6), range(1, 4)):
        total = max((ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
        pads = {
            "same": (total // 2, total - total // 2),
            "same_lower": (total - total // 2, total // 2),
        }
        for word, (before, after) in pads.items():
            try:
                made = geometry((n,), (k,), s, word, d)
            except ndpool.PoolError as error:
                with pytest.raises(oracle.Impossible):
                    oracle.all_windows((n,), (0,), (k,), (s,), (d,), [(before, after)])
                assert error.argument == "padding"
            else:
                assert made.out == (ceil(n / s),)
                assert (made.before, made.after) == ((before,), (after,))
    assert pool(np.arange(5), (2,), stride=2, padding="same") == ([1, 3, 4], [1, 1, 0])
    assert pool(np.arange(5), (2,), stride=2, padding="same_lower") == ([0, 2, 4], [1, 1, 1])
    assert pool(np.arange(5), (2,), stride=2, padding="valid") == ([1, 3], [1, 1])


def test_ceil_mode():
    assert pool(np.arange(5), (2,), ceil_mode=True) == ([1, 3, 4], [1, 1, 0])
    # a last window would begin in the right padding, so that there is none
    assert pool(np.arange(4), (2,), padding=((0, 1),), ceil_mode=True) == ([1, 3], [1, 1])
    # ... but it may begin in the left padding, or hang over the end when it is the first
    assert pool(np.arange(1), (3,), stride=2, padding=1, ceil_mode=True) == ([0], [1])
    assert pool(np.arange(2), (3,), stride=2, ceil_mode=True) == ([1], [1])
    with pytest.raises(ndpool.PoolError, match=r"^kernel_size: "):
        ndpool.max_pool(np.arange(2), (4,), stride=2, ceil_mode=True)
    with pytest.raises(ndpool.PoolError, match=r"^kernel_size: "):
        ndpool.max_pool(np.arange(2), (3,), stride=2)


def test_index_dtypes_are_the_smallest():
    for kernel, dtype in [
        ((1,), "u1"), ((256,), "u1"), ((257,), "u2"), ((65536,), "u2"), ((65537,), "u4"),
        ((16, 16), "u1"), ((17, 16), "u2"), ((2**16, 2**16), "u4"), ((2**32 + 1, 1), "u8"),
    ]:  # fmt: skip
        pads = tuple((k - 1, 0) for k in kernel)
        assert geometry((1,) * len(kernel), kernel, 1, pads).index_dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "kernel", [(256,), (1, 256), (256, 1), (2, 128), (257,), (65536,)]
)  # fmt: skip
def test_windows_at_the_border_of_an_index_dtype(kernel, engine):
    """256 and 65536 themselves are no numbers of the dtype that counts that many cells."""
    x = np.zeros(tuple(k + 1 for k in kernel), np.float32)
    x.reshape(-1)[-1] = 1  # the last window's last cell, which nothing beats
    words = {"kernel_size": kernel, "stride": 1}
    y, indices = ndpool.max_pool(x, **words, return_indices=True, engine=engine)
    forms = {"window": indices}
    for form in ("plane", "tensor"):
        forms[form] = ndpool.convert_indices(indices, x.shape, **words, to=form)
        assert forms[form].reshape(-1)[-1] == x.size - 1
    assert indices.reshape(-1)[-1] == np.prod(kernel) - 1
    for form, given in forms.items():
        assert np.array_equal(
            ndpool.convert_indices(given, x.shape, **words, from_=form, to="window"), indices
        )
        dx = ndpool.max_pool_backward(y, given, x.shape, **words, index_form=form, engine=engine)
        assert np.array_equal(dx, x)


def test_geometry_is_frozen_and_cached():
    one, two = (geometry((4, 4), kernel) for kernel in (2, [2, np.int64(2)]))
    assert one == two
    assert geometry((4, 4), 2) is one
    with pytest.raises(AttributeError):
        one.kernel = (3, 3)


# --- out= ---


def test_out(engine):
    x = np.random.default_rng(0).standard_normal((3, 8, 40)).astype("f4")
    y, indices = ndpool.max_pool(x, 2, return_indices=True, engine=engine)
    out = np.full(y.shape, np.nan, "f4")
    got, got_indices = ndpool.max_pool(x, 2, out=out, return_indices=True, engine=engine)
    assert got is out
    assert same_bits(out, y)
    assert np.array_equal(got_indices, indices)
    for start in range(0, 600, 37):  # in x's own memory, ahead of what is still to be read
        memory = np.concatenate([x.ravel(), np.zeros(600, "f4")])
        inside = memory[: x.size].reshape(x.shape)
        out = memory[start : start + y.size].reshape(y.shape)
        assert ndpool.max_pool(inside, 2, out=out, engine=engine) is out
        assert same_bits(out, y)


# --- MaxPool ---


def test_the_layer(engine):
    layer = ndpool.MaxPool(3, stride=2, padding=1, engine=engine)
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(np.ones((1, 1)))
    for shape in [(2, 3, 8, 8), (1, 7, 9)]:  # the second forward is another shape
        x = np.random.default_rng(0).standard_normal(shape)
        y, indices = ndpool.max_pool(x, 3, stride=2, padding=1, return_indices=True, engine=engine)
        assert same_bits(layer.forward(x), y)
        assert same_bits(layer(x), y)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        dx = ndpool.max_pool_backward(dy, indices, shape, 3, stride=2, padding=1, engine=engine)
        assert same_bits(layer.backward(dy), dx)
        assert same_bits(layer.backward(dy), dx)  # once more, for a second loss
        x[...] = 0  # the layer keeps what it needs
        assert same_bits(layer.backward(dy), dx)
    with pytest.raises(ndpool.PoolError, match=r"^dy: expected shape"):
        layer.backward(dy[..., :-1])


def test_the_layers_repr_makes_the_layer_again():
    layer = ndpool.MaxPool(
        (3, 2), stride=2, padding=((1, 0), (0, 1)), ceil_mode=True, axes=(1, 2), engine="numpy"
    )
    again = eval(repr(layer), {"MaxPool": ndpool.MaxPool})
    assert repr(again) == repr(layer)
    x = np.random.default_rng(0).standard_normal((2, 7, 7, 3))
    assert same_bits(again(x), layer(x))


def test_the_same_words_everywhere():
    """The geometry's, keyword-only, in the same order and with the same defaults."""
    words = ("stride", "padding", "dilation", "ceil_mode", "axes")
    expected = inspect.signature(ndpool.max_pool).parameters
    for function in (ndpool.max_pool_backward, ndpool.convert_indices, ndpool.MaxPool):
        ours = inspect.signature(function).parameters
        assert [name for name in ours if name in words] == list(words)
        for word in words:
            assert ours[word].kind is inspect.Parameter.KEYWORD_ONLY
            assert ours[word].default == expected[word].default


# --- the process ---


def python(code, **variables):
    """What another Python prints; it must end well and have nothing to say on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=300, env=os.environ | variables,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_import_brings_numpy_alone():
    strangers = (
        "matplotlib PIL torch jax onnx onnxruntime openvino ml_dtypes scipy skimage hypothesis "
        "ndpool.textbook ndpool.demo ndpool.cli ndpool.bench ndpool.explain ndpool.check"
    )
    code = f"""
        import ndpool, sys
        print([name for name in "{strangers}".split() if name in sys.modules])
    """
    assert python(code) == "[]"


def test_pooling_brings_no_more():
    code = """
        import sys, numpy as np, ndpool
        y, i = ndpool.max_pool(np.ones((4, 4), np.float16), 2, return_indices=True)
        ndpool.max_pool_backward(y, i, (4, 4), 2)
        print("ml_dtypes" in sys.modules)
    """
    assert python(code) == "False"


WHICH = """
    import numpy as np, ndpool
    from ndpool import engines
    from ndpool.geometry import geometry
    print(engines.choose(None, np.dtype("f4"), geometry((4, 4), 2)).__name__.split(".")[-1])
"""


def test_engine_by_environment():
    assert python(WHICH, NDPOOL_ENGINE="numpy") == "numpy"
    assert python(WHICH, NDPOOL_ENGINE="") == ("numpy" if native.missing else "native")


def test_engine_named_in_the_call_beats_the_environment(engine):
    code = f"""
        import numpy as np, ndpool
        print(ndpool.max_pool(np.arange(4), (2,), engine="{engine}"))
    """
    assert python(code, NDPOOL_ENGINE="bogus") == "[1 3]"


def test_engine_native_by_environment():
    if not native.missing:
        assert python(WHICH, NDPOOL_ENGINE="native") == "native"
        return
    code = """
        import numpy as np, ndpool
        try:
            ndpool.max_pool(np.ones((2, 2)), 2)
        except ndpool.PoolError as error:
            print(error)
    """
    assert python(code, NDPOOL_ENGINE="native").startswith("NDPOOL_ENGINE: expected an engine")


def test_bogus_engine_by_environment():
    code = """
        import numpy as np, ndpool
        try:
            ndpool.max_pool(np.ones((2, 2)), 2)
        except ndpool.PoolError as error:
            print(error)
    """
    assert python(code, NDPOOL_ENGINE="bogus").startswith(
        "NDPOOL_ENGINE: expected 'native' or 'numpy', got 'bogus'"
    )


def test_nothing_is_printed_at_exit():
    code = """
        import numpy as np, ndpool
        layer = ndpool.MaxPool(2)
        layer.backward(layer.forward(np.ones((1, 4, 4))))
        keep = ndpool
    """
    assert python(code) == ""


PEAK = """
    import re, numpy as np, ndpool

    def bytes_of(name):
        return 1024 * int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

    def needed():  # at most, until now; without pages of files: code, read when it first runs
        return bytes_of("VmHWM") - bytes_of("RssFile")

    def growth(call):
        open("/proc/self/clear_refs", "w").write("5")  # the peak is now what there is
        before = needed()
        result = call()
        return needed() - before, result

    ndpool.set_num_threads({threads})
    x = {x}
    words = {words}
    small = x[tuple(slice(0, 80 if x.ndim < 4 else 20) for _ in x.shape)]
    y, i = ndpool.max_pool(small, **words, return_indices=True, engine="native")  # warms up
    ndpool.max_pool_backward(y, i, small.shape, **words, engine="native")
    # All results live on: what was let go would be taken for the next one, which then needs none,
    # and what is measured would be far below zero.
    more, (y, i) = growth(lambda: ndpool.max_pool(x, **words, return_indices=True, engine="native"))
    alone, again = growth(lambda: ndpool.max_pool(x, **words, engine="native"))
    back, dx = growth(lambda: ndpool.max_pool_backward(y, i, x.shape, **words, engine="native"))
    print(more - y.nbytes - i.nbytes, alone - again.nbytes, back - dx.nbytes)
"""


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/clear_refs is Linux's")
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (x, dict(zip(("kernel_size", "stride", "padding", "axes"), words, strict=False)))
        for x, *words in [
            ("np.ones((32, 64, 56, 56), 'f4')", 2),
            ("np.ones((32, 64, 56, 56), 'f4')", 3, 2, 1),
            ("np.ones((32, 64, 56, 56), 'f4')", 3, 1, 1),
            ("np.ones((8, 512, 20, 20), 'f4')", 13, 1, 6),
            ("np.ones((1, 3, 2048, 2048), 'f4')", 2),
            ("np.ones((4, 1024, 1024), 'f4')", 63, 1),
            ("np.ones((32, 56, 56, 64), 'f4')", 3, 2, 0, (1, 2)),
            ("np.ones((64, 112, 112, 8), 'f4').transpose(0, 3, 1, 2)", 2),
            ("np.ones((32, 64, 56, 112), 'f4')[..., ::2]", 3, 1, 1),
            ("np.ones((32, 64, 56, 56), 'f2')", 3, 2, 1),
            ("np.ones((32, 64, 56, 56), 'u1')", 3, 1, 1),
            ("np.ones((8, 32, 32, 32, 32), 'f4')", (3, 3, 3), 2, 1),
            ("np.ones((4, 4_000_000), 'f4')", (5,), 2),
            ("np.ones((4, 4_000_000), 'f4')", (30,), 32, (15,)),
            ("np.ones((4, 1500, 1500), 'f4')", 5, 5, 2),
        ]
    ],
    ids=str,
)
@pytest.mark.parametrize("threads", [2, 8])
def test_memory(x, words, threads):
    """Forward needs its output, its winners and 2 MiB; backward its output and 2 MiB."""
    extra = python(PEAK.format(x=x, words=words, threads=threads))
    assert all(abs(int(number)) <= 2 * 2**20 for number in extra.split()), f"bytes more: {extra}"


PEAK_OF_FORMS = (
    PEAK[: PEAK.index("    ndpool.set_num_threads")]
    + """
    ndpool.set_num_threads(2)
    x, words, form = {x}, {words}, {form!r}

    def forward(x):
        return ndpool.max_pool(x, **words, return_indices=form, engine="native")

    def backward(y, i, x):
        return ndpool.max_pool_backward(y, i, x.shape, **words, index_form=form, engine="native")

    def convert(i, x, from_, to):
        return ndpool.convert_indices(i, x.shape, **words, from_=from_, to=to)

    small = x[tuple(slice(0, 80 if x.ndim < 4 else 20) for _ in x.shape)]
    y, i = forward(small)  # warms up
    backward(y, i, small), convert(convert(i, small, form, "window"), small, "window", form)

    more, (y, i) = growth(lambda: forward(x))
    to_window, offsets = growth(lambda: convert(i, x, form, "window"))
    from_window, again = growth(lambda: convert(offsets, x, "window", form))
    across, other = growth(lambda: convert(i, x, form, "plane" if form == "tensor" else "tensor"))
    back, dx = growth(lambda: backward(y, i, x))
    assert np.array_equal(i, again)
    print(
        more - y.nbytes - i.nbytes, to_window - offsets.nbytes, from_window - again.nbytes,
        across - other.nbytes, back - dx.nbytes - offsets.nbytes,
    )
"""
)


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/clear_refs is Linux's")
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (x, dict(zip(("kernel_size", "stride", "padding", "axes"), words, strict=False)))
        for x, *words in [
            ("np.ones((32, 64, 56, 56), 'f4')", 3, 2, 1),
            ("np.ones((4, 4_000_000), 'u1')", (5,), 2),
            ("np.ones((3_000_000, 2, 2), 'u1')", 2),
            ("np.ones((4, 1024, 1024), 'f4')", 63, 1),
            ("np.ones((32, 112, 112, 16), 'f4')", 2, 2, 0, (1, 2)),
        ]
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["plane", "tensor"])
def test_memory_of_positions(x, words, form):
    """No more beside the result than without them; backward has one small offset an output more."""
    extra = python(PEAK_OF_FORMS.format(x=x, words=words, form=form))
    assert all(abs(int(number)) <= 2 * 2**20 for number in extra.split()), f"bytes more: {extra}"


@pytest.mark.parametrize("kernel", [200, 60_000, 2**20, 2**40])
def test_positions_of_many_blocks(kernel):
    """Offsets of 1, 2, 4 and 8 bytes, which lie in the positions' own memory while they are read.

    Window o of each signal ends at cell o, so that offset f is cell o + f - (kernel - 1).
    """
    rng, n = np.random.default_rng(0), 30_001
    words = {"kernel_size": (kernel,), "stride": 1, "padding": ((kernel - 1, 0),)}
    place = np.broadcast_to(np.arange(n), (3, n))
    planes = place - rng.integers(0, np.minimum(place + 1, kernel))
    tensors = planes + np.array([[0], [n], [2 * n]])
    offsets = (planes - place + kernel - 1).astype(np.min_scalar_type(kernel - 1))
    forms = {"window": offsets, "plane": planes, "tensor": tensors}
    for source, target in product(forms, forms):
        got = ndpool.convert_indices(forms[source], (3, n), **words, from_=source, to=target)
        assert same_bits(got, forms[target])
    for form in ("plane", "tensor"):
        wrong = forms[form].copy()
        wrong[2, 20_000] -= 25_000  # the only one; no window reaches it, or it is another signal's
        with pytest.raises(ndpool.PoolError, match=r"at \(2, 20000\)"):
            ndpool.convert_indices(wrong, (3, n), **words, from_=form, to="window")
    wrong = offsets.copy()
    wrong[2, 0] = 0  # in the padding
    with pytest.raises(ndpool.PoolError, match=r"0 at \(2, 0\)"):
        ndpool.convert_indices(wrong, (3, n), **words)


@pytest.mark.parametrize("form", ["plane", "tensor"])
def test_winners_of_many_blocks(form, engine):
    """Large outputs of the forward call, against the form that other tests hold to the oracle."""
    for shape in [(3, 5, 90, 121), (20_000, 2, 3), (2, 70_000), (2, 40_000, 1, 2)]:
        x = np.random.default_rng(0).integers(0, 9, shape).astype(np.float32)
        words = {"kernel_size": (2, 2), "stride": 1, "padding": ((0, 1), (1, 0)), "engine": engine}
        y, at = ndpool.max_pool(x, **words, return_indices=form)
        flat = x.reshape(-1, shape[-2] * shape[-1]) if form == "plane" else x.reshape(1, -1)
        won = np.take_along_axis(flat, at.reshape(flat.shape[0], -1), -1)
        assert np.array_equal(won.reshape(y.shape), y)
        assert at.flags.owndata
        dx = ndpool.max_pool_backward(np.ones_like(y), at, shape, **words, index_form=form)
        expected = np.zeros_like(flat)
        rows = np.broadcast_to(np.arange(len(flat))[:, None], won.shape)
        np.add.at(expected, (rows, at.reshape(won.shape)), 1)
        assert np.array_equal(dx, expected.reshape(shape))


GIL = """
    import collections, threading, time, numpy as np, ndpool
    ndpool.set_num_threads(1)
    x = np.random.default_rng(0).standard_normal((64, 64, 128, 128), np.float32)
    words = {"kernel_size": 31, "stride": 1, "padding": 15, "engine": "native"}
    y, i = ndpool.max_pool(x, **words, return_indices=True)
    now, ticks = "nothing", collections.Counter()

    def work():
        global now
        now = "forward"
        ndpool.max_pool(x, **words)
        now = "backward"
        ndpool.max_pool_backward(y, i, x.shape, **words)
        now = "nothing"

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        ticks[now] += 1
        time.sleep(0.001)
    print(ticks["forward"], ticks["backward"])
"""


@needs_native
def test_other_threads_run_while_the_kernels_do():
    """Held, the GIL would let this thread tick once or twice in a call of a second."""
    forward, backward = map(int, python(GIL).split())
    assert forward > 20
    assert backward > 20
