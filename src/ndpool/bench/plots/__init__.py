"""Results as pictures: each a function from the results to a figure, None without its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import MissingExtra
from ..results import Results
from .limit import against_the_copy
from .look import can_draw, styled
from .ratios import against_peers
from .window import by_window

__all__ = ["PLOTS", "can_draw", "draw"]

PLOTS: dict[str, tuple[Callable[[Results], Any], str]] = {
    "ratios": (
        against_peers,
        "Time of each peer over ndpool's, case by case: right of the line ndpool is faster. The "
        "leftmost mark is the best peer.",
    ),
    "copy": (
        against_the_copy,
        "Time against the bytes that have to be moved. The line is a copy of as many bytes: the "
        "limit.",
    ),
    "window": (
        by_window,
        "Cost against the size of the window, stride 1, over 64 planes of 128x128 float32.",
    ),
}


def draw(results: Results, folder: Path) -> dict[str, str]:
    """Write `benchmark-NAME.png` for each picture that has rows: file name -> what it shows.

    Raises MissingExtra without matplotlib.
    """
    if not can_draw():
        raise MissingExtra("pictures need matplotlib", "bench")
    written = {}
    for name, (make, caption) in PLOTS.items():
        with styled():
            figure = make(results)
            if figure is not None:
                file = f"benchmark-{name}.png"
                figure.savefig(folder / file, dpi=150)
                written[file] = caption
    return written
