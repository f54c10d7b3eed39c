"""Lines to copy and run, which show a failure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adapters import Profile
from .adapters.layouts import to_layout
from .casebook import SCRIPTS, Case
from .evidence import dout_of, first_difference
from .probes import arranged
from .script import Step


def reproducer(
    case: Case,
    lines: list[str],
    profile: Profile,
    number: int,
    theirs: Step | None,
    right: Step | None,
) -> str:
    """The case as a script: `lines` make the layer, and run it forward and backward."""
    script = ["import numpy as np"]
    if profile.source:
        script.append(profile.source)
    script.append(f"x = {_array(to_layout(case.x, profile.layout))}")
    if case.other is not None:
        script.append(f"other = {_array(to_layout(case.other, profile.layout))}")
    layout = {"F": "x = np.asfortranarray(x)"}.get(case.x_layout)
    if layout:
        script.append(layout)
    body = [line for line in lines if not line.startswith(("y = ", "dx = "))]
    forward = next((line for line in lines if line.startswith("y = ")), "")
    backward = next((line for line in lines if line.startswith("dx = ")), "")
    script += body
    for what, _, name in _steps(case, number):
        if what == "forward":
            script.append(forward.replace("(x)", f"({name})"))
        elif backward:
            dout = arranged(dout_of(case), "C")
            script.append(f"dout = {_array(to_layout(dout, profile.layout))}")
            script.append(backward)
    script.append(_last(case, number, profile, theirs, right))
    return "\n".join(dict.fromkeys(line for line in script if line))


def _steps(case: Case, number: int) -> tuple[tuple[str, str, str], ...]:
    return SCRIPTS[case.script][: number + 1]


def _last(
    case: Case, number: int, profile: Profile, theirs: Step | None, right: Step | None
) -> str:
    name = "y" if SCRIPTS[case.script][number][0] == "forward" else "dx"
    if theirs is None or theirs.value is None or right is None or right.value is None:
        return f"print({name})"
    if theirs.value.shape != right.value.shape:
        shapes = f"{theirs.value.shape}, expected {right.value.shape}"
        return f"print({name}.shape)  # as (N, C, H, W): {shapes}"
    at = first_difference(theirs.value, right.value)
    if at is None:
        return f"print({name})"
    axes = "NCHW"
    where = ", ".join(str(at[axes.index(axis)]) for axis in profile.layout)
    return f"print({name}[{where}])  # {theirs.value[at]:.6g}, expected {right.value[at]:.6g}"


def _array(array: NDArray[Any]) -> str:
    """Source of an array; short numbers, its dtype only where it is not the usual one."""
    text = np.array2string(array, separator=", ", threshold=10**6, floatmode="unique")
    text = " ".join(text.split()).replace("nan", "np.nan").replace("inf", "np.inf")
    if array.size == 0:
        return f"np.zeros({array.shape}, {str(array.dtype)!r})"
    usual = array.dtype in (np.float64,)
    return f"np.array({text})" if usual else f"np.array({text}, {str(array.dtype)!r})"
