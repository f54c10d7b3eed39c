"""Check a pooling layer of your own: names the mistake, the smallest case and the line to change.

NAME is a class, an instance, a factory or a function in a Python FILE; two functions are written
FILE:forward,backward. An .onnx FILE needs no NAME. The file is run in a process of its own.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import PoolError
from .adapters import Options, load
from .adapters.layouts import LAYOUTS
from .casebook import names
from .checker import Check
from .findings import Report
from .patient import Patient
from .sandbox import Limits


def checked(
    layer: Any,
    *,
    case: str | None = None,
    show: bool = False,
    hint: int = 3,
    lang: str = "en",
    strict: bool = False,
    layout: str | None = None,
    ceil_mode: bool | None = None,
    nonnegative: bool = False,
    timeout: float = 3.0,
    megabytes: int = 1024,
    load: Callable[[], Any] | None = None,
    name: str = "",
    source: str = "",
) -> Report:
    """`ndpool.check`; with `load` the layer is what that gives, in the layer's own process."""
    if case is not None and case not in names():
        raise PoolError("case", f"one of {', '.join(names())}", repr(case))
    if hint not in (0, 1, 2, 3):
        raise PoolError("hint", "0, 1, 2 or 3", repr(hint))
    if layout is not None and layout not in LAYOUTS:
        raise PoolError("layout", f"one of {', '.join(LAYOUTS)}", repr(layout))
    options = Options(layout, ceil_mode)
    limits = Limits(timeout, max(30.0, timeout), megabytes)
    take = load or (lambda: layer)
    with Patient(take, options, source or _source(layer), limits) as patient:
        return Check(
            patient,
            name=name,
            strict=strict,
            hint=hint,
            lang=lang,
            only=case,
            show=show,
            nonnegative=nonnegative,
        ).run()


def _source(layer: Any) -> str:
    """How a layer that was handed over is imported."""
    kind = layer if inspect.isclass(layer) or inspect.isfunction(layer) else type(layer)
    module, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", "")
    if module in ("__main__", "builtins", "") or "." in name or "<" in name:
        return ""
    return f"from {module} import {name}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ndpool check``."""
    add = parser.add_argument
    add("layer", metavar="FILE:NAME", help="as mylayer.py:Pooling, or model.onnx")
    add("--hint", type=int, choices=range(4), default=3, help="how much is told (default: 3, all)")
    add("--lang", default="en", help="language, en or ja (default: en)")
    add("--strict", action="store_true", help="matters of taste are findings too")
    add("--case", metavar="NAME", help="only what shows in this case")
    add("--show", action="store_true", help="draw input, result and expected result")
    add("--layout", choices=LAYOUTS, help="the axes of the layer's images")
    add("--ceil-mode", action="store_true", help="output sizes are meant to be rounded up")
    add("--nonnegative", action="store_true", help="the layer gets no negative values")
    add("--timeout", type=float, default=3.0, metavar="SECONDS", help="for one case (default: 3)")
    add("--json", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--html", metavar="PATH", help="write the report as a page")


def run(args: argparse.Namespace) -> int:
    """Check, print the report; 0 if nothing was found, else 1."""
    path, name = _parts(args.layer)
    report = checked(
        None,
        case=args.case,
        show=args.show,
        hint=args.hint,
        lang=args.lang,
        strict=args.strict,
        layout=args.layout,
        ceil_mode=True if args.ceil_mode else None,
        nonnegative=args.nonnegative,
        timeout=args.timeout,
        load=lambda: load(path, name),
        name=name or Path(path).name,
        source=f"from {Path(path).stem} import {name.split('.')[0]}" if name else "",
    )
    if args.html:
        report.save(Path(args.html).with_suffix(".html"))
    if args.json == "-":
        print(report.json())
        return report.exit_status
    if args.json:
        Path(args.json).write_text(report.json() + "\n", encoding="utf-8")
    print(report.text(color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return report.exit_status


def _parts(layer: str) -> tuple[str, str]:
    """FILE and NAME; PoolError for a file that is not there."""
    path, colon, name = layer.rpartition(":")
    if not colon or layer.endswith(".onnx"):
        path, name = layer, ""
    if not name and not path.endswith(".onnx"):
        raise PoolError("FILE:NAME", "a file and a name in it, as mylayer.py:Pooling", repr(layer))
    if not Path(path).is_file():
        raise PoolError("FILE:NAME", "a file that is there", repr(path))
    return path, name
