"""The three ways to write pooling down; each makes the `Draft` of every step by its name.

The names, in order, with what is the same for all data, stand in ``dialects.json``, which the page
reads too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ...textbook.windows import Windows
from ..steps import Array, Step
from . import columns, direct, rows
from .draft import Draft

Send = Callable[[Array], Array]  # out -> dout
DIALECTS: dict[str, Callable[[Array, Send, Windows], dict[str, Draft]]] = {
    "rows": rows.drafts,
    "columns": columns.drafts,
    "direct": direct.drafts,
}


@cache
def layout() -> dict[str, list[dict[str, Any]]]:
    """What ``dialects.json`` says: for each dialect its steps, in order."""
    text = files("ndpool.explain").joinpath("dialects.json").read_text("utf-8")
    layout: dict[str, list[dict[str, Any]]] = json.loads(text)
    return layout


def steps(dialect: str, x: Array, send: Send, windows: Windows) -> tuple[Step, ...]:
    """Every step of pooling x (N, C, H, W) and of sending back ``send(out)``."""
    drafts = DIALECTS[dialect](x, send, windows)
    return tuple(
        Step(
            name=known["name"],
            symbol=known["symbol"],
            phase=known["phase"],
            line=known["line"],
            axes=tuple(known["axes"]),
            shape_before=drafts[known["parent"]].array.shape if known["parent"] else None,
            array=_read_only(drafts[known["name"]].array),
            padding=_padding(drafts[known["name"]].padding),
            links=drafts[known["name"]].links,
        )
        for known in layout()[dialect]
    )


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _padding(padding: Array | None) -> Array | None:
    return None if padding is None or not np.any(padding) else _read_only(padding)
