"""Every array that the first notebook prints, copied from its output, against the rows layer.

Where the notebook prints 1122. for a whole-number input, ndpool keeps the input's dtype: so the
values are compared for int64 and for float64 input, and the dtype with what went in.
"""

import ast
import re

import numpy as np
import pytest

from ndpool.textbook import coded_array, init_sample_matrix
from ndpool.textbook.rows import Pooling, backward_steps, col2im, forward_steps, spread


def printed(text):
    """The array that NumPy printed as `text`."""
    with_commas = re.sub(r"(?<=[\d.\]])\s+(?=[\d\[])", ", ", text.strip())
    return np.array(ast.literal_eval(with_commas))


X = printed("""
[[[[1111 1112 1113 1114 1115]
   [1121 1122 1123 1124 1125]
   [1131 1132 1133 1134 1135]
   [1141 1142 1143 1144 1145]]

  [[1211 1212 1213 1214 1215]
   [1221 1222 1223 1224 1225]
   [1231 1232 1233 1234 1235]
   [1241 1242 1243 1244 1245]]]


 [[[2111 2112 2113 2114 2115]
   [2121 2122 2123 2124 2125]
   [2131 2132 2133 2134 2135]
   [2141 2142 2143 2144 2145]]

  [[2211 2212 2213 2214 2215]
   [2221 2222 2223 2224 2225]
   [2231 2232 2233 2234 2235]
   [2241 2242 2243 2244 2245]]]]
""")

OUT = printed("""
[[[[1122. 1124.]
   [1142. 1144.]]

  [[1222. 1224.]
   [1242. 1244.]]]


 [[[2122. 2124.]
   [2142. 2144.]]

  [[2222. 2224.]
   [2242. 2244.]]]]
""")

DOUT_TRANSPOSED = printed("""
[[[[1122. 1222.]
   [1124. 1224.]]

  [[1142. 1242.]
   [1144. 1244.]]]


 [[[2122. 2222.]
   [2124. 2224.]]

  [[2142. 2242.]
   [2144. 2244.]]]]
""")

ARG_MAX = printed("[3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3]")

DMAX_BEFORE = printed("""
[[0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]
 [0. 0. 0. 0.]]
""")

DMAX = printed("""
[[   0.    0.    0. 1122.]
 [   0.    0.    0. 1222.]
 [   0.    0.    0. 1124.]
 [   0.    0.    0. 1224.]
 [   0.    0.    0. 1142.]
 [   0.    0.    0. 1242.]
 [   0.    0.    0. 1144.]
 [   0.    0.    0. 1244.]
 [   0.    0.    0. 2122.]
 [   0.    0.    0. 2222.]
 [   0.    0.    0. 2124.]
 [   0.    0.    0. 2224.]
 [   0.    0.    0. 2142.]
 [   0.    0.    0. 2242.]
 [   0.    0.    0. 2144.]
 [   0.    0.    0. 2244.]]
""")

DMAX_5D = printed("""
[[[[[   0.    0.    0. 1122.]
    [   0.    0.    0. 1222.]]

   [[   0.    0.    0. 1124.]
    [   0.    0.    0. 1224.]]]


  [[[   0.    0.    0. 1142.]
    [   0.    0.    0. 1242.]]

   [[   0.    0.    0. 1144.]
    [   0.    0.    0. 1244.]]]]



 [[[[   0.    0.    0. 2122.]
    [   0.    0.    0. 2222.]]

   [[   0.    0.    0. 2124.]
    [   0.    0.    0. 2224.]]]


  [[[   0.    0.    0. 2142.]
    [   0.    0.    0. 2242.]]

   [[   0.    0.    0. 2144.]
    [   0.    0.    0. 2244.]]]]]
""")

DCOL = printed("""
[[   0.    0.    0. 1122.    0.    0.    0. 1222.]
 [   0.    0.    0. 1124.    0.    0.    0. 1224.]
 [   0.    0.    0. 1142.    0.    0.    0. 1242.]
 [   0.    0.    0. 1144.    0.    0.    0. 1244.]
 [   0.    0.    0. 2122.    0.    0.    0. 2222.]
 [   0.    0.    0. 2124.    0.    0.    0. 2224.]
 [   0.    0.    0. 2142.    0.    0.    0. 2242.]
 [   0.    0.    0. 2144.    0.    0.    0. 2244.]]
""")

DX = printed("""
[[[[   0.    0.    0.    0.    0.]
   [   0. 1122.    0. 1124.    0.]
   [   0.    0.    0.    0.    0.]
   [   0. 1142.    0. 1144.    0.]]

  [[   0.    0.    0.    0.    0.]
   [   0. 1222.    0. 1224.    0.]
   [   0.    0.    0.    0.    0.]
   [   0. 1242.    0. 1244.    0.]]]


 [[[   0.    0.    0.    0.    0.]
   [   0. 2122.    0. 2124.    0.]
   [   0.    0.    0.    0.    0.]
   [   0. 2142.    0. 2144.    0.]]

  [[   0.    0.    0.    0.    0.]
   [   0. 2222.    0. 2224.    0.]
   [   0.    0.    0.    0.    0.]
   [   0. 2242.    0. 2244.    0.]]]]
""")


def same(got, expected, dtype):
    assert got.shape == expected.shape
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


@pytest.fixture(params=[np.int64, np.float64])
def x(request):
    return coded_array(2, 2, 4, 5).astype(request.param)


def test_input():
    same(coded_array(2, 2, 4, 5), X, np.int64)


@pytest.mark.parametrize("image", [1, 2])
@pytest.mark.parametrize("channel", [1, 2])
def test_notebook_helper(image, channel):
    matrix = init_sample_matrix(filter_num=image, channel=channel, height=4, width=5)
    same(matrix, X[image - 1, channel - 1], np.int64)


def test_the_notebook_assembles_its_input_from_the_helper():
    x11, x12, x21, x22 = (
        init_sample_matrix(filter_num=n, channel=c, height=4, width=5)
        for n in (1, 2)
        for c in (1, 2)
    )
    same(np.array([[x11, x12], [x21, x22]]), X, np.int64)


@pytest.mark.parametrize("engine", ["im2col", "native"])
def test_layer(x, engine):
    pool = Pooling(2, 2, engine=engine)
    out = pool.forward(x)
    same(out, OUT, x.dtype)
    same(pool.arg_max, ARG_MAX, np.int64)
    same(pool.backward(out), DX, x.dtype)
    assert pool.x is x


def test_forward_steps(x):
    steps = forward_steps(x, 2, 2, 2, 0)
    same(steps.arg_max, ARG_MAX, np.int64)
    same(steps.out_t, DOUT_TRANSPOSED, x.dtype)
    same(steps.out, OUT, x.dtype)


def test_backward_steps(x):
    steps = backward_steps(OUT.astype(x.dtype), ARG_MAX, X.shape, 2, 2, 2, 0)
    same(steps.dout_t, DOUT_TRANSPOSED, x.dtype)
    same(steps.dmax_zeros, DMAX_BEFORE, x.dtype)
    same(steps.dmax, DMAX, x.dtype)
    same(steps.dmax_5d, DMAX_5D, x.dtype)
    same(steps.dcol, DCOL, x.dtype)
    same(steps.dx, DX, x.dtype)


def test_each_part_from_the_printed_array_before_it():
    same(spread(DMAX_BEFORE, ARG_MAX, DOUT_TRANSPOSED), DMAX, np.float64)
    same(col2im(DCOL, X.shape, 2, 2, 2, 0), DX, np.float64)


def test_the_notebooks_own_lines_run_on_the_layer(x):
    """The step-by-step cells, line by line, with the layer's attributes as they use them."""
    pool = Pooling(2, 2)
    dout = pool.forward(x)
    dout = dout.transpose(0, 2, 3, 1)
    same(dout, DOUT_TRANSPOSED, x.dtype)
    pool_size = pool.pool_h * pool.pool_w
    dmax = np.zeros((dout.size, pool_size))
    same(dmax, DMAX_BEFORE, np.float64)
    dmax[np.arange(pool.arg_max.size), pool.arg_max.flatten()] = dout.flatten()
    same(dmax, DMAX, np.float64)
    dmax = dmax.reshape((*dout.shape, pool_size))
    same(dmax, DMAX_5D, np.float64)
    dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
    same(dcol, DCOL, np.float64)
    dx = col2im(dcol, pool.x.shape, pool.pool_h, pool.pool_w, pool.stride, pool.pad)
    same(dx, DX, np.float64)
