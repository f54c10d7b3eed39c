"""The two notebooks' pooling layers, as readable as on paper, and the arrays they are taught with.

Two dialects of one idea: im2col writes every window of an image into a matrix, so that a layer is
a few lines of matrix arithmetic; col2im is its adjoint and adds every window back.

========== ========================= ============================== ========================
module     the matrix                its layer                      remembers
========== ========================= ============================== ========================
rows       a window position a row,  ``Pooling(pool_h, pool_w,``    ``x``, ``arg_max``
           (N*OH*OW, C*h*w)          ``stride=2, pad=0)``
columns    a window position a       ``PoolingLayer(x_ch, x_h,``    ``y``, ``max_index``,
           column, the transpose     ``x_w, pool, pad)``            ``grad_x``
========== ========================= ============================== ========================

Both layers can stand in for the notebooks' classes in code that already trains with them, and
take ``engine="native"`` for the same results from `ndpool.max_pool`. `coded_array` makes images
whose cells tell where they came from.

>>> from ndpool.textbook import coded_array, columns, rows
>>> x = coded_array(2, 2, 4, 5)
>>> rows.im2col(x, 2, 2, stride=2)[0]
array([1111, 1112, 1121, 1122, 1211, 1212, 1221, 1222])
>>> columns.im2col(x, 2, 2, 2, 2, stride=2, pad=0)[:, 0]
array([1111, 1112, 1121, 1122, 1211, 1212, 1221, 1222])
>>> rows.Pooling(2, 2).forward(x)[0, 0]
array([[1122, 1124],
       [1142, 1144]])
"""

from . import columns, rows
from .coded import coded_array, init_sample_matrix

__all__ = ["coded_array", "columns", "init_sample_matrix", "rows"]
