"""Arrays as lines of text, with marks that need no colour: [winner], · padding, (incomplete)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .numbers import all_shown
from .reading import place
from .steps import Array, Index
from .terminal import painted, width

if TYPE_CHECKING:
    from .trace import Trace

INDENT, GAP = "  ", "  "
MOST_ROWS, MOST_BLOCKS = 40, 16
MARKS = {"": " {} ", "winner": "[{}]", "padding": " {} ", "context": "({})", "wrong": "!{}!"}
ELLIPSIS = "…"
Roles = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Table:
    """An array of texts, each with a role; `labels` stand before the rows, `heads` above columns.

    symbol: The array's name, which stands above each block of more than two dimensions.
    offsets: Where its first cell stands in the whole, along each axis.
    """

    symbol: str
    cells: NDArray[np.str_]
    roles: Roles
    labels: Sequence[str] = ()
    heads: Sequence[str] = ()
    offsets: Index = field(default=())


def of_array(symbol: str, array: Array, marked: Array | None = None, role: str = "winner") -> Table:
    """Of an array that is no step; `marked` says which of its cells have the role."""
    roles = np.full(array.shape, "", "<U7")
    if marked is not None:
        roles[marked] = role
    return Table(symbol, np.array(all_shown(array)).reshape(array.shape), roles)


def of_step(trace: Trace, name: str) -> Table:
    """Of a step: winners, padding and what is not complete are marked, rows and columns named."""
    step = trace[name]
    cells = np.array(all_shown(step.array), object).reshape(step.shape)
    roles = np.full(step.shape, "", "<U7")
    won = trace.winners[name]
    if not won.all():  # where all are, marks say nothing
        roles[won] = "winner"
    if step.padding is not None:
        cells[step.padding], roles[step.padding] = "·", "padding"
    if name in ("x", "dx"):
        roles[trace.incomplete] = "context"
    labels: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    first = tuple(0 for _ in step.shape)
    if step.array.ndim == 2:
        labels = tuple(_label(trace, name, row) for row in range(step.shape[0]))
    elif step.array.ndim > 2 and not trace.part.whole:
        first = trace.whole_index(name, first)
        if step.axes[-2] in ("r", "rp", "oh"):
            labels = tuple(str(first[-2] + row) for row in range(step.shape[-2]))
            heads = tuple(str(first[-1] + column) for column in range(step.shape[-1]))
    return Table(step.symbol, cells.astype(str), roles, labels, heads, first)


def _label(trace: Trace, name: str, row: int) -> str:
    """`5 (0,1,0,1)`: the row's number, and the coordinates that it is made of."""
    step = trace[name]
    at = place(trace, step, (row, 0))
    number, _ = trace.whole_index(name, (row, 0))
    return f"{number} ({','.join(str(at[part]) for part in step.axes[0].split('·'))})"


def lines(table: Table, columns: int, colour: bool = False) -> tuple[list[str], int]:
    """The table in lines of at most `columns`, and how many of its cells were left out."""
    if table.cells.ndim == 1:
        return _flat(table, columns, colour)
    blocks = list(_blocks(table))
    shown_blocks = blocks[:MOST_BLOCKS]
    drawn, left_out = [], prod(table.cells.shape[-2:]) * (len(blocks) - len(shown_blocks))
    for block in shown_blocks:
        drawing, hidden = _block(block, columns - len(INDENT), colour)
        drawn.append(drawing)
        left_out += hidden
    return [(INDENT + line).rstrip() for line in _beside(drawn, columns - len(INDENT))], left_out


@dataclass(frozen=True)
class _Drawing:
    lines: list[str]
    width: int


def _flat(table: Table, columns: int, colour: bool) -> tuple[list[str], int]:
    """One row, in as many lines as it needs."""
    size = max(map(len, table.cells), default=1)
    fit = max(1, (columns - len(INDENT)) // (size + 1))
    most = fit * MOST_ROWS
    texts = [cell.rjust(size) for cell in table.cells[:most]]
    rows = [INDENT + " ".join(texts[at : at + fit]) for at in range(0, len(texts), fit)]
    return rows, max(0, len(table.cells) - most)


def _blocks(table: Table) -> Iterator[Table]:
    """The matrices that it consists of, each named by its leading indices."""
    leading = table.cells.shape[:-2]
    offsets = table.offsets or (0,) * table.cells.ndim
    for at in product(*map(range, leading)):
        where = ",".join(str(i + offset) for i, offset in zip(at, offsets, strict=False))
        symbol = f"{table.symbol}[{where}]" if at and table.symbol else ""
        yield Table(symbol, table.cells[at], table.roles[at], table.labels, table.heads)


def _block(table: Table, columns: int, colour: bool) -> tuple[_Drawing, int]:
    """One matrix, elided in the middle where it does not fit."""
    rows, places = table.cells.shape
    size = max((len(text) for text in (*table.cells.reshape(-1), *table.heads)), default=1)
    gutter = max(map(len, table.labels), default=0) + bool(table.labels)
    kept_rows = kept(rows, MOST_ROWS)
    shown_places = kept(places, max(1, (columns - gutter) // (size + 2)))

    drawn = [table.symbol] if table.symbol else []
    if table.heads:
        drawn.append(" " * gutter + "".join(_plain(table.heads, at, size) for at in shown_places))
    for row in kept_rows:
        if row is None:
            drawn.append(" " * gutter + "".join(f" {ELLIPSIS:>{size}} " for _ in shown_places))
            continue
        label = table.labels[row].rjust(gutter - 1) + " " if table.labels else ""
        drawn.append(
            label
            + "".join(
                f" {ELLIPSIS:>{size}} "
                if at is None
                else _cell(table.cells[row, at], str(table.roles[row, at]), size, colour)
                for at in shown_places
            )
        )
    shown = sum(row is not None for row in kept_rows) * sum(at is not None for at in shown_places)
    across = max(gutter + len(shown_places) * (size + 2), len(table.symbol))
    return _Drawing(drawn, across), rows * places - shown


def kept(count: int, most: int) -> list[int | None]:
    """The positions that are shown; None stands for those left out."""
    if count <= most:
        return list(range(count))
    last = [count - 1] if most > 2 else []
    return [*range(max(1, most - 1 - len(last))), None, *last]


def _plain(texts: Sequence[str], at: int | None, size: int) -> str:
    return f" {ELLIPSIS if at is None else texts[at]:>{size}} "


def _cell(text: str, role: str, size: int, colour: bool) -> str:
    marked = MARKS[role].format(text)
    before = " " * (size + 2 - len(marked))
    if not role:
        return before + marked
    # Spaces stay outside of the colour, so that they can be cut off at the end of a line.
    return before + marked.replace(marked.strip(), painted(marked.strip(), role, colour))


def _beside(drawings: Sequence[_Drawing], columns: int) -> list[str]:
    """As many side by side as fit, a blank line between one row of them and the next."""
    if not drawings:
        return []
    across = max(drawing.width for drawing in drawings)
    fit = max(1, (columns + len(GAP)) // (across + len(GAP)))
    rows: list[str] = []
    for at in range(0, len(drawings), fit):
        if at:
            rows.append("")
        some = [drawing.lines for drawing in drawings[at : at + fit]]
        for texts in zip(*some, strict=True):
            rows.append(GAP.join(text + " " * (across - width(text)) for text in texts))
    return rows
