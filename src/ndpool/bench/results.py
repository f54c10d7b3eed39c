"""What a run of the benchmark found: data, to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from .peers import OWN, REFERENCE

# The names under which copies of as many bytes stand among the peers: into memory that is in use,
# and, of large arrays, into memory that is new, as every result is.
COPY, COPY_NEW = "copy", "copy-new"
OURS = REFERENCE.name


@dataclass(slots=True)
class Row:
    """One task of one case: what the peers needed, round by round, or why there is nothing."""

    case: str
    group: str
    task: str
    moved: int  # bytes that must be read or written
    samples: dict[str, list[float]] = field(default_factory=dict)  # seconds of one call
    refused: dict[str, str] = field(default_factory=dict)  # peers that failed or disagreed

    @property
    def seconds(self) -> dict[str, float]:
        """Each peer's time for one call: the median of its samples."""
        return {name: median(samples) for name, samples in self.samples.items()}

    @property
    def ratios(self) -> dict[str, float]:
        """Each other peer's time over ndpool's: above 1 ndpool is faster."""
        if OURS not in self.samples:
            return {}
        others = (name for name in self.samples if name not in (OURS, COPY, COPY_NEW))
        return {name: times_as_long(self.samples[name], self.samples[OURS]) for name in others}

    @property
    def best(self) -> str | None:
        """The fastest peer that is not ndpool in another dress."""
        rivals = {name: r for name, r in self.ratios.items() if name not in OWN}
        return min(rivals, key=rivals.__getitem__) if rivals else None

    @property
    def share(self) -> float | None:
        """The share of copy bandwidth: how much of ndpool's time a copy of as many bytes takes."""
        if OURS not in self.samples or COPY not in self.samples:
            return None
        return times_as_long(self.samples[COPY], self.samples[OURS])


@dataclass(slots=True)
class Special:
    """What is no case: the cost of importing, and memory beyond the results."""

    import_seconds: dict[str, float] = field(default_factory=dict)  # by module
    extra_mib: dict[str, float] = field(default_factory=dict)  # by task

    @property
    def import_ratio(self) -> float | None:
        """Seconds to import ndpool, NumPy included, over those to import NumPy."""
        try:
            return self.import_seconds["ndpool"] / self.import_seconds["numpy"]
        except KeyError:
            return None


@dataclass(slots=True)
class Results:
    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    special: Special = field(default_factory=Special)

    def means(self) -> dict[tuple[str, str], dict[str, tuple[float, int]]]:
        """By (group, task), each peer's geometric mean ratio and the number of cases in it."""
        ratios: dict[tuple[str, str], dict[str, list[float]]] = {}
        for row in self.rows:
            of_group = ratios.setdefault((row.group, row.task), {})
            for name, ratio in row.ratios.items():
                of_group.setdefault(name, []).append(ratio)
        return {
            key: {name: (geometric_mean(found), len(found)) for name, found in peers.items()}
            for key, peers in ratios.items()
        }

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def joined(self, later: Results) -> Results:
        """Both runs as one; of what both have measured, the later counts."""
        rows = {(row.case, row.task): row for row in (*self.rows, *later.rows)}
        machine = self.machine | later.machine
        machine["versions"] = self.machine["versions"] | later.machine["versions"]
        special = later.special if later.special.import_seconds else self.special
        return Results(machine, list(rows.values()), special)

    @staticmethod
    def load(path: Path) -> Results:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row) for row in found["rows"]]
        return Results(found["machine"], rows, Special(**found["special"]))


def times_as_long(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times as long as the other one takes: the median over the rounds both were in.

    What slows a machine for seconds slows all turns of a round; of two medians, one may be of the
    slow rounds and the other not.

    >>> times_as_long([2, 20, 30], [1, 10, 10, 1, 1])
    2.0
    """
    return median(a / b for a, b in zip(one, other, strict=False))


def geometric_mean(values: list[float]) -> float:
    """The mean that ratios have: twice as fast and half as fast make 1.

    >>> round(geometric_mean([0.5, 2.0]), 12)
    1.0
    """
    return exp(sum(map(log, values)) / len(values))
