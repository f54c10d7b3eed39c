"""The first notebook's steps: those of `ndpool.textbook.rows`, running."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...textbook import rows
from ...textbook.windows import Windows, crop, pad
from ..links import NOWHERE, compared, gathered, moved, numbers, single
from ..steps import Array
from .draft import Draft


def drafts(x: Array, send: Callable[[Array], Array], windows: Windows) -> dict[str, Draft]:
    """Every step by its name; x (N, C, H, W), `send` makes dout of out."""
    n, c, _, _ = x.shape
    forward = rows.forward_over(x, windows)
    dout = send(forward.out)
    back = rows.backward_over(dout, forward.arg_max, x.shape, windows)

    # (N, C, HP, WP), and as the matrices have it: (N*OH*OW, C*h*w), (N*OH*OW*C, h*w)
    in_padding = pad(np.zeros(x.shape, bool), windows, True)
    col_padding = rows.to_rows(in_padding, windows)
    pool_padding = col_padding.reshape(forward.pools.shape)

    padded, col, pools = forward.x_padded.shape, forward.col.shape, forward.pools.shape
    window = numbers(forward.arg_max.shape)
    # The order in which col2im adds: cell (i, j) of all windows, then the next (i, j).
    order = rows.from_rows(numbers(col), n, c, windows).transpose(2, 3, 0, 1, 4, 5).reshape(-1)
    targets = rows.to_rows(numbers(padded), windows).reshape(-1)

    return {
        "x": Draft(x),
        "pad": Draft(
            forward.x_padded,
            (moved("x", x.shape, lambda cells: pad(cells, windows, NOWHERE)),),
            in_padding,
        ),
        "im2col": Draft(
            forward.col,
            (moved("pad", padded, lambda cells: rows.to_rows(cells, windows)),),
            col_padding,
        ),
        "reshape": Draft(
            forward.pools, (single("value", "im2col", numbers(col), col),), pool_padding
        ),
        "argmax": Draft(forward.arg_max, (compared("reshape", pool_padding, pools),)),
        "max": Draft(
            forward.highest,
            (
                single("value", "reshape", window * pools[1] + forward.arg_max, pools),
                compared("reshape", pool_padding, pools),
            ),
        ),
        "out_t": Draft(forward.out_t, (single("value", "max", window, window.shape),)),
        "out": Draft(
            forward.out,
            (moved("out_t", forward.out_t.shape, lambda cells: cells.transpose(0, 3, 1, 2)),),
        ),
        "dout": Draft(dout),
        "transpose": Draft(
            back.dout_t, (moved("dout", dout.shape, lambda cells: cells.transpose(0, 2, 3, 1)),)
        ),
        "zeros": Draft(back.dmax_zeros, (), pool_padding),
        "fill": Draft(
            back.dmax,
            (
                single(
                    "value",
                    "transpose",
                    rows.spread(np.full(pools, NOWHERE), forward.arg_max, window),
                    back.dout_t.shape,
                ),
                single(
                    "choice", "argmax", np.broadcast_to(window[:, np.newaxis], pools), window.shape
                ),
            ),
            pool_padding,
        ),
        "reshape_5d": Draft(
            back.dmax_5d,
            (single("value", "fill", numbers(pools), pools),),
            pool_padding.reshape(back.dmax_5d.shape),
        ),
        "dcol": Draft(
            back.dcol,
            (single("value", "reshape_5d", numbers(col), back.dmax_5d.shape),),
            col_padding,
        ),
        "col2im": Draft(
            back.dx_padded,
            (gathered("dcol", targets[order], order, forward.x_padded.size, col),),
            in_padding,
        ),
        "dx": Draft(
            back.dx, (moved("col2im", padded, lambda cells: crop(cells, x.shape, windows)),)
        ),
    }
