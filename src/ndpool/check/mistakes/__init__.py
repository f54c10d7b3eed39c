"""The zoo: every mistake that we know, each a small working layer with that one mistake."""

from . import adding, maximum, padding, routes, sizes, state, windows
from .layers import STYLES, Columns, Layer, Loops, Rows
from .registry import BOTH, GRADIENT, OUTPUT, ZOO, Variant, layer_with, style_named

__all__ = [
    "BOTH",
    "GRADIENT",
    "OUTPUT",
    "STYLES",
    "ZOO",
    "Columns",
    "Layer",
    "Loops",
    "Rows",
    "Variant",
    "adding",
    "layer_with",
    "maximum",
    "padding",
    "routes",
    "sizes",
    "state",
    "style_named",
    "windows",
]
