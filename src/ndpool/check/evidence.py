"""What exactly is wrong in a case: which cell, where its number came from, what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .casebook import SCRIPTS, Case
from .probes import MOST_OUTPUTS, decoded
from .script import Step, gradient
from .wordings import say

Array = NDArray[Any]
MOST_LISTED = 4


def evidence(
    case: Case, number: int, theirs: Step | None, right: Step | None, lang: str
) -> list[str]:
    """Sentences about step `number` of a case."""
    if theirs is None or right is None:
        return []
    if theirs.failure is not None:
        failure = theirs.failure
        line = [
            say(
                lang,
                "seen.raised",
                what=say(lang, f"calls.{theirs.what}"),
                type=failure.type,
                message=_short(failure.message),
            )
        ]
        if failure.line:
            line.append(say(lang, "seen.at", number=failure.number, line=_short(failure.line, 60)))
        return line
    if theirs.unusable is not None:
        kind, got = theirs.unusable
        return [say(lang, f"seen.{kind}", what=say(lang, f"calls.{theirs.what}"), got=got)]
    if theirs.value is None or right.value is None:
        return []
    if theirs.value.shape != right.value.shape:
        return [
            say(
                lang,
                "seen.shape",
                array="y" if theirs.what == "forward" else "dx",
                got=_shape(theirs.value.shape),
                expected=_shape(right.value.shape),
            )
        ]
    at = first_difference(theirs.value, right.value)
    if at is None:
        return []
    if theirs.what == "forward":
        return [_output(case, number, theirs.value, right.value, at, lang)]
    return _gradient(case, number, theirs.value, right.value, at, lang)


def first_difference(theirs: Array, right: Array) -> tuple[int, ...] | None:
    """Where two arrays differ: where something is missing rather than where too much is."""
    both = [np.asarray(array, dtype=np.float64) for array in (theirs, right)]
    with np.errstate(invalid="ignore"):
        wrong = ~(
            (np.abs(both[0] - both[1]) <= 1e-3)
            | (both[0] == both[1])
            | (np.isnan(both[0]) & np.isnan(both[1]))
        )
    if not wrong.any():
        return None
    missing = wrong & (both[1] != 0)
    chosen = missing if missing.any() else wrong
    return tuple(int(i) for i in np.argwhere(chosen)[0])


def _output(case: Case, number: int, theirs: Array, right: Array, at: Any, lang: str) -> str:
    x = _input(case, number)
    got, expected = theirs[at], right[at]
    return say(
        lang,
        "seen.output",
        cell=_cell("y", at),
        got=_number(got),
        source=_source(x, got, lang),
        expected=_number(expected),
        origin=_source(x, expected, lang),
    )


def _source(x: Array, value: Any, lang: str) -> str:
    """= x[n,c,i,j], where the value stands in one cell alone."""
    found = np.argwhere(x == value)
    if len(found) == 1:
        return f" = {_cell('x', found[0])}"
    return "" if len(found) else say(lang, "seen.nowhere")


def _gradient(
    case: Case, number: int, theirs: Array, right: Array, at: Any, lang: str
) -> list[str]:
    cell = _cell("dx", at)
    head = say(
        lang, "seen.gradient", cell=cell, got=_number(theirs[at]), expected=_number(right[at])
    )
    size = int(np.prod(case.y_shape()))
    codes = (
        decoded_outputs(case, float(theirs[at]), size),
        decoded_outputs(case, float(right[at]), size),
    )
    if codes[0] is None or codes[1] is None:
        return [head]
    had, needed = set(codes[0]), set(codes[1])
    parts = []
    for key, chosen in (
        ("missing", needed - had),
        ("extra", had - needed),
        ("kept", had & needed),
    ):
        if chosen:
            listed = _outputs(case, sorted(chosen))
            many = "many" if len(chosen) > 1 else "one"
            parts.append(say(lang, f"seen.{key}-{many}", outputs=listed))
    return [head + (say(lang, "seen.colon") + say(lang, "seen.comma").join(parts) if parts else "")]


def decoded_outputs(case: Case, value: float, size: int) -> tuple[int, ...] | None:
    """The outputs that add up to a gradient, where dout was powers of two."""
    if case.dy == "powers":
        return decoded(value, size)
    if case.dy == "falling" and size <= MOST_OUTPUTS:
        found = decoded(value, size)
        return None if found is None else tuple(sorted(size - 1 - number for number in found))
    return None


def _outputs(case: Case, numbers: list[int]) -> str:
    shape = case.y_shape()
    listed = [
        np.unravel_index(number, shape)[0 if shape[0] * shape[1] > 1 else 2 :]
        for number in numbers[:MOST_LISTED]
    ]
    text = ", ".join(f"({','.join(str(int(i)) for i in where)})" for where in listed)
    return text + (", ..." if len(numbers) > MOST_LISTED else "")


def _input(case: Case, number: int) -> Array:
    """The input of the forward call that step `number` belongs to."""
    name = SCRIPTS[case.script][number][2]
    return case.x if name == "x" or case.other is None else case.other


def dout_of(case: Case) -> Array:
    """The gradient that the case sends back."""
    return gradient(case, case.y_shape(), case.x.dtype)


def _cell(name: str, at: Any) -> str:
    return f"{name}[{','.join(str(int(i)) for i in at)}]"


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _number(value: Any) -> str:
    number = float(value)
    if number == int(number) if np.isfinite(number) else False:
        return str(int(number))
    return f"{number:.4g}"


def _short(message: str, limit: int = 150) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
