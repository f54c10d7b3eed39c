"""Count the instructions of some poolings, and fail where one takes more than it did.

    python tools/instructions.py            compare with instructions.json, which stands beside this
    python tools/instructions.py --write    write that file anew

A clock cannot tell a change of a twentieth on a machine that others use; this can: under valgrind
the same call runs the same instructions every time. What is counted are those of the compiled
kernels alone, on one thread; of a tiny call all, Python's included, for there they are the cost.
Each figure is the difference of N and 2 N calls, so that nothing around them counts.

Valgrind shows programs an AVX2 processor: it is the AVX2 kernels that are counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import ndpool
from ndpool.engines import native

FIGURES = Path(__file__).with_suffix(".json")
ALLOWED = 1.05  # times the figure in the file
WARM_UP, CALLS = 3, 2
MARKER = "getpgid"  # of libc: a dump is made whenever it is called


@dataclass(frozen=True)
class Case:
    """One call. `whole` counts Python's instructions too."""

    name: str
    shape: tuple[int, ...]
    words: dict[str, Any]
    task: str = "winners"
    dtype: str = "float32"
    whole: bool = False

    def call(self) -> Callable[[], Any]:
        cells = np.random.default_rng(0).standard_normal(self.shape, np.float32) * 50
        x = cells.astype(self.dtype)
        if self.task == "values":
            return partial(ndpool.max_pool, x, **self.words)
        if self.task == "winners":
            return partial(ndpool.max_pool, x, return_indices=True, **self.words)
        y, indices = ndpool.max_pool(x, return_indices=True, **self.words)
        return partial(ndpool.max_pool_backward, y, indices, x.shape, **self.words)


HALVE = {"kernel_size": 2}
STEM = {"kernel_size": 3, "stride": 2, "padding": 1}
SAME = {"kernel_size": 3, "stride": 1, "padding": 1}
PLANES = (1, 16, 112, 112)
CASES = (
    Case("2x2 s2, values", PLANES, HALVE, "values"),
    Case("2x2 s2, winners", PLANES, HALVE),
    Case("2x2 s2, backward", PLANES, HALVE, "backward"),
    Case("3x3 s2 p1, winners", PLANES, STEM),
    Case("3x3 s2 p1, backward", PLANES, STEM, "backward"),
    Case("3x3 s1 p1, winners", (1, 64, 28, 28), SAME),
    Case("3x3 s1 p1, backward", (1, 64, 28, 28), SAME, "backward"),
    Case("3x3 s1 p1 of 7x7, backward", (1, 256, 7, 7), SAME, "backward"),
    Case("13x13 s1 p6, winners", (1, 64, 20, 20), {"kernel_size": 13, "stride": 1, "padding": 6}),
    Case("3x3 s2 p1 uint8, winners", PLANES, STEM, dtype="uint8"),
    Case("2x2 s2 float16, winners", PLANES, HALVE, dtype="float16"),
    Case("3x3 s2 p1 channels last, winners", (1, 56, 56, 64), STEM | {"axes": (1, 2)}),
    Case("3x3x3 s1 p1, winners", (1, 4, 24, 24, 24), SAME | {"kernel_size": (3, 3, 3)}),
    Case("a tiny call, values", (1, 1, 28, 28), HALVE, "values", whole=True),
    Case("a tiny call, backward", (1, 1, 28, 28), HALVE, "backward", whole=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the figures to the file")
    parser.add_argument("--calls", action="store_true", help=argparse.SUPPRESS)  # under valgrind
    args = parser.parse_args()
    if args.calls:
        make_calls()
        return 0
    if missing := native.missing or (not shutil.which("valgrind") and "no valgrind here"):
        print(f"instructions are not counted: {missing}; apt-get install valgrind")
        return 0
    found = measured()
    if args.write:
        FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    return compare(json.loads(FIGURES.read_text(encoding="utf-8")), found)


def make_calls() -> None:
    """What valgrind runs: before, between and after the counted calls the marker is called."""
    print(native.instruction_set(), flush=True)
    ndpool.set_num_threads(1)
    gc.disable()
    for case in CASES:
        call = case.call()
        for times in (WARM_UP, CALLS, 2 * CALLS):
            for _ in range(times):
                call()
            os.getpgid(0)


def measured() -> dict[str, Any]:
    """The figures, and what they hold for."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "counts"
        done = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={target}",
             f"--dump-before={MARKER}", sys.executable, __file__, "--calls"],
            env=os.environ | {"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        # The first dump of each case is of all that came before.
        dumps = [Path(f"{target}.{number + 1}") for number in range(3 * len(CASES))]
        counts = [count(dump.read_text(encoding="utf-8").splitlines()) for dump in dumps]
    figures = {}
    for at, case in enumerate(CASES):
        once, twice = (counts[3 * at + i]["all" if case.whole else "kernels"] for i in (1, 2))
        figures[case.name] = (twice - once) // CALLS
    return {
        "instruction_set": done.stdout.strip(),
        "compiler": compiler(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "instructions": figures,
    }


def count(lines: Iterable[str]) -> dict[str, int]:
    """Instructions in a dump of callgrind: all, and those of the kernels themselves.

    The format: `ob=(3) path` says whose the cost lines after it are, later ones only `ob=(3)`;
    `calls=` is followed by a line with the cost of the function that was called.
    """
    kernels, own, of_call, in_all = "", 0, False, 0
    here = False
    for line in lines:
        if found := re.match(r"c?ob=\((\d+)\)(?: (.*))?$", line):
            if found[2] and "/_native" in found[2]:
                kernels = found[1]
            if line.startswith("ob="):
                here = found[1] == kernels
        elif line.startswith("calls="):
            of_call = True
        elif line.startswith("summary:"):
            in_all = int(line.split()[1])
        elif re.match(r"[0-9+*-]", line):
            if here and not of_call:
                own += int(line.split()[1])
            of_call = False
    return {"all": in_all, "kernels": own}


def compiler() -> str:
    """As it left its name in the kernels."""
    found = re.search(rb"(GCC|clang)[^\0]*? (\d+)\.\d+", Path(native._native.__file__).read_bytes())
    return f"{found[1].decode()} {found[2].decode()}" if found else "unknown"


def compare(before: dict[str, Any], now: dict[str, Any]) -> int:
    """A line for each figure; 1 if one grew by more than is allowed."""
    kernels_differ = [name for name in ("instruction_set", "compiler") if before[name] != now[name]]
    python_differs = [name for name in ("python", "numpy") if before[name] != now[name]]
    for name in kernels_differ + python_differs:
        print(f"{name}: {now[name]}, the figures are of {before[name]}")
    grown = []
    for case in CASES:
        old, new = before["instructions"].get(case.name), now["instructions"][case.name]
        differs = kernels_differ + (python_differs if case.whole else [])
        verdict = "new" if old is None else "not judged" if differs else ""
        if not verdict and new > ALLOWED * old:
            verdict = "MORE"
            grown.append(case.name)
        elif not verdict and new * ALLOWED < old:
            verdict = "fewer"
        change = f"{new / old - 1:+.1%}" if old else ""
        print(f"{case.name:<34} {new:>12,} {change:>8}  {verdict}".rstrip())
    if grown:
        print("more instructions than before; if that is meant: ./run instructions --write")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
