"""The second notebook's steps: those of `ndpool.textbook.columns`, running."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...textbook import columns
from ...textbook.windows import Windows, crop, pad
from ..links import NOWHERE, compared, gathered, moved, numbers, single
from ..steps import Array
from .draft import Draft


def drafts(x: Array, send: Callable[[Array], Array], windows: Windows) -> dict[str, Draft]:
    """Every step by its name; x (N, C, H, W), `send` makes dout of out."""
    n, c, _, _ = x.shape
    forward = columns.forward_over(x, windows)
    grad_y = send(forward.y)
    back = columns.backward_over(grad_y, forward.max_index, x.shape, windows)

    padded, cols, pools = forward.x_padded.shape, forward.cols.shape, forward.pools.shape
    six_d, six_d_t = back.grad_pools_6d.shape, back.grad_cols_6d.shape
    # (N, C, HP, WP), and as the matrices have it: (C*h*w, N*OH*OW), (N*OH*OW*C, h*w), transposed
    in_padding = pad(np.zeros(x.shape, bool), windows, True)
    cols_padding = columns.to_columns(in_padding, windows)
    pool_padding = cols_padding.T.reshape(pools)
    grad_padding = pool_padding.T

    window = numbers(forward.max_index.shape)
    grad_pools = back.grad_pools.shape
    # The order in which col2im adds: cell (i, j) of all windows, then the next (i, j).
    order = columns.from_columns(numbers(cols), n, c, windows)
    order = order.transpose(2, 3, 0, 1, 4, 5).reshape(-1)
    targets = columns.to_columns(numbers(padded), windows).reshape(-1)

    return {
        "x": Draft(x),
        "pad": Draft(
            forward.x_padded,
            (moved("x", x.shape, lambda cells: pad(cells, windows, NOWHERE)),),
            in_padding,
        ),
        "im2col": Draft(
            forward.cols,
            (moved("pad", padded, lambda cells: columns.to_columns(cells, windows)),),
            cols_padding,
        ),
        "reshape": Draft(
            forward.pools,
            (moved("im2col", cols, lambda cells: cells.T.reshape(pools)),),
            pool_padding,
        ),
        "argmax": Draft(forward.max_index, (compared("reshape", pool_padding, pools),)),
        "max": Draft(
            forward.highest,
            (
                single("value", "reshape", window * pools[1] + forward.max_index, pools),
                compared("reshape", pool_padding, pools),
            ),
        ),
        "out_t": Draft(forward.y_t, (single("value", "max", window, window.shape),)),
        "out": Draft(
            forward.y,
            (moved("out_t", forward.y_t.shape, lambda cells: cells.transpose(0, 3, 1, 2)),),
        ),
        "dout": Draft(grad_y),
        "transpose": Draft(
            back.grad_y_t,
            (moved("dout", grad_y.shape, lambda cells: cells.transpose(0, 2, 3, 1)),),
        ),
        "zeros": Draft(back.zeros, (), grad_padding),
        "fill": Draft(
            back.grad_pools,
            (
                single(
                    "value",
                    "transpose",
                    columns.spread(np.full(grad_pools, NOWHERE), forward.max_index, window),
                    back.grad_y_t.shape,
                ),
                single("choice", "argmax", np.broadcast_to(window, grad_pools), window.shape),
            ),
            grad_padding,
        ),
        "reshape_6d": Draft(
            back.grad_pools_6d,
            (single("value", "fill", numbers(grad_pools), grad_pools),),
            grad_padding.reshape(six_d),
        ),
        "transpose_6d": Draft(
            back.grad_cols_6d,
            (moved("reshape_6d", six_d, lambda cells: cells.transpose(5, 0, 1, 2, 3, 4)),),
            grad_padding.reshape(six_d).transpose(5, 0, 1, 2, 3, 4),
        ),
        "dcol": Draft(
            back.grad_cols,
            (single("value", "transpose_6d", numbers(cols), six_d_t),),
            cols_padding,
        ),
        "col2im": Draft(
            back.grad_x_padded,
            (gathered("dcol", targets[order], order, forward.x_padded.size, cols),),
            in_padding,
        ),
        "dx": Draft(
            back.grad_x, (moved("col2im", padded, lambda cells: crop(cells, x.shape, windows)),)
        ),
    }
