"""ndpool's own steps: no matrix, only windows, their winners, and the way back to each."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...dtypes import lowest
from ...pool import max_pool, max_pool_backward
from ...textbook.windows import Windows, cut, pad
from ..links import NOWHERE, compared, gathered, moved, numbers, single
from ..steps import Array
from .draft import Draft


def drafts(x: Array, send: Callable[[Array], Array], windows: Windows) -> dict[str, Draft]:
    """Every step by its name; x (N, C, H, W), `send` makes dout of out."""
    words: dict[str, Any] = {
        "kernel_size": windows.kernel,
        "stride": windows.stride,
        "padding": _reach(windows, x.shape[2:]),
        "dilation": windows.dilation,
        "axes": (2, 3),
    }
    out, winners = max_pool(x, return_indices=True, **words)
    dout = send(out)
    dx = max_pool_backward(dout, winners, x.shape, **words)

    cells = prod(windows.kernel)
    window = numbers(out.shape)
    values = _by_window(x, windows, lowest(x.dtype))
    # (N, C, OH, OW, h, w): the cell of x that each stands for
    places = _by_window(numbers(x.shape), windows, NOWHERE)
    in_padding = places == NOWHERE
    # (windows, h*w): the number of the window in its winner's place
    spread = np.full((window.size, cells), NOWHERE)
    spread[window.reshape(-1), winners.reshape(-1)] = window.reshape(-1)
    routes = np.zeros(spread.shape, dout.dtype)
    routes[window.reshape(-1), winners.reshape(-1)] = dout.reshape(-1)
    inside = np.flatnonzero(~in_padding)
    shape = values.shape
    choices = compared("windows", in_padding.reshape(-1, cells), shape)

    return {
        "x": Draft(x),
        "windows": Draft(
            values,
            (moved("x", x.shape, lambda cells: _by_window(cells, windows, NOWHERE)),),
            in_padding,
        ),
        "winners": Draft(winners, (choices,)),
        "out": Draft(out, (single("value", "windows", window * cells + winners, shape), choices)),
        "dout": Draft(dout),
        "routes": Draft(
            routes.reshape(shape),
            (
                single("value", "dout", spread, out.shape),
                single(
                    "choice",
                    "winners",
                    np.broadcast_to(window.reshape(-1, 1), spread.shape),
                    out.shape,
                ),
            ),
            in_padding,
        ),
        "dx": Draft(dx, (gathered("routes", places.reshape(-1)[inside], inside, x.size, shape),)),
    }


def _by_window(x: Array, windows: Windows, fill: object) -> Array:
    """(N, C, H, W) -> (N, C, OH, OW, h, w)."""
    # (N, C, h, w, OH, OW) -> (N, C, OH, OW, h, w)
    return cut(pad(x, windows, fill), windows).transpose(0, 1, 4, 5, 2, 3)


def _reach(windows: Windows, size: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(before, after) along both axes, as far as the windows reach and no further."""
    return tuple(
        (before, max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - before - n))
        for n, kernel, out, stride, before, _, dilation in zip(size, *windows, strict=True)
    )
