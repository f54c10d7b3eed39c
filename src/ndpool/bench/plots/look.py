"""What all pictures share: colours and marks of the peers, fonts, frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..peers import PEERS

# Colours that the colour-blind can tell apart (Okabe & Ito 2008), and shapes for print.
_LOOKS = (
    ("#000000", "o"),
    ("#D55E00", "o"),
    ("#0072B2", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#7F7F7F", "X"),
    ("#7F7F7F", "|"),
    ("#7F7F7F", "_"),
)
LOOKS = {peer.name: look for peer, look in zip(PEERS, _LOOKS, strict=True)}
TITLES = {peer.name: peer.title for peer in PEERS}


def can_draw() -> bool:
    return find_spec("matplotlib") is not None


@contextmanager
def styled() -> Iterator[None]:
    matplotlib: Any = import_module("matplotlib")
    with matplotlib.rc_context({"font.size": 9, "svg.fonttype": "none"}):
        yield


def new_figure(width: float, height: float) -> Any:
    """Drawn without a display."""
    figures: Any = import_module("matplotlib.figure")
    return figures.Figure(figsize=(width, height), layout="constrained")


def plain(panel: Any, axes: str = "both") -> None:
    """Light grid lines behind the marks; numbers on logarithmic axes as 100, not 10^2."""
    panel.grid(axis=axes, which="major", color="0.87", linewidth=0.6)
    panel.set_axisbelow(True)
    for axis in (panel.xaxis, panel.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(lambda value, _: f"{value:g}")


def legend(figure: Any, panels: Any, columns: int = 4) -> None:
    """One for all panels, above them."""
    handles = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)
