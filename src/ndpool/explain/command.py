"""Show every step of max pooling, forward and backward: as text, or as a page.

X is a shape, as 2,2,4,5 (its cells are then coded: 1234 is image 1, channel 2,
row 3, column 4), or a file: .npy, .npz (FILE.npz:NAME for one of several
arrays), or an image.
"""

from __future__ import annotations

import re
import sys
import webbrowser
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from ..errors import PoolError
from . import moment_text, moments
from .config import DY_WORDS
from .dialects import DIALECTS
from .load import load
from .trace import Trace, explain
from .words import languages

PAGE = Path("ndpool-explain.html")
WIDEST = 100  # longer lines are hard to read
_EXAMPLES = """examples:
  ndpool explain                             the first notebook's example
  ndpool explain 1,1,6,6 --kernel 3 --stride 1 --padding 1
  ndpool explain photo.png --kernel 3 --region 100:112,200:212
  ndpool explain --moment overlap            why col2im adds
  ndpool explain --html                      a page to touch, in the browser
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may be written after ``ndpool explain``."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    add = parser.add_argument
    add("x", nargs="?", metavar="X", help="a shape or a file (default: 2,2,4,5)")
    add("--kernel", type=_sizes, metavar="K", help="window: 2, or rows,columns (default: 2)")
    add("--stride", type=_sizes, metavar="S", help="from window to window (default: the kernel)")
    add("--padding", type=_padding, metavar="P",
        help="1, or rows,columns, or before+after as in 0+1,0+1; or same, same_lower")  # fmt: skip
    add("--dilation", type=_sizes, metavar="D", help="from cell to cell of a window (default: 1)")
    add("--ceil", action="store_true", help="round the output's size up")
    add("--dy", metavar="DY",
        help="gradient that comes back: out (default), ones, powers (of two), or a file",
        )  # fmt: skip
    add("--dialect", choices=list(DIALECTS), default="rows",
        help="im2col into rows (default) or columns, or direct, without it")  # fmt: skip
    add("--lang", choices=languages(), default="en", help="language (default: %(default)s)")
    add("--image", type=int, metavar="N", help="which image to show of large data, from 0")
    add("--channel", type=int, metavar="N", help="which channel to show of large data, from 0")
    add("--region", type=_region, metavar="R0:R1,C0:C1", help="which rows and columns to show")
    add("--moment", metavar="NAME", help="one of the hard moments, with what goes wrong beside it")
    add("--list", action="store_true", help="list the hard moments")
    add("--text", action="store_true", help="print the walk even where a page or moment is wanted")
    add("--html", nargs="?", type=Path, const=PAGE, metavar="PATH",
        help=f"write the page (default: {PAGE}) and open it in the browser")  # fmt: skip
    add("--no-open", action="store_true", help="write the page, but do not open it")


def run(args: Namespace) -> int:
    """Print the walk, a moment or their list, or write the page; the exit status."""
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that lacks a character gets a "?" for it
        sys.stdout.reconfigure(errors="replace")
    width = min(WIDEST, max(40, get_terminal_size((80, 24)).columns))
    if args.list:
        print(moment_text.listing(args.lang, width), end="")
        return 0
    trace = _trace(args)
    if args.moment and not args.html:
        print(moment_text.text(args.moment, args.lang, width), end="\n" if args.text else "")
    if args.text or not (args.html or args.moment):
        print(trace.text(width), end="")
    if args.html:
        _write(trace, args.html, open_it=not args.no_open)
    return 0


def _trace(args: Namespace) -> Trace:
    geometry = {
        "kernel_size": args.kernel,
        "stride": args.stride,
        "padding": args.padding,
        "dilation": args.dilation,
        "dy": args.dy,
        "ceil_mode": args.ceil or None,
        "region": args.region,
        "image": args.image,
        "channel": args.channel,
    }
    given: dict[str, Any] = {word: value for word, value in geometry.items() if value is not None}
    if args.moment:
        if given or args.x:
            raise PoolError("--moment", "no data or geometry beside it", ", ".join(given) or "X")
        return moments.trace(args.moment, dialect=args.dialect, lang=args.lang)
    x, name = _data(args.x or "2,2,4,5")
    if "dy" in given and given["dy"] not in DY_WORDS:
        given["dy"] = load(given["dy"])[0]
    return explain(x, dialect=args.dialect, lang=args.lang, name=name, **given)


def _data(source: str) -> tuple[Any, str | None]:
    """(a shape or an array, its name)."""
    if re.fullmatch(r"\d+([,x]\d+)*,?", source):
        return tuple(int(size) for size in re.findall(r"\d+", source)), None
    return load(source)


def _write(trace: Trace, path: Path, *, open_it: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise PoolError("--html", "a file in a folder that exists", f"'{path}'")
    trace.save(path)
    print(path)
    if open_it:
        webbrowser.open(path.resolve().as_uri())


def _sizes(text: str) -> int | tuple[int, ...]:
    """`3` or `3,2`."""
    if not re.fullmatch(r"\d+([,x]\d+)?", text):
        raise ArgumentTypeError(f"expected a whole number, or rows,columns, got {text!r}")
    sizes = tuple(int(size) for size in re.findall(r"\d+", text))
    return sizes[0] if len(sizes) == 1 else sizes


def _padding(text: str) -> Any:
    """`1`, `1,2`, `0+1,0+1`, or a word."""
    if re.fullmatch(r"[a-z_]+", text) or "+" not in text:
        return text if text.replace("_", "").isalpha() else _sizes(text)
    if not re.fullmatch(r"\d+\+\d+,\d+\+\d+", text):
        raise ArgumentTypeError(f"expected before+after,before+after, got {text!r}")
    first, second = ([int(size) for size in pair.split("+")] for pair in text.split(","))
    return tuple(first), tuple(second)


def _region(text: str) -> tuple[slice, slice]:
    """`0:12,4:16`; an end may be missing."""
    found = re.fullmatch(r"(\d*):(\d*),(\d*):(\d*)", text)
    if not found:
        raise ArgumentTypeError(f"expected rows and columns as 0:12,4:16, got {text!r}")
    r0, r1, c0, c1 = (int(end) if end else None for end in found.groups())
    return slice(r0, r1), slice(c0, c1)
