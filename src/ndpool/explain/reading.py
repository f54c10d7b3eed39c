"""What a trace says about its cells: which are winners, whose window they are in, what is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .steps import Array, Index, Link, Step

if TYPE_CHECKING:
    from .trace import Trace


def winners(steps: tuple[Step, ...]) -> dict[str, Array]:
    """For each step bool, of its shape: forward the cells that won, backward those they lead to.

    Forward, the cells whose numbers reach out; backward, the cells that numbers of dout reach.
    """
    marks = {step.name: np.zeros(step.array.size, bool) for step in steps}
    marks["out"][:] = marks["dout"][:] = True
    for step in steps[::-1]:
        if step.phase == "forward":
            for link in _values(step):
                marks[link.step][link.cells[marks[step.name][_owners(link)]]] = True
    for step in steps:
        if step.phase == "backward":
            for link in _values(step):
                marks[step.name][_owners(link)[marks[link.step][link.cells]]] = True
    # Not a number that reaches out, but where that number stands.
    for step in steps:
        if step.name in ("argmax", "winners"):
            marks[step.name][:] = True
    return {step.name: marks[step.name].reshape(step.shape) for step in steps}


def incomplete(trace: Trace) -> Array:
    """Bool, of x's shape: cells around the region, which are in windows not shown too."""
    marked = np.ones(trace["x"].shape, bool)
    rows, columns = (
        slice(first - offset, end - offset)
        for (first, end), (offset, _) in zip(trace.part.region, trace.part.cells, strict=True)
    )
    marked[:, :, rows, columns] = False
    return marked


def busiest(trace: Trace) -> Index:
    """The cell of dx, all of whose windows are shown, that won most; the first of several."""
    step, cells = trace["out"], np.arange(trace.out.size)
    while step.name != "x":  # every output at once, from each to the one that it was copied from
        (link,) = _values(step)
        step, cells = trace[link.step], link.cells[link.starts[cells]]
    won = np.bincount(cells, minlength=step.array.size).reshape(step.shape)
    won[trace.incomplete] = -1
    return tuple(int(i) for i in np.unravel_index(np.argmax(won), won.shape))


def place(trace: Trace, step: Step, index: Index) -> dict[str, int]:
    """Where a cell stands along each named axis, in the whole; composite axes taken apart."""
    named: dict[str, int] = {}
    for name, at in zip(step.axes, index, strict=True):
        parts = name.split("·")
        sizes = [trace.axes[part].size for part in parts]
        for part, local in zip(parts, np.unravel_index(at, sizes), strict=True):
            named[part] = int(local) + trace.axes[part].offset
    return named


def windows_holding(trace: Trace, index: Index) -> int:
    """How many of the windows shown hold the cell of x at `index`."""
    adds = trace["dx" if trace.config.dialect == "direct" else "col2im"]
    if adds.name == "col2im":
        ((_, index),) = trace["dx"].sources(*index)
    return len(adds.links[0].of(adds.cell(index)))


def _values(step: Step) -> list[Link]:
    return [link for link in step.links if link.role == "value"]


def _owners(link: Link) -> Array:
    """For each of the link's cells, the cell of the step that it is a source of."""
    return np.repeat(np.arange(len(link.starts) - 1), np.diff(link.starts))
