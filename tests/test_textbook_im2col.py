"""im2col and col2im of both dialects, counted out one element at a time, and as adjoints."""

import numpy as np
import oracle
import pytest

from ndpool import PoolError
from ndpool.textbook import coded_array, columns, rows

DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_]


def same(got, expected, dtype):
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


def random_case(seed):
    """(images, h, w, stride, pad); images of int64."""
    rng = np.random.default_rng(seed)
    n, c, h, w, stride = (int(k) for k in rng.integers(1, 4, 5))
    pad = int(rng.integers(0, 3))
    height, width = int(rng.integers(h, 8)), int(rng.integers(w, 8))
    return rng.integers(-9, 10, (n, c, height, width)), h, w, stride, pad


def by_counting(x, h, w, out_h, out_w, stride, pad, fill=0):
    """(N*OH*OW, C*h*w), one element at a time."""
    n, c, height, width = x.shape
    col = np.full((n * out_h * out_w, c * h * w), fill, x.dtype)
    for image, oh, ow, channel, i, j in np.ndindex(n, out_h, out_w, c, h, w):
        row, column = oh * stride + i - pad, ow * stride + j - pad
        if 0 <= row < height and 0 <= column < width:
            place = (image * out_h + oh) * out_w + ow, (channel * h + i) * w + j
            col[place] = x[image, channel, row, column]
    return col


@pytest.mark.parametrize("seed", range(25))
def test_im2col_by_counting(seed):
    x, h, w, stride, pad = random_case(seed)
    before = x.copy()
    out_h = oracle.out_size(x.shape[2], h, stride, 1, pad, pad, False)
    out_w = oracle.out_size(x.shape[3], w, stride, 1, pad, pad, False)
    expected = by_counting(x, h, w, out_h, out_w, stride, pad)
    same(rows.im2col(x, h, w, stride, pad), expected, np.int64)
    same(columns.im2col(x, h, w, out_h, out_w, stride, pad), expected.T, np.int64)

    expected = by_counting(x, h, w, out_h, out_w, stride, pad, fill=-5)
    same(rows.im2col(x, h, w, stride, pad, fill=-5), expected, np.int64)
    same(columns.im2col(x, h, w, out_h, out_w, stride, pad, fill=-5), expected.T, np.int64)
    same(x, before, np.int64)


@pytest.mark.parametrize(("out_h", "out_w"), [(3, 3), (1, 4), (2, 2)])
def test_columns_im2col_takes_more_or_fewer_windows_than_fit(out_h, out_w):
    x = coded_array(2, 2, 5, 5)
    expected = by_counting(x, 2, 2, out_h, out_w, 2, 0)
    same(columns.im2col(x, 2, 2, out_h, out_w, 2, 0), expected.T, np.int64)


@pytest.mark.parametrize("seed", range(25))
def test_col2im_is_the_adjoint_of_im2col(seed):
    """<im2col(x), c> == <x, col2im(c)>, exactly, in integers."""
    x, h, w, stride, pad = random_case(seed)
    rng = np.random.default_rng(seed)

    col = rows.im2col(x, h, w, stride, pad)
    c = rng.integers(-9, 10, col.shape)
    back = rows.col2im(c, x.shape, h, w, stride, pad)
    assert back.shape == x.shape and back.dtype == np.int64
    assert np.sum(col * c) == np.sum(x * back)

    # windows that reach over the right and the bottom
    out_h, out_w = x.shape[2] // stride + 1, x.shape[3] // stride + 1
    cols = columns.im2col(x, h, w, out_h, out_w, stride, pad)
    c = rng.integers(-9, 10, cols.shape)
    back = columns.col2im(c, x.shape, h, w, out_h, out_w, stride, pad)
    assert back.shape == x.shape and back.dtype == np.int64
    assert np.sum(cols * c) == np.sum(x * back)


def test_col2im_adds_and_leaves_0_where_no_window_looks():
    ones = np.ones((1, 1, 4, 4), np.int32)
    seen = rows.col2im(rows.im2col(ones, 3, 3), ones.shape, 3, 3)
    same(seen[0, 0], [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]], np.int32)
    seen = rows.col2im(rows.im2col(ones, 2, 2, 3), ones.shape, 2, 2, 3)
    same(seen[0, 0], [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.int32)


def test_col2im_sums_float16_in_float32():
    """2048 + 1 + 1 is 2050, but stays 2048 where each sum is rounded to float16."""
    col = np.array([[0, 0, 1], [0, 1, 0], [2048, 0, 0]], np.float16)
    same(rows.col2im(col, (1, 1, 1, 5), 1, 3), [[[[0, 0, 2050, 0, 0]]]], np.float16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_keep_the_dtype(dtype):
    x = np.array([[[[1, 0, 1], [0, 1, 1]]]]).astype(dtype)
    same(rows.im2col(x, 2, 2), [[1, 0, 0, 1], [0, 1, 1, 1]], dtype)
    same(columns.im2col(x, 2, 2, 1, 2, 1, 0), [[1, 0], [0, 1], [0, 1], [1, 1]], dtype)
    cells = np.array([[1], [0], [1], [0], [1], [1]]).astype(dtype)
    same(rows.col2im(cells, x.shape, 1, 1), x, dtype)
    same(columns.col2im(cells.T, x.shape, 1, 1, 2, 3, 1, 0), x, dtype)


def test_a_window_of_padding_alone_is_no_error_here():
    col = rows.im2col(np.full((1, 1, 1, 1), 7), 1, 1, pad=1)
    same(col[:, 0], [0, 0, 0, 0, 7, 0, 0, 0, 0], np.int64)


def test_an_empty_batch():
    x = np.zeros((0, 2, 4, 5), np.float32)
    same(rows.im2col(x, 2, 2, 2), np.zeros((0, 8)), np.float32)
    same(rows.col2im(np.zeros((0, 8), np.float32), x.shape, 2, 2, 2), x, np.float32)
    same(columns.im2col(x, 2, 2, 2, 3, 2, 0), np.zeros((8, 0)), np.float32)
    empty = np.zeros((8, 0), np.float32)
    same(columns.col2im(empty, x.shape, 2, 2, 2, 3, 2, 0), x, np.float32)


def test_results_are_new_arrays():
    x = np.zeros((1, 1, 1, 3))
    for col in (rows.im2col(x, 1, 1), columns.im2col(x, 1, 1, 1, 3, 1, 0)):
        col += 1
    col = np.zeros((3, 1))
    rows.col2im(col, x.shape, 1, 1)[...] = 1
    columns.col2im(col.T, x.shape, 1, 1, 1, 3, 1, 0)[...] = 1
    same(x, np.zeros((1, 1, 1, 3)), np.float64)
    same(col, np.zeros((3, 1)), np.float64)


def test_any_layout_and_numpy_integers():
    x = coded_array(2, 3, 5, 6)
    expected = rows.im2col(x, 2, 3, 2, 1)
    strided = np.zeros((2, 3, 10, 12), np.int64)[:, :, ::2, ::-2]
    strided[...] = x
    for other in (np.asfortranarray(x), strided, x.tolist()):
        same(rows.im2col(other, 2, 3, 2, 1), expected, np.int64)
    two, three, one = np.uint8(2), np.int64(3), np.int32(1)
    same(rows.im2col(x, two, three, two, one), expected, np.int64)
    c = np.asfortranarray(expected)
    same(rows.col2im(c, x.shape, 2, 3, 2, 1), rows.col2im(expected, x.shape, 2, 3, 2, 1), np.int64)


def test_the_books_argument_order():
    x = coded_array(1, 1, 5, 5)
    same(rows.im2col(x, 3, 2, 2, 1), rows.im2col(x, h=3, w=2, stride=2, pad=1), np.int64)
    same(
        columns.im2col(x, 3, 2, 3, 4, 2, 1),
        columns.im2col(x, flt_h=3, flt_w=2, out_h=3, out_w=4, stride=2, pad=1),
        np.int64,
    )


IMAGE = np.zeros((1, 1, 4, 4))


@pytest.mark.parametrize(
    ("argument", "error", "call"),
    [
        ("x", PoolError, lambda: rows.im2col(IMAGE[0], 2, 2)),
        ("x", TypeError, lambda: rows.im2col(IMAGE.astype(complex), 2, 2)),
        ("h", PoolError, lambda: rows.im2col(IMAGE, 5, 2)),
        ("w", PoolError, lambda: rows.im2col(IMAGE, 2, 7, pad=1)),
        ("h", PoolError, lambda: rows.im2col(IMAGE, 0, 2)),
        ("w", TypeError, lambda: rows.im2col(IMAGE, 2, 2.0)),
        ("stride", PoolError, lambda: rows.im2col(IMAGE, 2, 2, 0)),
        ("stride", TypeError, lambda: rows.im2col(IMAGE, 2, 2, True)),
        ("pad", PoolError, lambda: rows.im2col(IMAGE, 2, 2, 1, -1)),
        ("pad", TypeError, lambda: rows.im2col(IMAGE, 2, 2, 1, "same")),
        ("col", PoolError, lambda: rows.col2im(np.zeros((4, 4)), (1, 1, 4, 4), 2, 2)),
        ("x_shape", PoolError, lambda: rows.col2im(np.zeros((9, 4)), (4, 4), 2, 2)),
        ("x_shape", PoolError, lambda: rows.col2im(np.zeros((9, 4)), (1, -1, 4, 4), 2, 2)),
        ("images", PoolError, lambda: columns.im2col(IMAGE[0], 2, 2, 2, 2, 2, 0)),
        ("flt_h", PoolError, lambda: columns.im2col(IMAGE, 0, 2, 2, 2, 2, 0)),
        ("out_w", PoolError, lambda: columns.im2col(IMAGE, 2, 2, 2, 0, 2, 0)),
        ("pad", PoolError, lambda: columns.im2col(IMAGE, 2, 2, 2, 2, 2, -1)),
        ("cols", PoolError, lambda: columns.col2im(IMAGE[0, 0].T, IMAGE.shape, 2, 2, 3, 3, 1, 0)),
        ("img_shape", PoolError, lambda: columns.col2im(IMAGE[0, 0], 4, 2, 2, 2, 2, 2, 0)),
    ],
)
def test_errors_name_the_argument(argument, error, call):
    with pytest.raises(error, match=f"^{argument}: expected"):
        call()
