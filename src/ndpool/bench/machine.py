"""The machine as far as it matters to a timing, and keeping to a number of its cores."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..info import info
from .peers import Peer


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that could be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    return found[0] if found else None


@contextmanager
def limited_to(threads: int) -> Iterator[bool]:
    """Keep the process to as many cores as threads, which also holds for peers that cannot be told.

    Yields whether they are kept: where the system has no way to, JAX takes all cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield threads == cores()
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:threads])
    try:
        yield True
    finally:
        os.sched_setaffinity(0, allowed)


def describe(peers: Iterable[Peer], threads: int, limited: bool) -> dict[str, Any]:
    """Processor, versions, date; no names and no paths."""
    facts = info()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "limited": limited,  # to as many cores as threads
        "system": facts["platform"],
        "python": facts["python"],
        "engine": facts["engine"],
        "instruction_set": facts["instruction_set"],
        "versions": {peer.distribution: peer.version() for peer in peers},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
