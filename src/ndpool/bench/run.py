"""All peers in one process, taking turns; nothing is timed that does not agree first.

A turn is: wait until the process is quiet (the peers before may still spin), one untimed call if
calls are short, then as many calls as fill a few hundredths of a second, whose mean is one sample.
Turns go round until each peer has used its budget; the median of its samples is its time, and how
many times as long one takes as another is the median over the rounds that both were in. A call
that takes many times the budget is repeated once, as the first may have paid for fresh memory, or,
if it takes seconds, not at all. Cases that are compared with each other take their turns in the
same rounds: a machine can be twice as fast a minute later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from math import prod
from typing import Any

import numpy as np

from .case import BACKWARD, Array, Case
from .machine import free_memory
from .peers import REFERENCE, Peer
from .results import COPY, COPY_NEW, Row

_TURN = 0.02  # seconds of calls in a turn
_LEAST = 3  # samples in a median ...
_PATIENCE = 5  # ... unless a call takes this many budgets
_ONCE_MORE = 2.0  # seconds: who took no longer is called again even so
_LARGE = 64e6  # bytes: from here on a copy into new memory is measured as well
_ROOM = 8  # times x must be free: x, dy, results of two peers, what these hold besides
_AT_ONCE = 2**22  # cells that are compared at a time
_LONGEST = 15.0  # seconds: who is known to need more for one call is not called
_EPSILON = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}


def measure(
    cases: Iterable[Case], tasks: Sequence[str], peers: Sequence[Peer], threads: int, budget: float
) -> Iterator[Row]:
    """The rows of all cases and tasks, one by one; `budget` is seconds for each peer in a row."""
    for _, found in groupby(cases, key=lambda case: case.compared or case.name):
        possible: list[Case] = []
        for case in found:
            if reason := _impossible([*possible, case]):
                for task in tasks:
                    yield Row(case.name, case.group, task, 0, refused={REFERENCE.name: reason})
            else:
                possible.append(case)
        arrays = [case.data() for case in possible]
        for task in tasks:
            with ThreadPoolExecutor(threads) as executor:
                prepared = [
                    _prepared(case, task, peers, data, threads, executor)
                    for case, data in zip(possible, arrays, strict=True)
                ]
                _take_turns([one for _, runners in prepared for one in runners.values()], budget)
            for row, runners in prepared:
                for name, runner in runners.items():
                    row.samples[name] = runner.samples or [runner.estimate]
                yield row


def _impossible(cases: Sequence[Case]) -> str | None:
    """Why the data of the last of them cannot be made here beside that of the others."""
    try:
        size = sum(prod(case.shape) * case.numpy_dtype().itemsize for case in cases)
    except ImportError as error:
        return f"needs {error.name}"
    free = free_memory()
    if free is not None and size * _ROOM > free:
        return f"needs {size * _ROOM / 2**30:.1f} GiB of memory, {free / 2**30:.1f} are free"
    return None


def _prepared(
    case: Case,
    task: str,
    peers: Sequence[Peer],
    data: tuple[Array, Array],
    threads: int,
    executor: ThreadPoolExecutor,
) -> tuple[Row, dict[str, _Runner]]:
    """The row, still without times, and what to time: the peers that are right, and copies."""
    row = Row(case.name, case.group, task, case.moved(task))
    runners: dict[str, _Runner] = {}
    expected: tuple[Array, ...] = ()
    reference = ""  # whose results are expected: the first peer's that has any
    for peer in (peer for peer in peers if peer.can(case, task)):
        if (long := peer.expected_seconds(case, task)) > _LONGEST:
            row.refused[peer.name] = f"not called: it would take about {long:.0f} s"
            continue
        try:
            call = peer.prepare(case, task, *data, threads)
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
    if runners:
        copy = _copy(row.moved // 2, threads, executor)
        runners[COPY] = _Runner(copy, _timed(copy)[0])
        if data[0].nbytes >= _LARGE:
            copy = _copy_to_new(row.moved // 2, threads, executor)
            runners[COPY_NEW] = _Runner(copy, _timed(copy)[0])
    return row, runners


def difference(
    expected: Sequence[Array], found: Sequence[Array], case: Case, task: str
) -> str | None:
    """What is wrong with `found`: values and winners must be equal, gradients but for rounding."""
    for what, right, got in zip(("values", "winners"), expected, found, strict=False):
        if got.shape != right.shape or got.dtype != right.dtype:
            return f"{got.dtype} of {got.shape} for {right.dtype} of {right.shape}"
        # Each order of a sum of up to `cells` normal numbers rounds in its own way.
        allowed = 0.0
        if task == BACKWARD and case.dtype in _EPSILON:
            allowed = 8 * case.geometry.cells * _EPSILON[case.dtype]
        if wrong := _unequal(right.reshape(-1), got.reshape(-1), allowed):
            return f"{wrong} of {got.size} {'gradients' if task == BACKWARD else what}"
    return None


def _unequal(right: Array, got: Array, allowed: float) -> int:
    """The number of cells that differ by more; a part at a time, to need little memory."""
    equal = 0
    for start in range(0, right.size, _AT_ONCE):
        a, b = right[start : start + _AT_ONCE], got[start : start + _AT_ONCE]
        same = np.abs(a.astype(np.float64) - b.astype(np.float64)) <= allowed if allowed else a == b
        equal += int(np.count_nonzero(same))
    return right.size - equal


@dataclass(slots=True)
class _Runner:
    run: Callable[[], Any]
    estimate: float  # seconds of the latest call
    used: float = 0.0
    samples: list[float] = field(default_factory=list)

    def wants_turn(self, budget: float) -> bool:
        short = self.estimate < _PATIENCE * budget
        if not self.samples:
            return short or self.estimate < _ONCE_MORE
        return self.used < budget or (short and len(self.samples) < _LEAST)

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
    on_all = partial(_copy_on_all, target, source, threads, executor)
    ways: tuple[Callable[[], Any], ...] = (partial(np.copyto, target, source), on_all)
    return min(ways, key=lambda way: min(_timed(way)[0] for _ in range(5)))


def _copy_to_new(size: int, threads: int, executor: ThreadPoolExecutor) -> Callable[[], Any]:
    """The same into memory that is asked for in each call, which the system has to clear first."""
    source = np.ones(size, np.uint8)
    return lambda: _copy_on_all(np.empty(size, np.uint8), source, threads, executor)


def _copy_on_all(target: Array, source: Array, threads: int, executor: ThreadPoolExecutor) -> None:
    parts = np.array_split(target, threads), np.array_split(source, threads)
    first, *others = zip(*parts, strict=True)
    copying = [executor.submit(np.copyto, *part) for part in others]
    np.copyto(*first)
    for copy in copying:
        copy.result()
