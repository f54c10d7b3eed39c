"""Results as a picture: one point for each peer and case, far right where ndpool is far ahead."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .cases import TASKS
from .peers import PEERS
from .results import Results

MISSING = "no plot: matplotlib is missing; pip install 'ndpool[bench]'"

# Colours that the colour-blind can tell apart (Okabe & Ito 2008), and shapes for print.
_LOOKS = (
    ("#D55E00", "o"),
    ("#0072B2", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#7F7F7F", "|"),
)


def can_draw() -> bool:
    return find_spec("matplotlib") is not None


def draw(results: Results, path: Path) -> None:
    """Write a PNG, SVG or PDF, as the name of `path` says: a panel for each task."""
    matplotlib: Any = import_module("matplotlib")
    figures: Any = import_module("matplotlib.figure")
    tasks = [task for task in TASKS if any(row.task == task for row in results.rows)]
    cases = list(dict.fromkeys((row.group, row.case) for row in results.rows))
    places = {case: -place for place, (_, case) in enumerate(cases)}
    with matplotlib.rc_context({"font.size": 9, "svg.fonttype": "none"}):
        figure = figures.Figure(
            figsize=(3 + 3.2 * len(tasks), 1.8 + 0.22 * len(cases)), layout="constrained"
        )
        panels = figure.subplots(1, len(tasks), sharey=True, sharex=True, squeeze=False)[0]
        for panel, task in zip(panels, tasks, strict=True):
            _panel(panel, task, results, places)
        first_of_group = [i for i, (group, _) in enumerate(cases) if i and group != cases[i - 1][0]]
        for panel in panels:
            for place in first_of_group:
                panel.axhline(0.5 - place, color="0.3", linewidth=0.8)
        panels[0].set_yticks(list(places.values()), list(places))
        panels[0].set_ylim(0.6 - len(cases), 0.6)
        panels[0].set_xlim(*_range(results))
        figure.supxlabel("time of the peer / time of ndpool (right of the line ndpool is faster)")
        handles = {
            label: handle
            for panel in panels
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
        figure.savefig(path, dpi=150)


def _range(results: Results) -> tuple[float, float]:
    ratios = [ratio for row in results.rows for ratio in row.ratios.values()] or [1.0]
    return min(0.8, min(ratios) / 1.5), max(2.0, max(ratios) * 1.5)


def _panel(panel: Any, task: str, results: Results, places: dict[str, int]) -> None:
    panel.set_title(task)
    panel.set_xscale("log")
    panel.axvline(1, color="black", linewidth=1)
    panel.axvspan(1e-9, 1, color="0.95", zorder=0)
    panel.grid(axis="both", which="major", color="0.87", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for peer, (colour, marker) in zip(PEERS[1:], _LOOKS, strict=True):
        points = [
            (row.ratios[peer.name], places[row.case])
            for row in results.rows
            if row.task == task and peer.name in row.ratios
        ]
        if points:
            x, y = zip(*points, strict=True)
            panel.scatter(x, y, s=26, color=colour, marker=marker, label=peer.title, zorder=3)
