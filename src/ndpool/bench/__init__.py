"""Measure ndpool beside every other way to pool that is installed here.

All take turns in one process, and only those whose results agree are timed. The whole table takes
about half an hour; --group seven, --case and --budget make it shorter.
"""

from __future__ import annotations

import argparse
import sys
from functools import reduce
from pathlib import Path

from . import docs, report, special
from .case import TASKS, Case
from .cases import CASES
from .machine import cores, describe, limited_to
from .peers import PEERS, Peer, installed
from .random_cases import LAYERS, RANDOM, random_cases
from .results import Results
from .run import measure
from .targets import findings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    groups = list(dict.fromkeys(case.group for case in CASES))
    names = [peer.name for peer in PEERS]
    add = parser.add_argument
    add("--case", action="append", metavar="PATTERN", help="cases whose name has this in it")
    add("--group", action="append", choices=groups, help="cases of this group")
    for group, what in ((RANDOM, "poolings of any shape"), (LAYERS, "layers of any shape")):
        words = f"{what}, drawn at random, instead of these"
        add(f"--{group}", type=int, default=0, metavar="NUMBER", help=words)
    add("--seed", type=int, default=0, help="of what is drawn (default: %(default)s)")
    add("--task", action="append", choices=TASKS, help="only this task")
    add("--peer", action="append", choices=names, help="only this peer, beside ndpool")
    add(
        "--threads",
        type=_positive,
        default=min(2, cores()),
        help="for each peer (default: %(default)s)",
    )
    add(
        "--budget",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="of timing for each peer, case and task (default: %(default)s)",
    )
    json = Path("ndpool-bench.json")
    add("--json", type=_file, default=json, metavar="PATH", help="results (default: %(default)s)")
    add("--docs", type=_folder, metavar="FOLDER", help="write benchmark.md and its pictures there")
    add("--targets", action="store_true", help="exit status 1 where a target is missed")
    read = "measure nothing: report on these results, joined"
    add("--read", type=Path, nargs="+", metavar="PATH", help=read)
    add("--list", action="store_true", help="say which cases there are, and do no more")


def run(args: argparse.Namespace) -> int:
    """Measure, print as it goes, write the results. Returns the exit status."""
    cases = _chosen(args)
    if not cases:
        print("no case has all that: see --list", file=sys.stderr)
        return 2
    if args.list:
        for case in cases:
            shape = "x".join(map(str, case.shape))
            print(f"{case.group:<9} {case.name:<24} {case.dtype:<8} {shape:<18} {case.source}")
        return 0

    results = _read(args.read) if args.read else _measured(cases, args)
    print(report.summary(results))
    if args.docs:
        docs.write(results, args.docs)
    return int(args.targets and any(found and not found.held for _, found in findings(results)))


def _measured(cases: list[Case], args: argparse.Namespace) -> Results:
    """Printed as it goes, and saved; also what there is of it when it is stopped."""
    peers = _taking_part(args.peer)
    with limited_to(args.threads) as limited:
        results = Results(describe(peers, args.threads, limited))
        print(report.heading(results), flush=True)
        try:
            for row in measure(cases, args.task or TASKS, peers, args.threads, args.budget):
                results.rows.append(row)
                results.save(args.json)  # now: whatever ends the run, what was measured is kept
                print(report.line(row), flush=True)
            results.special = special.measure()
        except KeyboardInterrupt:
            print("stopped; what was measured is kept")
    results.save(args.json)
    return results


def _read(paths: list[Path]) -> Results:
    """The results of several runs as one; of what more than one measured, the last counts."""
    return reduce(Results.joined, map(Results.load, paths))


def _chosen(args: argparse.Namespace) -> list[Case]:
    patterns, groups = args.case, args.group
    drawn = [*random_cases(args.random, args.seed), *random_cases(args.layers, args.seed, LAYERS)]
    return [
        case
        for case in (drawn or CASES)
        if (not patterns or any(pattern in case.name for pattern in patterns))
        and (not groups or case.group in groups)
    ]


def _taking_part(names: list[str] | None) -> list[Peer]:
    return [peer for peer in installed() if not names or peer.always or peer.name in names]


def _file(text: str) -> Path:
    """Refused now rather than after half an hour of measuring."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, got {text}")
    return path


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder that exists, got {text}")
    return Path(text)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= cores():
        raise argparse.ArgumentTypeError(f"expected 1 to {cores()}, got {text}")
    return number
