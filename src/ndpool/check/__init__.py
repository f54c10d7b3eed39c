"""Name the mistake in a pooling layer: ``ndpool.check(layer)``, or ``ndpool check FILE:NAME``.

The layer is tried on small exact cases, in a process of its own. Values are unique, so that a
wrong output names the cell it came from; gradients are powers of two, so that a wrong sum names
its parts. No finite differences: ties raise no false alarm. What the layer did is then compared
with a zoo of layers that have one known mistake each; where one of them, or a few together, did
the same in all cases, the mistake is named. docs/mistakes.md shows the zoo.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..callable import make_callable
from .checking import check

__all__ = ["Finding", "Report", "cases", "check", "names"]

_LAZY = {
    "Finding": ("findings", "Finding"),
    "Report": ("findings", "Report"),
    "cases": ("plugin", "cases"),
    "names": ("casebook", "names"),
    "add_arguments": ("command", "add_arguments"),
    "run": ("command", "run"),
}


def __getattr__(name: str) -> Any:
    """Names that live in modules which are imported when they are asked for."""
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(import_module(f".{module}", __name__), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


make_callable(__name__, check)
