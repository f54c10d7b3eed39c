"""The command: `add_arguments` says what it takes, `run` does it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path

from ..engines import native
from ..errors import PoolError
from ..explain import explain
from . import digits, picture, report
from .inside import Inside, least_sure, look_inside
from .network import POOL, POOLINGS
from .progress import Progress
from .train import train

EPOCHS = 6  # on 2,000 digits: the test accuracy has levelled off, and a minute is not over
PICTURE = Path("ndpool-demo.png")


def add_arguments(parser: ArgumentParser) -> None:
    """What may be written after ``ndpool demo``."""
    parser.add_argument(
        "--epochs",
        type=partial(_whole, 1),
        default=EPOCHS,
        metavar="N",
        help="how often to go through the digits (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=partial(_whole, 0),
        default=1,
        metavar="N",
        help="of the first weights and the order of the digits (default: %(default)s)",
    )
    parser.add_argument(
        "--engine",
        choices=list(POOLINGS),
        help="train once with this engine (default: with im2col, then with native)",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--picture",
        type=Path,
        default=PICTURE,
        metavar="PATH",
        help="the PNG to write; a page goes beside it (default: %(default)s)",
    )
    target.add_argument("--no-picture", action="store_true", help="write neither")


def run(args: Namespace) -> int:
    """Train with each engine, print the table, write picture and page; the exit status."""
    wanted = not args.no_picture
    if wanted and (args.picture.is_dir() or not args.picture.parent.is_dir()):
        raise PoolError("--picture", "a file in a folder that exists", f"'{args.picture}'")

    engines = [args.engine] if args.engine else ["im2col", "numpy" if native.missing else "native"]
    learn, held_out = digits.load()
    print(report.opening(len(learn), len(held_out), args.epochs, engines))
    if native.missing and not args.engine:
        print(report.without_native(native.missing))
    sys.stdout.flush()

    with Progress(sys.stderr) as progress:
        runs = [
            train(learn, held_out, engine, epochs=args.epochs, seed=args.seed, watch=progress.show)
            for engine in engines
        ]
    print(f"\n{report.table(runs)}")
    if len(runs) == 2:
        print(f"\n{report.comparison(*runs)}")
    if wanted:
        shown = least_sure(runs[-1].network, held_out)
        inside = look_inside(runs[-1].network, held_out.images[shown], int(held_out.labels[shown]))
        print(f"\n{_write_picture(inside, args.picture)}")
        print(_write_page(inside, args.picture.with_suffix(".html")))
    return 0


def _whole(least: int, text: str) -> int:
    """The whole number that `text` is, `least` or more."""
    if not text.isdecimal() or int(text) < least:
        raise ArgumentTypeError(f"expected a whole number, at least {least}, got {text!r}")
    return int(text)


def _write_picture(inside: Inside, path: Path) -> str:
    """Write the picture; what to say about it."""
    if not picture.able():
        return "No picture without matplotlib: pip install 'ndpool[demo]'"
    picture.draw(inside, path)
    return f"A digit's way through the network and back: {path}"


def _write_page(inside: Inside, path: Path) -> str:
    """Write the page of its first feature map's pooling; what to say about it."""
    trace = explain(
        inside.maps[0], POOL, dy=inside.dpooled[0], name=f"feature map of a {inside.label}"
    )
    trace.save(path)
    return f"Its pooling, every step to be touched in a browser: {path}"
