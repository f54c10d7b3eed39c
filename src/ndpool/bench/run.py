"""All peers in one process, taking turns; nothing is timed that does not agree first.

A turn is: wait until the process is quiet (the peers before may still spin), one untimed call if
calls are short, then as many calls as fill a few hundredths of a second, whose mean is one sample.
Turns go round until each peer has used its budget; the median of its samples is its time. A call
that takes many times the budget is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from .cases import BACKWARD, Array, Case
from .peers import REFERENCE, Peer
from .results import COPY, Row

_TURN = 0.02  # seconds of calls in a turn
_LEAST = 3  # samples in a median ...
_PATIENCE = 5  # ... unless the first call takes this many budgets
_EPSILON = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}


def measure(
    cases: Iterable[Case], tasks: Sequence[str], peers: Sequence[Peer], threads: int, budget: float
) -> Iterator[Row]:
    """The rows of all cases and tasks, one by one; `budget` is seconds for each peer in a row."""
    for case in cases:
        try:
            x, dy = case.data()
        except ImportError as error:
            for task in tasks:
                row = Row(case.name, case.group, task, 0)
                row.refused[REFERENCE.name] = f"needs {error.name}"
                yield row
            continue
        for task in tasks:
            able = [peer for peer in peers if peer.can(case, task)]
            yield _row(case, task, able, x, dy, threads, budget)


def _row(
    case: Case, task: str, peers: Sequence[Peer], x: Array, dy: Array, threads: int, budget: float
) -> Row:
    row = Row(case.name, case.group, task, case.moved(task))
    runners: dict[str, _Runner] = {}
    expected: tuple[Array, ...] = ()
    reference = ""  # whose results are expected: the first peer's that has any
    for peer in peers:
        try:
            call = peer.prepare(case, task, x, dy, threads)
            seconds, result = _timed(call.run)
            found = call.arrays(result)
        except Exception as error:  # a peer may fail in any way; the run goes on without it
            row.refused[peer.name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            continue
        if not reference:
            reference, expected = peer.name, found
        if reason := difference(expected, found, case, task):
            row.refused[peer.name] = f"differs from {reference}: {reason}"
            continue
        runners[peer.name] = _Runner(call.run, seconds)
    with ThreadPoolExecutor(threads) as executor:
        if runners:
            copy = _copy(row.moved // 2, threads, executor)
            runners[COPY] = _Runner(copy, _timed(copy)[0])
        _take_turns(runners.values(), budget)
    for name, runner in runners.items():
        samples = runner.samples or [runner.estimate]
        row.seconds[name] = median(samples)
        row.samples[name] = len(samples)
    return row


def difference(
    expected: Sequence[Array], found: Sequence[Array], case: Case, task: str
) -> str | None:
    """What is wrong with `found`: values and winners must be equal, gradients but for rounding."""
    for what, right, got in zip(("values", "winners"), expected, found, strict=False):
        if got.shape != right.shape or got.dtype != right.dtype:
            return f"{got.dtype} of {got.shape} for {right.dtype} of {right.shape}"
        if task != BACKWARD or case.dtype not in _EPSILON:
            equal = got == right
        else:
            # Each order of a sum of up to `cells` normal numbers rounds in its own way.
            allowed = 8 * case.geometry.cells * _EPSILON[case.dtype]
            equal = np.abs(got.astype(np.float64) - right.astype(np.float64)) <= allowed
        if not equal.all():
            wrong = equal.size - np.count_nonzero(equal)
            return f"{wrong} of {equal.size} {'gradients' if task == BACKWARD else what}"
    return None


@dataclass(slots=True)
class _Runner:
    run: Callable[[], Any]
    estimate: float  # seconds of the latest call
    used: float = 0.0
    samples: list[float] = field(default_factory=list)

    def wants_turn(self, budget: float) -> bool:
        if not self.samples:
            return self.estimate < _PATIENCE * budget
        return self.used < budget or len(self.samples) < _LEAST

    def turn(self) -> None:
        settle()
        start = time.perf_counter()
        if self.estimate < _TURN:  # its threads may sleep, its data may have left the cache
            self.estimate = _timed(self.run)[0]
        count = max(1, round(_TURN / self.estimate))
        begun = time.perf_counter()
        for _ in range(count):
            self.run()
        end = time.perf_counter()
        self.estimate = (end - begun) / count
        self.samples.append(self.estimate)
        self.used += end - start


def _take_turns(runners: Iterable[_Runner], budget: float) -> None:
    waiting = [runner for runner in runners if runner.wants_turn(budget)]
    while waiting:
        for runner in waiting:
            runner.turn()
        waiting = [runner for runner in waiting if runner.wants_turn(budget)]


def settle(longest: float = 0.25) -> None:
    """Wait until no thread of this process is busy any more.

    ONNX Runtime's threads spin for 50 ms after a call and would take half of the next peer's cores.
    """
    deadline = time.perf_counter() + longest
    while time.perf_counter() < deadline:
        before = time.process_time()
        time.sleep(0.01)  # at least two ticks of a slow kernel clock
        if time.process_time() - before < 0.001:
            return


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def _copy(size: int, threads: int, executor: ThreadPoolExecutor) -> Callable[[], Any]:
    """A copy of `size` bytes, which reads and writes 2 * size, on one thread or on all.

    Whichever is faster: waking a second thread costs as much as copying a megabyte.
    """
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    (first, *others) = zip(
        np.array_split(target, threads), np.array_split(source, threads), strict=True
    )

    def on_all() -> None:
        copying = [executor.submit(np.copyto, *part) for part in others]
        np.copyto(*first)
        for copy in copying:
            copy.result()

    ways: tuple[Callable[[], Any], ...] = (partial(np.copyto, target, source), on_all)
    return min(ways, key=lambda way: min(_timed(way)[0] for _ in range(5)))
