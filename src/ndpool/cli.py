"""The command ``ndpool``: finds the module of a subcommand and lets it run.

Such a module has ``add_arguments(parser)`` and ``run(args) -> int``, and is imported when its
command is called. A new command is one more line in `COMMANDS`.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from . import __version__
from .errors import MissingExtra, PoolError, PoolTypeError

COMMANDS = {
    "demo": ("ndpool.demo", "train a small ConvNet on handwritten digits, with our pooling in it"),
    "explain": ("ndpool.explain.command", "show every step of pooling, forward and backward"),
    "check": ("ndpool.check", "name the mistake in a pooling layer of your own"),
    "bench": ("ndpool.bench", "measure pooling beside other libraries"),
    "info": ("ndpool.info", "show version, engine, instruction set and threads"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ndpool`` with these arguments, those of the process by default; the exit status.

    0 is success; 2 wrong usage, bad input or a missing package, with one line on standard error;
    130 Ctrl-C; 141 a reader who left, as in ``ndpool info | head -1``. As is usual with argparse,
    SystemExit is raised for ``--help``, ``--version`` and unknown options.
    """
    called, rest = _parser().parse_known_args(argv)
    try:
        module = import_module(COMMANDS[called.command][0])
        parser = ArgumentParser(
            prog=f"ndpool {called.command}",
            description=module.__doc__,
            formatter_class=RawDescriptionHelpFormatter,
        )
        module.add_arguments(parser)
        status: int = module.run(parser.parse_args(rest))
        sys.stdout.flush()  # so that a reader who left is noticed here
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter flushes once more when it ends: into nothing, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (PoolError, PoolTypeError, MissingExtra, OSError) as error:
        print(f"ndpool: error: {error}", file=sys.stderr)
        return 2


def _parser() -> ArgumentParser:
    """Knows the commands by name; their options are for their own parsers."""
    parser = ArgumentParser(
        prog="ndpool",
        description="Pooling for NumPy arrays, forward and backward.",
        epilog="ndpool COMMAND --help says more.",
    )
    parser.add_argument("--version", action="version", version=f"ndpool {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for name, (_, what) in COMMANDS.items():
        commands.add_parser(name, help=what, add_help=False)
    return parser
