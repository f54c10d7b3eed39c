"""One point for each peer and case, far right where ndpool is far ahead."""

from __future__ import annotations

from typing import Any

from ..case import TASKS
from ..peers import OWN, PEERS
from ..results import Results
from .look import LOOKS, legend, new_figure, plain

_GROUPS = ("seven", "networks", "science", "tiny")  # sweeps would only repeat them


def against_peers(results: Results) -> Any:
    """A panel for each task. None without rows."""
    cases = list(
        dict.fromkeys(
            (row.group, row.case)
            for row in results.rows
            if row.group in _GROUPS and row.best is not None
        )
    )
    tasks = [task for task in TASKS if any(row.task == task for row in results.rows)]
    if not cases:
        return None
    cases.sort(key=lambda case: _GROUPS.index(case[0]))
    places = {case: -place for place, (_, case) in enumerate(cases)}
    figure = new_figure(3 + 3.2 * len(tasks), 1.8 + 0.2 * len(cases))
    panels = figure.subplots(1, len(tasks), sharey=True, sharex=True, squeeze=False)[0]
    first_of_group = [i for i, (group, _) in enumerate(cases) if i and group != cases[i - 1][0]]
    for panel, task in zip(panels, tasks, strict=True):
        _panel(panel, task, results, places)
        for place in first_of_group:
            panel.axhline(0.5 - place, color="0.3", linewidth=0.8)
    panels[0].set_yticks(list(places.values()), list(places))
    panels[0].set_ylim(0.4 - len(cases), 0.6)
    panels[0].set_xlim(*_range(results, places))
    figure.supxlabel("time of the peer / time of ndpool (right of the line ndpool is faster)")
    legend(figure, panels)
    return figure


def _range(results: Results, places: dict[str, int]) -> tuple[float, float]:
    ratios = [
        ratio
        for row in results.rows
        if row.case in places
        for name, ratio in row.ratios.items()
        if name not in OWN
    ]
    return min(0.8, min(ratios) / 1.5), max(2.0, max(ratios) * 1.5)


def _panel(panel: Any, task: str, results: Results, places: dict[str, int]) -> None:
    panel.set_title(task)
    panel.set_xscale("log")
    panel.axvline(1, color="black", linewidth=1)
    panel.axvspan(1e-9, 1, color="0.95", zorder=0)
    panel.tick_params(axis="y", length=0)
    plain(panel)
    for peer in PEERS:
        colour, mark = LOOKS[peer.name]
        points = [
            (row.ratios[peer.name], places[row.case])
            for row in results.rows
            if row.task == task and row.case in places and peer.name in row.ratios
        ]
        if points and peer.name not in OWN:
            x, y = zip(*points, strict=True)
            panel.scatter(x, y, s=24, color=colour, marker=mark, label=peer.title, zorder=3)
