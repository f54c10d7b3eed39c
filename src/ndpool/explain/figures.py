"""Pictures of a pooling for print: the five of the second notebook, and one for real images.

Vector graphics in black, white and grey: winners are framed and bold, padding is hatched, and one
window is followed through all panels by a dashed frame. There are no words in them, only the names
of the code, so that they serve in any language.

Needs matplotlib, which is imported when a picture is drawn and not before.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingExtra, PoolError, PoolTypeError, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .trace import Trace

# From the symbol of one panel to the next, an arrow with the code that makes it.
_MATRICES = {
    "image_to_matrix": ("pad", "im2col"),
    "forward": ("pad", "im2col", "reshape", "max", "out"),
    "gradient_to_columns": ("dout", "fill", "dcol"),
    "columns_to_image": ("dcol", "col2im", "dx"),
    "backward": ("dout", "transpose", "fill", "dcol", "dx"),
}
_DIRECT = {
    "image_to_matrix": ("x", "windows"),
    "forward": ("x", "windows", "winners", "out"),
    "gradient_to_columns": ("dout", "routes"),
    "columns_to_image": ("routes", "dx"),
    "backward": ("dout", "routes", "dx"),
}
KINDS = (*_MATRICES, "images")
DPI = 150
_FORMATS = (".svg", ".png", ".pdf")


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawing that can be saved, and that a notebook shows by itself.

    figure: matplotlib's.
    """

    figure: Figure

    def svg(self) -> str:
        """As SVG; the same text for the same picture."""
        return self._saved("svg").decode()

    def png(self, dpi: int = DPI) -> bytes:
        """As PNG."""
        return self._saved("png", dpi)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a .svg, .png or .pdf. PoolError for another ending, OSError as `open` raises it."""
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in _FORMATS:
            raise PoolError("path", f"a name that ends in {', '.join(_FORMATS)}", shown(str(path)))
        path.write_bytes(self._saved(kind[1:]))

    def _repr_svg_(self) -> str:
        return self.svg()

    def _saved(self, kind: str, dpi: int = DPI) -> bytes:
        from matplotlib import rc_context

        target = io.BytesIO()
        # Neither dates nor random names, so that a picture changes only when what it shows does;
        # text as text, which can be searched and copied, and takes half the space.
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        with rc_context({"svg.hashsalt": "ndpool", "svg.fonttype": "none"}):
            self.figure.savefig(target, format=kind, dpi=dpi, metadata=undated, facecolor="white")
        return target.getvalue()


def figure(trace: Trace, kind: str) -> Picture:
    """See `Trace.figure`."""
    if not isinstance(kind, str):
        raise PoolTypeError("kind", f"one of {', '.join(KINDS)}", shown(kind))
    if kind not in KINDS:
        raise PoolError("kind", f"one of {', '.join(KINDS)}", shown(kind))
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("figures need matplotlib", "figures") from None
    return Picture(_drawer(kind)(trace))


def _drawer(kind: str) -> Callable[[Trace], Figure]:
    from . import drawing

    if kind == "images":
        return drawing.images
    return lambda trace: drawing.panels(trace, _steps(trace, kind))


def _steps(trace: Trace, kind: str) -> list[str]:
    """The steps of a picture; padded arrays only where there is padding."""
    if trace.config.dialect == "direct":
        return list(_DIRECT[kind])
    padded = trace["pad"].padding is not None
    names = []
    for name in _MATRICES[kind]:
        if name == "pad":
            names += ["x", "pad"] if padded else ["x"]
        elif name != "col2im" or padded:
            names.append(name)
    return names
