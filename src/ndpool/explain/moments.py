"""The hard moments of pooling by name: a small configuration each, and what goes wrong beside it.

The configurations stand in ``moments.json`` and their words in ``words/``, which the page reads
too. Here are the arrays that one sees: the right ones from the trace, the wrong ones made on
purpose the way they are made by mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..errors import PoolError, shown
from ..pool import max_pool
from ..textbook import rows
from ..textbook.windows import Windows, add, crop, cut, pad
from .steps import Array, Index
from .trace import Trace, explain


@dataclass(frozen=True, eq=False)
class Exhibit:
    """An array of a moment. `caption` is the key of its words; `marked` cells are winners of a
    right array, and what is not as it should be in a wrong one."""

    caption: str
    symbol: str
    array: Array
    marked: Array | None = None
    wrong: bool = False


def names() -> tuple[str, ...]:
    """In the order in which they are best read.

    >>> names()
    ('overlap', 'transpose', 'padding', 'unseen', 'ceil', 'ties', 'nan')
    """
    return tuple(_configurations())


def trace(name: str, *, dialect: str = "rows", lang: str = "en") -> Trace:
    """The trace of a moment; PoolError for a name that is none."""
    if name not in _configurations():
        raise PoolError("moment", f"one of {', '.join(names())}", shown(name))
    words = dict(_configurations()[name])
    given = words.pop("x")
    del words["pin"]
    x: Any = tuple(given["shape"]) if "shape" in given else np.array(given["data"], given["dtype"])
    return explain(x, name=name, dialect=dialect, lang=lang, **words)


def pin(name: str) -> tuple[str, Index]:
    """The cell that is worth a sentence: its step's name and where it is.

    >>> pin("overlap")
    ('dx', (0, 0, 1, 1))
    """
    cell = _configurations()[name]["pin"]
    return cell["step"], tuple(cell["index"])


def exhibits(name: str) -> tuple[Exhibit, ...]:
    """The arrays of a moment, in the order in which they are looked at.

    >>> [exhibit.caption for exhibit in exhibits("overlap")]
    ['x', 'coverage', 'right', 'wrong']
    """
    return _EXHIBITS[name](trace(name))


@cache
def _configurations() -> dict[str, dict[str, Any]]:
    text = files("ndpool.explain").joinpath("moments.json").read_text("utf-8")
    return {found.pop("name"): found for found in json.loads(text)}


def _overlap(trace: Trace) -> tuple[Exhibit, ...]:
    windows, x = trace.part.windows, trace["x"].array
    dcol = rows.from_rows(trace["dcol"].array, 1, 1, windows)
    overwritten = crop(_overwrite(dcol, x.shape, windows), x.shape, windows)
    return (
        Exhibit("x", "x", x, trace.winners["x"]),
        Exhibit("coverage", "", _coverage(x, windows)),
        Exhibit("right", "dx", trace.dx, trace.winners["dx"]),
        Exhibit("wrong", "dx", overwritten, overwritten != trace.dx, wrong=True),
    )


def _transpose(trace: Trace) -> tuple[Exhibit, ...]:
    # (N*OH*OW*C,) taken for (N*C*OH*OW,)
    naive = trace["max"].array.reshape(trace.out.shape)
    return (
        Exhibit("highest", "highest", trace["max"].array),
        Exhibit("right", "out", trace.out),
        Exhibit("wrong", "out", naive, naive != trace.out, wrong=True),
    )


def _padding(trace: Trace) -> tuple[Exhibit, ...]:
    x, windows = trace["x"].array, trace.part.windows
    zeros = pad(x, windows, 0)
    pools = rows.to_rows(zeros, windows)  # one image, one channel: a row is a pool
    places = np.argmax(pools, axis=1)
    out = pools[np.arange(len(pools)), places].reshape(trace.out.shape)
    dx = rows.backward_over(trace["dout"].array, places, x.shape, windows).dx
    return (
        Exhibit("x", "x", x),
        Exhibit("dout", "dout", trace["dout"].array),
        Exhibit("right_out", "out", trace.out),
        Exhibit("wrong_out", "out", out, out != trace.out, wrong=True),
        Exhibit("right", "dx", trace.dx, trace.winners["dx"]),
        Exhibit("wrong", "dx", dx, dx != trace.dx, wrong=True),
    )


def _unseen(trace: Trace) -> tuple[Exhibit, ...]:
    x, windows = trace["x"].array, trace.part.windows
    rounded_up = explain(tuple(x.shape), 2, ceil_mode=True)
    return (
        Exhibit("x", "x", x, trace.winners["x"]),
        Exhibit("coverage", "", _coverage(x, windows)),
        Exhibit("dx", "dx", trace.dx, trace.winners["dx"]),
        Exhibit("remedy", "", _coverage(x, rounded_up.part.windows)),
    )


def _ceil(trace: Trace) -> tuple[Exhibit, ...]:
    x = trace["x"].array
    return (
        Exhibit("x", "x", x, trace.winners["x"]),
        Exhibit("floor", "out", max_pool(x, 2)),
        Exhibit("ceil", "out", trace.out),
        Exhibit("sizes", "", cells_of_windows(trace)),
        Exhibit("dx", "dx", trace.dx, trace.winners["dx"]),
    )


def _ties(trace: Trace) -> tuple[Exhibit, ...]:
    x = trace["x"].array
    # Every cell that equals its output, by comparing: (N, C, OH, OW) -> (N, C, H, W)
    spread = trace.out.repeat(2, axis=2).repeat(2, axis=3)
    dx = np.where(x == spread, trace["dout"].array.repeat(2, axis=2).repeat(2, axis=3), 0)
    return (
        Exhibit("x", "x", x, trace.winners["x"]),
        Exhibit("dout", "dout", trace["dout"].array),
        Exhibit("right", "dx", trace.dx, trace.winners["dx"]),
        Exhibit("wrong", "dx", dx, dx != trace.dx, wrong=True),
    )


def _nan(trace: Trace) -> tuple[Exhibit, ...]:
    x = trace["x"].array
    out = np.array([_by_greater(pool) for pool in trace["reshape"].array]).reshape(trace.out.shape)
    lost = np.isnan(trace.out) & ~np.isnan(out)
    return (
        Exhibit("x", "x", x, trace.winners["x"]),
        Exhibit("right", "out", trace.out),
        Exhibit("wrong", "out", out, lost, wrong=True),
        Exhibit("dx", "dx", trace.dx, trace.winners["dx"]),
    )


_EXHIBITS: dict[str, Callable[[Trace], tuple[Exhibit, ...]]] = {
    "overlap": _overlap,
    "transpose": _transpose,
    "padding": _padding,
    "unseen": _unseen,
    "ceil": _ceil,
    "ties": _ties,
    "nan": _nan,
}


def cells_of_windows(trace: Trace) -> Array:
    """(N, C, OH, OW): how many cells of the input each window holds."""
    links = next(link for link in trace["max"].links if link.role == "choice")
    # (N*OH*OW*C,) -> (N, OH, OW, C) -> (N, C, OH, OW)
    counts = np.diff(links.starts).reshape(trace["out_t"].shape)
    return counts.transpose(0, 3, 1, 2)


def _coverage(x: Array, windows: Windows) -> Array:
    """How many windows hold each cell of x: what col2im makes of ones."""
    ones = np.ones_like(cut(pad(x, windows), windows), np.int64)
    return crop(add(ones, x.shape, windows), x.shape, windows)


def _overwrite(cells: Array, image_shape: tuple[int, ...], windows: Windows) -> Array:
    """`add` as it is often written by mistake, with = for +=."""
    n, c, height, width = image_shape
    padded = np.zeros((n, c, *windows.padded((height, width))), cells.dtype)
    h, w = windows.kernel
    for i in range(h):
        for j in range(w):
            down, across = windows.places(i, j)
            padded[:, :, down, across] = cells[:, :, i, j]
    return padded


def _by_greater(pool: Array) -> Any:
    """The highest as it is often found by mistake: no NaN is greater than anything."""
    best = pool[0]
    for value in pool[1:]:
        if value > best:
            best = value
    return best
