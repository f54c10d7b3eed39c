"""Cost against the size of the window: level for ndpool, a slope for whoever looks at each cell."""

from __future__ import annotations

from typing import Any

from ..case import FORWARD, INDICES
from ..cases import CASES
from ..peers import OWN
from ..results import COPY, OURS, Results, Row
from .look import LOOKS, TITLES, legend, new_figure, plain

_SIDES = {case.name: case.kernel[0] for case in CASES if case.group == "window"}


def by_window(results: Results) -> Any:
    """A panel for forward and one for forward with winners. None without rows."""
    rows = [row for row in results.rows if row.case in _SIDES and OURS in row.seconds]
    if not rows:
        return None
    figure = new_figure(8.5, 4)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, task in zip(panels, (FORWARD, INDICES), strict=True):
        _panel(panel, task, [row for row in rows if row.task == task])
    panels[0].set_ylabel("milliseconds")
    figure.supxlabel("side of the window, cells")
    legend(figure, panels)
    return figure


def _panel(panel: Any, task: str, rows: list[Row]) -> None:
    panel.set_title(task)
    panel.set_xscale("log")
    panel.set_yscale("log")
    plain(panel)
    sides = sorted({_SIDES[row.case] for row in rows})
    panel.set_xticks(sides[::2], [str(side) for side in sides[::2]])
    panel.minorticks_off()
    for name in (*LOOKS, COPY):
        line = sorted((_SIDES[r.case], r.seconds[name]) for r in rows if name in r.seconds)
        if not line or (name in OWN and name != OURS):
            continue
        x, y = zip(*((side, seconds * 1e3) for side, seconds in line), strict=True)
        if name == COPY:
            panel.plot(x, y, "--", color="black", linewidth=1, label="a copy of as many bytes")
            continue
        colour, mark = LOOKS[name]
        width = 2.0 if name == OURS else 1.0
        panel.plot(x, y, mark + "-", color=colour, linewidth=width, ms=4, label=TITLES[name])
