"""What ndpool sets out to show, each as a figure that the results give, or do not yet give.

A target looks at the rows it is about; its figure is the worst of them or their geometric mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod

from .case import BACKWARD, FORWARD, INDICES, Case
from .cases import CASES, TINY
from .random_cases import LAYERS
from .results import OURS, Results, Row, geometric_mean, times_as_long

_RIVALS = ("torch", "onnxruntime", "openvino", "jax")
_NUMPY, _ONE_THREAD = "ndpool-numpy", "ndpool-1-thread"
_LARGE = 64e6  # bytes of an input that no cache holds
_SHORT = 50e-6  # seconds of PyTorch: below, both are mostly overhead
_BY_NAME = {case.name: case for case in CASES}

Figures = list[tuple[float, str]]  # each with the case and task it is of


@dataclass(frozen=True, slots=True)
class Target:
    """`figures` finds them in the results; `bound` is the least, or with `most` the most."""

    words: str
    bound: float
    figures: Callable[[Results], Figures]
    mean: bool = False
    most: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A target beside what was found: the figure, of how many, and the worst of them."""

    target: Target
    figure: float
    number: int
    worst: str

    @property
    def held(self) -> bool:
        bound = self.target.bound
        return self.figure <= bound if self.target.most else self.figure >= bound


def findings(results: Results) -> Iterator[tuple[Target, Finding | None]]:
    """Every target, with None where nothing was measured that it is about."""
    for target in TARGETS:
        figures = target.figures(results)
        if not figures:
            yield target, None
            continue
        worst = (max if target.most else min)(figures)
        figure = geometric_mean([value for value, _ in figures]) if target.mean else worst[0]
        yield target, Finding(target, figure, len(figures), worst[1])


def _rows(results: Results, *tasks: str) -> Iterator[tuple[Row, Case]]:
    """The rows of the table's cases that ndpool has a time in."""
    for row in results.rows:
        if row.task in tasks and row.case in _BY_NAME and OURS in row.samples:
            yield row, _BY_NAME[row.case]


def _float32(results: Results, task: str) -> Iterator[Row]:
    """Those of the float32 cases, each once: sweeps have some in common."""
    seen = set()
    for row, case in _rows(results, task):
        itself = replace(case, name="", group="", source="", compared="")
        if case.dtype == "float32" and itself not in seen:
            seen.add(itself)
            yield row


def _named(value: float, row: Row) -> tuple[float, str]:
    return value, f"{row.case}, {row.task}"


def _ratios(rows: Iterable[Row], peer: str, longer_than: float = 0.0) -> Figures:
    """That peer's time over ndpool's, where it is known and the peer's is longer."""
    return [
        _named(row.ratios[peer], row)
        for row in rows
        if peer in row.ratios and row.seconds[peer] > longer_than
    ]


def _against_torch(task: str, longer_than: float = 0.0) -> Callable[[Results], Figures]:
    return lambda results: _ratios(_float32(results, task), "torch", longer_than)


def _against_the_best(results: Results) -> Figures:
    return [
        _named(min(rivals), row)
        for row in _float32(results, FORWARD)
        if (rivals := [row.ratios[name] for name in _RIVALS if name in row.ratios])
    ]


def _share_of_copy(task: str) -> Callable[[Results], Figures]:
    def figures(results: Results) -> Figures:
        return [
            _named(row.share, row)
            for row, case in _rows(results, task)
            if row.share is not None
            and set(case.stride) == {2}
            and prod(case.shape) * case.numpy_dtype().itemsize >= _LARGE
        ]

    return figures


def _widest_window(results: Results) -> Figures:
    rows = {c.kernel[0]: row for row, c in _rows(results, INDICES) if c.group == "window"}
    if not {3, 63} <= set(rows):
        return []
    return [_named(times_as_long(rows[63].samples[OURS], rows[3].samples[OURS]), rows[63])]


def _compared(
    results: Results, group: str, base: Callable[[Case], bool], other: Callable[[Case], bool]
) -> Figures:
    """Bytes a second of `other` cases over those of the `base` case of the same windows."""
    rows = [pair for pair in _rows(results, FORWARD, INDICES, BACKWARD) if pair[1].group == group]
    bases = {(row.task, case.kernel, case.stride): row for row, case in rows if base(case)}
    return [
        _named(_speed_ratio(row, bases[key]), row)
        for row, case in rows
        if other(case) and (key := (row.task, case.kernel, case.stride)) in bases
    ]


def _speed_ratio(row: Row, base: Row) -> float:
    """Bytes a second of the one over those of the other."""
    return row.moved / base.moved * times_as_long(base.samples[OURS], row.samples[OURS])


def _of_dtype(dtype: str) -> Callable[[Results], Figures]:
    return lambda results: _compared(
        results, "dtype", lambda case: case.dtype == "float32", lambda case: case.dtype == dtype
    )


def _channels_last(results: Results) -> Figures:
    return _compared(
        results, "layout", lambda case: case.axes is None, lambda case: case.axes is not None
    )


def _tiny(against: str | None) -> Callable[[Results], Figures]:
    def figures(results: Results) -> Figures:
        return [
            _named(row.ratios[against] if against else row.seconds[OURS] * 1e6, row)
            for row, case in _rows(results, FORWARD)
            if case is TINY and (not against or against in row.ratios)
        ]

    return figures


def _threads(place: str) -> Callable[[Results], Figures]:
    def figures(results: Results) -> Figures:
        rows = _rows(results, FORWARD, INDICES, BACKWARD)
        return _ratios((row for row, case in rows if case.name.endswith(f" {place}")), _ONE_THREAD)

    return figures


def _against_numpy(results: Results) -> Figures:
    return _ratios(results.rows, _NUMPY)


def _any_layer(task: str) -> Callable[[Results], Figures]:
    return lambda results: _ratios(
        (row for row in results.rows if row.group == LAYERS and row.task == task), "torch"
    )


def _mean_and_each(
    words: str, mean: float, each: float, of_all: Callable[[Results], Figures],
    of_each: Callable[[Results], Figures] | None = None, which: str = "each",
) -> Iterable[Target]:  # fmt: skip
    yield Target(f"{words}, geometric mean", mean, of_all, mean=True, unit="x")
    yield Target(f"{words}, {which}", each, of_each or of_all, unit="x")


TARGETS: tuple[Target, ...] = (
    *_mean_and_each(
        "forward with winners / PyTorch", 15, 5,
        _against_torch(INDICES), _against_torch(INDICES, _SHORT), "each over 50 us",
    ),
    *_mean_and_each("forward / the best of four peers", 1.5, 1, _against_the_best),
    *_mean_and_each("backward / PyTorch", 4, 1.3, _against_torch(BACKWARD)),
    Target("forward, stride 2, out of cache: of copy speed", 0.85, _share_of_copy(FORWARD)),
    Target("the same with winners", 0.85, _share_of_copy(INDICES)),
    Target("the same backward", 0.75, _share_of_copy(BACKWARD)),
    Target("time of 63x63 / 3x3, stride 1, with winners", 3, _widest_window, most=True, unit="x"),
    *(
        Target(f"bytes a second of {dtype} / float32", 0.75, _of_dtype(dtype), unit="x")
        for dtype in ("float16", "bfloat16", "float64", "int8", "uint8", "uint16")
    ),
    Target("bytes a second of channels last / first", 0.75, _channels_last, unit="x"),
    Target("a call on 1x1x28x28, forward", 3, _tiny(None), most=True, unit=" us"),
    Target("the same / PyTorch", 1, _tiny("torch"), unit="x"),
    Target("two threads / one, in cache", 1.7, _threads("in cache"), unit="x"),
    Target("two threads / one, out of cache", 1, _threads("out of cache"), unit="x"),
    Target("any shape / the numpy engine", 1, _against_numpy, unit="x"),
    *(
        Target(f"any layer / PyTorch, {task}", 1, _any_layer(task), unit="x")
        for task in (FORWARD, INDICES, BACKWARD)
    ),
)  # fmt: skip
