"""What is done with a layer in a case, and what is seen: the same for learners' layers and ours."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..pool import max_pool, max_pool_backward
from .casebook import SCRIPTS, Case
from .geometry import Pool
from .probes import arranged, powers

Array = NDArray[Any]


class Pooling(Protocol):
    """What a case is done with: images and gradients are (N, C, H, W)."""

    def forward(self, x: Array) -> Any: ...

    def backward(self, dout: Array) -> Any: ...


Maker = Callable[[Pool, tuple[int, ...]], Pooling]


class Unusable(Exception):
    """A layer returned something that is no array, or nothing; says what."""

    def __init__(self, kind: str, got: str) -> None:
        super().__init__(got)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception: its type and message, what kind it is, and the learner's line that did it."""

    type: str
    message: str
    kind: tuple[Any, ...]
    deliberate: bool = False
    line: str = ""
    number: int = 0


@dataclass(slots=True)
class Step:
    """One call. `value` is what came back; `failure`, `unusable` why nothing did."""

    what: str  # "construct", "forward" or "backward"
    value: Array | None = None
    failure: Failure | None = None
    unusable: tuple[str, str] | None = None


@dataclass(slots=True)
class Seen:
    """All that a layer did in one case."""

    steps: list[Step] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)  # "x-changed", "dout-changed", ...
    ended: tuple[str, str] | None = None  # the process came to its end: how, and what it said

    def step(self, number: int) -> Step | None:
        return self.steps[number] if number < len(self.steps) else None


def perform(case: Case, make: Maker, watch: bool = False) -> Seen:
    """Do the case with layers from `make`; with `watch` also see what happens to the arrays."""
    seen, layers = Seen(), {}
    handed: list[tuple[str, Array, Array]] = []
    returned: list[tuple[str, Array, Array]] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for what, which, input_name in SCRIPTS[case.script]:
        x = case.x if input_name == "x" else case.other
        assert x is not None
        step = Step(what)
        try:
            if which not in layers:
                layers[which] = _made(make, case.pool, x.shape)
            if what == "forward":
                given = arranged(x, case.x_layout)
            else:
                given = arranged(gradient(case, shapes[which], x.dtype), case.dy_layout)
            if watch:
                handed.append((what, given, given.copy()))
            call = layers[which].forward if what == "forward" else layers[which].backward
            got = _checked(call(given))
            step.value = np.array(got)  # as it is now: a layer may write into it again
            if what == "forward":
                shapes[which] = _shape_of_gradient(got, case, x)
            if watch:
                returned.append((what, got, step.value))
                if np.shares_memory(got, given) and got.flags.writeable:
                    seen.marks.add(f"{what}-aliases")
        except _NotMade as error:
            step.what, step.failure = "construct", error.failure
        except Unusable as error:
            step.unusable = error.kind, str(error)
        except BaseException as error:
            step.failure = failure_of(error)
        seen.steps.append(step)
        if step.value is None:
            break
    _watch(seen, handed, returned)
    return seen


class _NotMade(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


def _made(make: Maker, pool: Pool, shape: tuple[int, ...]) -> Pooling:
    try:
        return make(pool, shape)
    except BaseException as error:
        raise _NotMade(failure_of(error)) from error


def _checked(value: Any) -> Array:
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if value is None:
        raise Unusable("nothing", "None")
    raise Unusable("type", type(value).__name__)


def _shape_of_gradient(y: Array, case: Case, x: Array) -> tuple[int, ...]:
    """dout has y's shape, also where that is wrong, so that backward can be seen at all."""
    return y.shape if y.ndim == 4 and y.size <= 4096 else case.y_shape(x)


def gradient(case: Case, shape: tuple[int, ...], dtype: Any) -> Array:
    dy = powers(shape)
    if case.dy == "fractions":
        dy = dy % 97 + 0.5
    elif case.dy == "falling":
        dy = dy.reshape(-1)[::-1].reshape(shape)
    elif case.dy == "exact":
        dy = dy + 2.0**40
    if case.group == "dtype" and np.dtype(dtype).kind == "f":
        dy = dy.astype(dtype)
    return dy


def _watch(
    seen: Seen,
    handed: list[tuple[str, Array, Array]],
    returned: list[tuple[str, Array, Array]],
) -> None:
    for what, now, before in handed:
        if not same(now, before):
            seen.marks.add("x-changed" if what == "forward" else "dout-changed")
    for what, now, before in returned:
        if not same(now, before):
            seen.marks.add(f"{what}-overwritten")


def same(one: Array, two: Array) -> bool:
    """Equal shapes, and values equal to a thousandth: probes are whole numbers."""
    if one.shape != two.shape:
        return False
    if one.dtype.kind not in "biufc" or two.dtype.kind not in "biufc":
        return False
    a, b = one.astype(np.float64), two.astype(np.float64)
    equal = a == b
    if equal.all():
        return True
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(a - b) <= 1e-3 * np.minimum(1.0, np.abs(b) + 1e-9)
    return bool((equal | close | (np.isnan(a) & np.isnan(b))).all())


class Reference:
    """ndpool's own layer."""

    def __init__(self, pool: Pool, _: tuple[int, ...]) -> None:
        self.pool = pool

    def forward(self, x: Array) -> Array:
        kernel, words = self.pool.kernel, self.pool.words()
        y, self.indices = max_pool(x, kernel, return_indices=True, **words)
        self.x_shape = x.shape
        return y

    def backward(self, dout: Array) -> Array:
        kernel, words = self.pool.kernel, self.pool.words()
        return max_pool_backward(dout, self.indices, self.x_shape, kernel, **words)


def expected(case: Case) -> Seen:
    """What a right layer does."""
    return perform(case, Reference)


_KINDS = (
    (r"cannot reshape array of size (\d+) into shape \(?([^)]*)\)?", "reshape"),
    (r"could not broadcast|operands could not be broadcast|shape mismatch", "broadcast"),
    (r"non-broadcastable", "broadcast"),
    (r"index .*out of bounds|out of range", "index"),
    (r"zero-size array|empty sequence|arg is an empty|empty iterable", "empty"),
    (r"unpack", "unpack"),
    (r"negative dimensions", "negative"),
)


def failure_of(error: BaseException) -> Failure:
    """What can be told of an exception without the objects that it holds."""
    message = str(error)[:300]
    line, number = _own_line(error)
    return Failure(
        type(error).__name__,
        message,
        _kind(type(error).__name__, message),
        isinstance(error, NotImplementedError) or bool(re.search(r"\b(raise|assert)\b", line)),
        line,
        number,
    )


def _kind(name: str, message: str) -> tuple[Any, ...]:
    for pattern, kind in _KINDS:
        match = re.search(pattern, message)
        if match and kind == "reshape":
            sides = [int(side) for side in re.findall(r"-?\d+", match[2])]
            return (kind, int(match[1]), int(np.prod([side for side in sides if side > 0])))
        if match and kind == "broadcast":
            return (kind, *re.findall(r"shape (\([\d,]*\))", message))
        if match:
            return (kind,)
    return (name,)


def _own_line(error: BaseException) -> tuple[str, int]:
    """The innermost line that is neither NumPy's nor ours."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "numpy" not in frame.filename and "ndpool" not in frame.filename.replace("\\", "/"):
            return (frame.line or "").strip(), frame.lineno or 0
    return "", 0
