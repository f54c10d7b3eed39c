"""What a run of the benchmark found: data, to JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import exp, log
from pathlib import Path
from typing import Any

from .peers import OWN, REFERENCE

# The names under which copies of as many bytes stand among the peers: into memory that is in use,
# and, of large arrays, into memory that is new, as every result is.
COPY, COPY_NEW = "copy", "copy-new"
OURS = REFERENCE.name


@dataclass(slots=True)
class Row:
    """One task of one case: the peers' median seconds for one call, or why there are none."""

    case: str
    group: str
    task: str
    moved: int  # bytes that must be read or written
    seconds: dict[str, float] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)  # how many the median is of
    refused: dict[str, str] = field(default_factory=dict)  # peers that failed or disagreed

    @property
    def ratios(self) -> dict[str, float]:
        """Each other peer's time over ndpool's: above 1 ndpool is faster."""
        ours = self.seconds.get(OURS)
        if ours is None:
            return {}
        others = (name for name in self.seconds if name not in (OURS, COPY, COPY_NEW))
        return {name: self.seconds[name] / ours for name in others}

    @property
    def best(self) -> str | None:
        """The fastest peer that is not ndpool in another dress."""
        rivals = {name: r for name, r in self.ratios.items() if name not in OWN}
        return min(rivals, key=rivals.__getitem__) if rivals else None

    @property
    def share(self) -> float | None:
        """The share of copy bandwidth: how much of ndpool's time a copy of as many bytes takes."""
        if OURS not in self.seconds or COPY not in self.seconds:
            return None
        return self.seconds[COPY] / self.seconds[OURS]


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


def geometric_mean(values: list[float]) -> float:
    """The mean that ratios have: twice as fast and half as fast make 1.

    >>> round(geometric_mean([0.5, 2.0]), 12)
    1.0
    """
    return exp(sum(map(log, values)) / len(values))
