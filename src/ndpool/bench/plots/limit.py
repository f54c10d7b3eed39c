"""Time against bytes: how near every case comes to a copy of as many."""

from __future__ import annotations

from typing import Any

from ..case import TASKS
from ..random_cases import DRAWN
from ..results import COPY, OURS, Results, Row
from .look import legend, new_figure, plain


def against_the_copy(results: Results) -> Any:
    """Every case a point, the sweep over sizes a line; a panel for each task. None without rows."""
    rows = [row for row in results.rows if row.share is not None and row.group not in DRAWN]
    if not rows:
        return None
    figure = new_figure(10, 3.9)
    panels = figure.subplots(1, len(TASKS), sharex=True, sharey=True)
    for panel, task in zip(panels, TASKS, strict=True):
        _panel(panel, task, [row for row in rows if row.task == task])
    panels[0].set_ylabel("milliseconds")
    figure.supxlabel("MB that have to be read and written")
    legend(figure, panels)
    return figure


def _panel(panel: Any, task: str, rows: list[Row]) -> None:
    panel.set_title(task)
    panel.set_xscale("log")
    panel.set_yscale("log")
    plain(panel)
    sweep = sorted((r for r in rows if r.group == "size"), key=lambda row: row.moved)
    copies = sorted((row.moved, row.seconds[COPY]) for row in sweep or rows)
    x, y = zip(*((size / 1e6, seconds * 1e3) for size, seconds in copies), strict=True)
    line = "-" if sweep else "."
    panel.plot(x, y, line, color="black", linewidth=1, ms=2, label="a copy of as many bytes")
    for shown, mark, label in (
        ([row for row in rows if row.group != "size"], "o", "a case"),
        (sweep, "o-", "2x2 stride 2, from L1 to beyond the cache"),
    ):
        panel.plot(
            [row.moved / 1e6 for row in shown],
            [row.seconds[OURS] * 1e3 for row in shown],
            mark,
            color="0.6" if mark == "o" else "#0072B2",
            markersize=2.5 if mark == "o" else 4,
            linewidth=1,
            label=label,
        )
