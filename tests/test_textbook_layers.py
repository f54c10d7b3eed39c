"""Both textbook layers and both engines against the oracle, each other and `ndpool.max_pool`."""

import numpy as np
import oracle
import pytest

import ndpool
from ndpool import PoolError
from ndpool.textbook import coded_array, columns, rows

ENGINES = ["im2col", "native"]
DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_]

both_engines = pytest.mark.parametrize("engine", ENGINES)


def same(got, expected, dtype=None):
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == (expected.dtype if dtype is None else dtype)
    np.testing.assert_array_equal(got, expected)


def lowest(dtype):
    if dtype == np.bool_:
        return False
    return np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else -np.inf


def use_rows(x, dout, *args, **words):
    """(out, arg_max, dx) of one forward and backward."""
    layer = rows.Pooling(*args, **words)
    out = layer.forward(x)
    return out, layer.arg_max, layer.backward(out if dout is None else dout)


def use_columns(x, grad_y, pool, pad, **words):
    """(y, max_index, grad_x) of one forward and backward."""
    layer = columns.PoolingLayer(*x.shape[1:], pool, pad, **words)
    assert layer.forward(x) is None
    assert layer.backward(layer.y if grad_y is None else grad_y) is None
    return layer.y, layer.max_index, layer.grad_x


def in_notebook_order(winners):
    """(N, C, OH, OW) -> 1-d in the order (n, oh, ow, c), by counting."""
    n, c, out_h, out_w = winners.shape
    order = np.ndindex(n, out_h, out_w, c)
    return np.array([winners[b, ch, i, j] for b, i, j, ch in order], np.int64)


def check_against_oracle(use, x, args, engine, kernel, stride, pads):
    """Value, dtype, winners, gradient and unmodified inputs, against plain loops."""
    y, offsets, winning = oracle.max_pool(x, (2, 3), kernel, (stride,) * 2, (1, 1), pads)
    # whole numbers below 8: sums of them are exact in every dtype, and wrap the same way
    dout = np.random.default_rng(0).integers(0, 8, y.shape).astype(x.dtype)
    dx = oracle.max_pool_backward(dout, winning, x.shape)
    x_before, dout_before = x.copy(), dout.copy()

    got_y, got_winners, got_dx = use(x, dout, *args, engine=engine)

    same(got_y, y)
    same(got_winners, in_notebook_order(offsets), np.int64)
    same(got_dx, dx)
    same(x, x_before)
    same(dout, dout_before)


@both_engines
@pytest.mark.parametrize("seed", range(24))
def test_rows_against_the_oracle(engine, seed):
    rng = np.random.default_rng(seed)
    n, c, h, w, stride = (int(k) for k in rng.integers(1, 4, 5))
    pad = int(rng.integers(0, min(h, w)))
    shape = n, c, int(rng.integers(h, 8)), int(rng.integers(w, 8))
    x = rng.integers(0, 5, shape).astype(DTYPES[seed % len(DTYPES)])
    args = (h, w, stride, pad)
    check_against_oracle(use_rows, x, args, engine, (h, w), stride, ((pad, pad), (pad, pad)))


@both_engines
@pytest.mark.parametrize("seed", range(24))
def test_columns_against_the_oracle(engine, seed):
    rng = np.random.default_rng(seed)
    n, c, pool = (int(k) for k in rng.integers(1, 4, 3))
    pad = int(rng.integers(0, pool))
    shape = n, c, int(rng.integers(1, 8)), int(rng.integers(1, 8))
    x = rng.integers(0, 5, shape).astype(DTYPES[seed % len(DTYPES)])

    pads = []
    for size in shape[2:]:
        windows = 1
        while windows * pool < pad + size:  # the last row or column is not seen yet
            windows += 1
        pads.append((pad, windows * pool - pad - size))
    check_against_oracle(use_columns, x, (pool, pad), engine, (pool, pool), pool, pads)


@both_engines
@pytest.mark.parametrize("seed", range(20))
def test_dialects_agree_with_each_other_and_with_max_pool(engine, seed):
    rng = np.random.default_rng(seed)
    n, c, pool, many_h, many_w = (int(k) for k in rng.integers(1, 5, 5))
    pad = int(rng.integers(0, pool))
    # sizes that the windows fill to the cell, padding and all: there the dialects are equal
    shape = n, c, max(many_h * pool - 2 * pad, pool), max(many_w * pool - 2 * pad, pool)
    if any((size + 2 * pad) % pool for size in shape[2:]):
        shape, pad = (n, c, many_h * pool, many_w * pool), 0
    x = rng.standard_normal(shape)

    y, indices = ndpool.max_pool(x, pool, padding=pad, return_indices=True)
    dx = ndpool.max_pool_backward(y, indices, x.shape, pool, padding=pad)
    for got in (
        use_rows(x, None, pool, pool, pool, pad, engine=engine),
        use_columns(x, None, pool, pad, engine=engine),
    ):
        same(got[0], y)
        same(got[1], in_notebook_order(indices))
        same(got[2], dx)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_engines_agree_on_overlapping_windows_of_floats(seed, dtype):
    """Winners and values exactly; sums of gradients to rounding, as the orders of adding differ."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 2, 7, 8)).astype(dtype)
    h, w = (int(k) for k in rng.integers(2, 5, 2))
    args = (h, w, int(rng.integers(1, 3)), int(rng.integers(0, 2)))
    dout = rng.standard_normal(ndpool.max_pool(x, (h, w), stride=args[2], padding=args[3]).shape)
    dout = dout.astype(dtype)
    ours, native = (use_rows(x, dout, *args, engine=engine) for engine in ENGINES)
    same(ours[0], native[0])
    same(ours[1], native[1])
    assert ours[2].dtype == native[2].dtype == dtype
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(
        ours[2].astype(float), native[2].astype(float), rtol=4 * eps, atol=16 * eps
    )


# ---- what the notebooks' code gets wrong ------------------------------------


@both_engines
def test_pad_1_on_4x4_counts_the_padding_and_sees_every_row_and_column(engine):
    x = coded_array(1, 1, 4, 4)
    y = [[[[1111, 1113, 1114], [1131, 1133, 1134], [1141, 1143, 1144]]]]
    # row-major in 2x2: only the last cell of the corner is inside, and so on round the border
    winners = [3, 3, 2, 3, 3, 2, 1, 1, 0]
    dx = [[[[1111, 0, 1113, 1114], [0] * 4, [1131, 0, 1133, 1134], [1141, 0, 1143, 1144]]]]
    for got in (
        use_rows(x, None, 2, 2, 2, 1, engine=engine),
        use_columns(x, None, 2, 1, engine=engine),
    ):
        same(got[0], y, np.int64)
        same(got[1], winners, np.int64)
        same(got[2], dx, np.int64)
    seen = columns.im2col(x, 2, 2, 3, 3, 2, 1)
    assert set(x.ravel()) | {0} == set(seen.ravel())


@both_engines
def test_5x5_in_pools_of_2_is_rounded_up_to_3x3(engine):
    x = coded_array(1, 1, 5, 5)
    y, winners, dx = use_columns(x, None, 2, 0, engine=engine)
    same(y, [[[[1122, 1124, 1125], [1142, 1144, 1145], [1152, 1154, 1155]]]], np.int64)
    same(winners, [3, 3, 2, 3, 3, 2, 1, 1, 0], np.int64)
    expected = np.zeros((5, 5), np.int64)
    expected[1, [1, 3, 4]] = 1122, 1124, 1125
    expected[3, [1, 3, 4]] = 1142, 1144, 1145
    expected[4, [1, 3, 4]] = 1152, 1154, 1155
    same(dx[0, 0], expected, np.int64)


@both_engines
@pytest.mark.parametrize(
    ("x_h", "x_w", "pool", "pad", "y_h", "y_w"),
    [
        (4, 4, 2, 0, 2, 2),
        (5, 4, 2, 0, 3, 2),  # the notebook's rule: rounded up
        (4, 4, 2, 1, 3, 3),
        (3, 5, 2, 1, 2, 3),  # a third window down would hold padding alone
        (1, 2, 3, 0, 1, 1),  # images smaller than the window
        (1, 1, 3, 2, 1, 1),
        (7, 8, 3, 2, 3, 4),
    ],
)
def test_columns_output_sizes(engine, x_h, x_w, pool, pad, y_h, y_w):
    layer = columns.PoolingLayer(2, x_h, x_w, pool, pad, engine=engine)
    assert (layer.y_ch, layer.y_h, layer.y_w) == (2, y_h, y_w)
    assert layer.params == (2, x_h, x_w, pool, pad)
    layer.forward(coded_array(3, 2, x_h, x_w))
    assert layer.y.shape == (3, 2, y_h, y_w)


@both_engines
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int8])
def test_padding_never_beats_negative_values(engine, dtype):
    """The notebook's zeros won here: the output was 0 and the whole gradient lost."""
    x = (-1 - np.arange(2 * 2 * 5 * 5).reshape(2, 2, 5, 5)).astype(dtype)
    for use, args in ((use_rows, (3, 3, 2, 1)), (use_columns, (3, 2))):
        out, _, dx = use(x, None, *args, engine=engine)
        assert (out < 0).all()
        assert dx.sum(dtype=float) == out.sum(dtype=float)


@both_engines
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pool", [2, 3])
def test_padding_never_wins_though_all_is_the_lowest_value(engine, dtype, pool):
    """-inf, 0 in uint8, False: the gradient still stays inside, with the oracle's winners."""
    x = np.full((2, 2, 4, 4), lowest(dtype), dtype)
    pads = ((1, 1), (1, 1))
    check_against_oracle(use_rows, x, (pool, pool, 2, 1), engine, (pool, pool), 2, pads)
    check_against_oracle(use_columns, x, (pool, 1), engine, (pool, pool), pool, pads)


@both_engines
def test_the_whole_gradient_of_an_all_zero_uint8(engine):
    x = np.zeros((1, 1, 4, 4), np.uint8)
    dout = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)
    expected = [[1, 2, 0, 3], [4, 5, 0, 6], [0, 0, 0, 0], [7, 8, 0, 9]]
    same(use_rows(x, dout, 2, 2, 2, 1, engine=engine)[2][0, 0], expected, np.uint8)
    same(use_columns(x, dout, 2, 1, engine=engine)[2][0, 0], expected, np.uint8)


# ---- the contract -----------------------------------------------------------


@both_engines
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_have_the_dtype_of_what_they_are_made_from(engine, dtype):
    x = np.array([[[[0, 1], [1, 0]]]]).astype(dtype)
    for dout_dtype in DTYPES:
        dout = np.ones((1, 1, 1, 1), dout_dtype)
        for use, args in ((use_rows, (2, 2)), (use_columns, (2, 0))):
            y, winners, dx = use(x, dout, *args, engine=engine)
            same(y, [[[[1]]]], dtype)
            same(winners, [1], np.int64)
            same(dx, [[[[0, 1], [0, 0]]]], dout_dtype)


@both_engines
def test_bfloat16(engine):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.array([[[[-4.0, -2.0, -np.inf], [-3.0, np.nan, -np.inf]]]]).astype(bfloat16)
    dout = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]).astype(bfloat16)
    for use, args in ((use_rows, (2, 2, 2, 1)), (use_columns, (2, 1))):
        y, winners, dx = use(x, dout, *args, engine=engine)
        same(winners, [3, 2, 1, 0])
        assert y.dtype == dx.dtype == bfloat16
        same(y.astype(float), [[[[-4, -2], [-3, np.nan]]]])
        same(dx.astype(float), [[[[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]]]])


@both_engines
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_nan_propagates_and_the_first_wins(engine, dtype):
    nan, inf = np.nan, np.inf
    x = np.array([[[[9, nan, inf, 5], [nan, 3, 1, -inf]]]], dtype)
    for use, args in ((use_rows, (2, 2)), (use_columns, (2, 0))):
        y, winners, dx = use(x, np.array([[[[7, 8]]]], dtype), *args, engine=engine)
        same(y, [[[[nan, inf]]]], dtype)
        same(winners, [1, 0], np.int64)
        same(dx, [[[[0, 7, 8, 0], [0, 0, 0, 0]]]], dtype)


@both_engines
def test_of_equal_cells_the_first_wins(engine):
    x = np.array([[[[0, 4, 4, 4], [4, 4, 4, 4]]]])
    for use, args in ((use_rows, (2, 2)), (use_columns, (2, 0))):
        _, winners, dx = use(x, np.array([[[[7, 8]]]]), *args, engine=engine)
        same(winners, [1, 0], np.int64)
        same(dx, [[[[0, 7, 8, 0], [0, 0, 0, 0]]]], np.int64)


@both_engines
def test_an_empty_batch(engine):
    x = np.zeros((0, 3, 4, 6), np.float32)
    for use, args in ((use_rows, (2, 2)), (use_columns, (2, 0))):
        y, winners, dx = use(x, None, *args, engine=engine)
        same(y, np.zeros((0, 3, 2, 3)), np.float32)
        same(winners, np.zeros(0), np.int64)
        same(dx, x, np.float32)


@both_engines
def test_read_only_and_strided_arrays(engine):
    x = coded_array(2, 3, 5, 6)
    strided = np.zeros((2, 3, 10, 6), np.int64)[:, :, ::-2]
    strided[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for use, args in ((use_rows, (3, 2, 1, 1)), (use_columns, (2, 1))):
        expected = use(x, None, *args)
        dout = np.zeros(expected[0].shape[::-1], np.int64).T
        dout[...] = expected[0]
        dout.flags.writeable = False
        for other in (strided, read_only, np.asfortranarray(x)):
            for got, want in zip(use(other, dout, *args, engine=engine), expected, strict=True):
                same(got, want)
        same(strided, x)


@both_engines
def test_results_are_new_and_can_be_written_to(engine):
    x = np.ones((1, 1, 2, 2))
    for use, args in ((use_rows, (1, 1, 1)), (use_columns, (1, 0))):
        y, _, dx = use(x, None, *args, engine=engine)
        assert not np.shares_memory(dx, y)
        y += 1
        dx += 1
        same(x, np.ones((1, 1, 2, 2)))


@both_engines
def test_batches_of_any_size_and_backward_twice(engine):
    layer = rows.Pooling(2, 2, engine=engine)
    other = columns.PoolingLayer(1, 4, 4, 2, 0, engine=engine)
    for n in (3, 1):
        x = coded_array(n, 1, 4, 4)
        out = layer.forward(x)
        other.forward(x)
        assert layer.x is x
        for _ in range(2):
            same(layer.backward(out).sum(), out.sum())
            other.backward(out)
            same(other.grad_x, layer.backward(out))


def test_attributes_before_forward_and_defaults():
    layer = rows.Pooling(pool_h=3, pool_w=2)
    assert (layer.pool_h, layer.pool_w, layer.stride, layer.pad) == (3, 2, 2, 0)
    assert (layer.x, layer.arg_max, layer.engine) == (None, None, "im2col")
    layer = columns.PoolingLayer(1, 4, 4, 2, 0)
    assert (layer.max_index, layer.engine) == (None, "im2col")
    assert not hasattr(layer, "y") and not hasattr(layer, "grad_x")


@pytest.mark.parametrize("module", [rows, columns])
def test_native_training_does_not_pay_for_the_notebooks_winners(monkeypatch, module):
    made = []
    real = module.flat_winners
    monkeypatch.setattr(module, "flat_winners", lambda w: made.append(w) or real(w))
    x = coded_array(1, 1, 4, 4)
    if module is rows:
        layer = rows.Pooling(2, 2, engine="native")
        layer.backward(layer.forward(x))
    else:
        layer = columns.PoolingLayer(1, 4, 4, 2, 0, engine="native")
        layer.forward(x)
        layer.backward(layer.y)
    assert not made
    same(layer.arg_max if module is rows else layer.max_index, [3, 3, 3, 3], np.int64)
    assert made


# ---- the steps are the layer ------------------------------------------------


def test_the_last_step_is_the_layers_result():
    x, pads = coded_array(2, 2, 5, 5), 1
    layer = rows.Pooling(3, 2, 2, pads)
    out = layer.forward(x)
    forward = rows.forward_steps(x, 3, 2, 2, pads)
    same(forward.out, out)
    same(forward.arg_max, layer.arg_max)
    same(rows.backward_steps(out, forward.arg_max, x.shape, 3, 2, 2, pads)[-1], layer.backward(out))

    other = columns.PoolingLayer(2, 5, 5, 2, 1)
    other.forward(x)
    other.backward(other.y)
    forward = columns.forward_steps(x, 2, other.y_h, other.y_w, 1)
    same(forward.y, other.y)
    same(forward.max_index, other.max_index)
    backward = columns.backward_steps(other.y, forward.max_index, x.shape, 2, 1)
    same(backward[-1], other.grad_x)


def test_no_step_changes_the_array_of_an_earlier_one():
    """A page that shows dmax full of zeros must not find the gradients in it."""
    out = coded_array(1, 1, 2, 2)
    arg_max = np.array([3, 0, 1, 2])
    assert not rows.backward_steps(out, arg_max, (1, 1, 4, 4), 2, 2, 2, 0).dmax_zeros.any()
    assert not columns.backward_steps(out, arg_max, (1, 1, 4, 4), 2, 0).zeros.any()


# ---- errors -----------------------------------------------------------------

IMAGE = np.zeros((1, 1, 4, 4))


def forwarded(layer):
    layer.forward(IMAGE)
    return layer


@both_engines
@pytest.mark.parametrize(
    ("argument", "error", "call"),
    [
        ("pool_h", PoolError, lambda e: rows.Pooling(0, 2, engine=e)),
        ("pool_w", TypeError, lambda e: rows.Pooling(2, 2.0, engine=e)),
        ("stride", PoolError, lambda e: rows.Pooling(2, 2, 0, engine=e)),
        ("pad", PoolError, lambda e: rows.Pooling(2, 2, 2, -1, engine=e)),
        ("pad", TypeError, lambda e: rows.Pooling(2, 2, 2, "same", engine=e)),
        ("x", PoolError, lambda e: rows.Pooling(2, 2, engine=e).forward(IMAGE[0])),
        ("x", TypeError, lambda e: rows.Pooling(2, 2, engine=e).forward(IMAGE * 1j)),
        ("x", PoolError, lambda e: rows.Pooling(2, 2, engine=e).forward(IMAGE[:, :, :0])),
        ("kernel_size", PoolError, lambda e: rows.Pooling(5, 2, engine=e).forward(IMAGE)),
        ("padding", PoolError, lambda e: rows.Pooling(2, 2, 2, 2, engine=e).forward(IMAGE)),
        ("backward", PoolError, lambda e: rows.Pooling(2, 2, engine=e).backward(IMAGE)),
        ("dout", PoolError, lambda e: forwarded(rows.Pooling(2, 2, engine=e)).backward(IMAGE)),
        ("x_ch", PoolError, lambda e: columns.PoolingLayer(0, 4, 4, 2, 0, engine=e)),
        ("pool", PoolError, lambda e: columns.PoolingLayer(1, 4, 4, 0, 0, engine=e)),
        ("padding", PoolError, lambda e: columns.PoolingLayer(1, 4, 4, 2, 2, engine=e)),
        ("x", PoolError, lambda e: columns.PoolingLayer(1, 4, 5, 2, 0, engine=e).forward(IMAGE)),
        (
            "backward",
            PoolError,
            lambda e: columns.PoolingLayer(1, 4, 4, 2, 0, engine=e).backward(IMAGE),
        ),
        (
            "grad_y",
            PoolError,
            lambda e: forwarded(columns.PoolingLayer(1, 4, 4, 2, 0, engine=e)).backward(IMAGE),
        ),
    ],
)
def test_errors_name_the_argument(argument, error, call, engine):
    with pytest.raises(error, match=f"^{argument}: expected"):
        call(engine)


@pytest.mark.parametrize(
    ("engine", "error"), [("numpy", PoolError), ("", PoolError), (3, TypeError)]
)
def test_unknown_engines(engine, error):
    with pytest.raises(error, match=r"^engine: expected 'im2col' or 'native', got"):
        rows.Pooling(2, 2, engine=engine)
    with pytest.raises(error, match=r"^engine: expected 'im2col' or 'native', got"):
        columns.PoolingLayer(1, 4, 4, 2, 0, engine=engine)
