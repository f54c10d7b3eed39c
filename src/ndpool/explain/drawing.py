"""How a picture is drawn with matplotlib: panels of cells, arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from .numbers import all_shown
from .steps import Array, Index, Step
from .tables import kept

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .trace import Trace

# inches, and points
CELL = 0.34  # a cell's height and least width
DIGIT, SMALL_DIGIT = 0.074, 0.061  # what a digit of each font needs
ARROW, MARGIN, TITLE, NAME, GAP = 0.95, 0.2, 0.24, 0.2, 0.2
FONT, SMALL_FONT = 8.5, 7.0
MOST, MOST_BLOCKS = 24, 16  # rows and columns of a matrix, and matrices: more are left out
WINNER_FILL, INK, FAINT = "#d0d0d0", "black", "#8a8a8a"


@dataclass(frozen=True, eq=False)
class Block:
    """One matrix of a panel: its leading indices, its name, and its upper left corner."""

    at: Index
    name: str
    left: float
    top: float


@dataclass(frozen=True, eq=False)
class Panel:
    """A step's array as blocks, in inches. `rows` and `columns` are shown, None is left out."""

    step: Step
    texts: Array
    blocks: Sequence[Block]
    rows: Sequence[int | None]
    columns: Sequence[int | None]
    cell: float
    width: float
    height: float


def panels(trace: Trace, names: Sequence[str]) -> Figure:
    """The steps of these names side by side, and what leads from one to the next."""
    laid_out = [_laid_out(trace, trace[name]) for name in names]
    height = max(panel.height for panel in laid_out) + TITLE + 2 * MARGIN
    width = sum(panel.width for panel in laid_out) + ARROW * (len(laid_out) - 1) + 2 * MARGIN
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.axis("off")

    followed = _followed(trace)
    left, middle = MARGIN, height / 2 + TITLE / 2
    for before, panel in zip([None, *laid_out], laid_out, strict=False):
        if before is not None:
            _arrow(ax, left, middle, _operation(before.step, panel.step))
            left += ARROW
        _panel(ax, trace, panel, left, middle - panel.height / 2, followed[panel.step.name])
        left += panel.width
    return figure


def images(trace: Trace) -> Figure:
    """Input, winners and gradient of each channel shown, as images."""
    x, out, dx = (trace[name] for name in ("x", "out", "dx"))
    n, c, height, width = x.shape
    rows = min(n * c, 4)
    side = 3.2
    figure = Figure(figsize=(3 * side * max(1, min(2, width / height)), side * rows + 0.3))
    slopes = _finite(_plain(dx.array))
    highest = float(np.abs(slopes).max(initial=0)) or 1.0
    # From light to dark, so that grey prints tell it too; where there is minus, 0 is in between.
    lowest = -highest if slopes.min(initial=0) < 0 else 0.0
    for row in range(rows):
        at = divmod(row, c)
        titles = (f"{step.symbol}[{at[0]},{at[1]}]" for step in (x, x, dx))
        axes = [figure.add_subplot(rows, 3, 3 * row + column + 1) for column in range(3)]
        picture, won = _plain(x.array[at]), trace.winners["x"][at]
        axes[0].imshow(picture, cmap="gray", interpolation="nearest")
        axes[1].imshow(picture, cmap="gray", interpolation="nearest", alpha=0.35)
        down, across = np.nonzero(won)
        size = max(1.5, min(7.0, 120 / max(height, width)))
        axes[1].plot(across, down, "s", color=INK, markersize=size, fillstyle="none")
        drawn = axes[2].imshow(
            _plain(dx.array[at]), cmap="gray_r", vmin=lowest, vmax=highest, interpolation="nearest"
        )
        figure.colorbar(drawn, ax=axes[2], fraction=0.046)
        marked = ("", f": {np.count_nonzero(won)} □ -> {out.symbol}", "")
        for ax, title, more in zip(axes, titles, marked, strict=True):
            ax.set_title(title + more, fontsize=FONT, family="monospace")
            ax.set_xticks([])
            ax.set_yticks([])
    figure.tight_layout()
    return figure


def _laid_out(trace: Trace, step: Step) -> Panel:
    """A vector as a column; a matrix as it is; of more axes, the matrices in a near square."""
    *leading, rows, columns = _as_matrices(step)
    texts = np.array(all_shown(step.array)).reshape(step.shape)
    if step.padding is not None:
        texts[step.padding] = ""
    texts = texts.reshape(*leading, rows, columns)
    cell = max(CELL, DIGIT * max(map(len, texts.reshape(-1))) + 0.08)
    kept_rows, kept_columns = kept(rows, MOST), kept(columns, MOST)
    block_width, block_height = cell * len(kept_columns), CELL * len(kept_rows)
    named = [_name(trace, step, at) for at in np.ndindex(*leading)]
    block_width = max(block_width, SMALL_DIGIT * max(map(len, named)))
    name = NAME if leading else 0.0

    count = min(prod(leading), MOST_BLOCKS)
    across = max(1, round(sqrt(count * (block_height + name) / (block_width + GAP))))
    if len(leading) == 2 and leading[1] <= 4:
        across = leading[1]  # one image a line, its channels beside each other
    across = min(across, count)
    blocks = []
    for number, at in zip(range(count), np.ndindex(*leading), strict=False):
        down, beside = divmod(number, across)
        left, top = beside * (block_width + GAP), down * (block_height + name + GAP)
        blocks.append(Block(at, named[number], left, top + name))
    lines = ceil(count / across)
    return Panel(
        step, texts, blocks, kept_rows, kept_columns, cell,
        max(across * (block_width + GAP) - GAP, 0.085 * len(_title(step))),
        lines * (block_height + name + GAP) - GAP,
    )  # fmt: skip


def _as_matrices(step: Step) -> tuple[int, ...]:
    """The step's shape; a vector's with one column."""
    return step.shape if step.array.ndim > 1 else (*step.shape, 1)


def _name(trace: Trace, step: Step, at: Index) -> str:
    """`x[0,1]`, of one of the matrices; no name for the only one."""
    if not at:
        return ""
    whole = trace.whole_index(step.name, (*at, 0, 0))[:-2]
    return f"{step.symbol}[{','.join(map(str, whole))}]"


def _title(step: Step) -> str:
    return f"{step.symbol} ({' x '.join(map(str, step.shape))})"


def _panel(
    ax: Axes, trace: Trace, panel: Panel, left: float, top: float, followed: set[int]
) -> None:
    step, won = panel.step, trace.winners[panel.step.name]
    shape = _as_matrices(step)
    marked = np.zeros(shape, bool) if won.all() else won.reshape(shape)
    padding = np.zeros(shape, bool) if step.padding is None else step.padding.reshape(shape)
    framed = np.zeros(step.array.size, bool)
    framed[list(followed)] = True
    framed = framed.reshape(shape)
    ax.text(left, top - 0.07, _title(step), fontsize=FONT, fontweight="bold", family="monospace",
            va="bottom")  # fmt: skip
    for block in panel.blocks:
        x, y = left + block.left, top + block.top
        ax.text(x, y - 0.04, block.name, fontsize=SMALL_FONT, family="monospace", va="bottom")
        for down, row in enumerate(panel.rows):
            for across, column in enumerate(panel.columns):
                corner = x + across * panel.cell, y + down * CELL
                if row is None or column is None:
                    _word(ax, corner, panel.cell, "…", FAINT)
                    continue
                at = (*block.at, row, column)
                text = str(panel.texts[at])
                is_nothing = step.phase == "backward" and not marked[at] and not won.all()
                _box(ax, corner, panel.cell, bool(marked[at]), bool(padding[at]))
                _word(ax, corner, panel.cell, text, FAINT if is_nothing else INK, bool(marked[at]))
                if framed[at]:
                    _frame(ax, corner, panel.cell)


Corner = tuple[float, float]


def _box(ax: Axes, corner: Corner, cell: float, won: bool, padding: bool) -> None:
    """A cell; a winner has a heavy border and a grey ground, padding is hatched."""
    ax.add_patch(
        Rectangle(
            corner, cell, CELL, facecolor=WINNER_FILL if won else "white", edgecolor=INK,
            linewidth=1.6 if won else 0.4, zorder=2 if won else 1,
            hatch="/////" if padding else None,
        )
    )  # fmt: skip


def _word(
    ax: Axes, corner: Corner, cell: float, text: str, colour: str, bold: bool = False
) -> None:
    """What stands in a cell."""
    if text:
        ax.text(
            corner[0] + cell / 2, corner[1] + CELL / 2, text, fontsize=FONT, ha="center",
            va="center_baseline", family="monospace", fontweight="bold" if bold else "normal",
            color=colour, zorder=3,
        )  # fmt: skip


def _frame(ax: Axes, corner: Corner, cell: float) -> None:
    """Dashes just inside a cell's border: it belongs to the window that is followed."""
    inset = 0.035
    ax.add_patch(
        Rectangle(
            (corner[0] + inset, corner[1] + inset), cell - 2 * inset, CELL - 2 * inset,
            facecolor="none", edgecolor=INK, linewidth=0.9, linestyle=(0, (2.5, 1.5)), zorder=4,
        )
    )  # fmt: skip


def _arrow(ax: Axes, left: float, middle: float, words: str) -> None:
    ax.add_patch(
        FancyArrowPatch(
            (left + 0.15, middle), (left + ARROW - 0.15, middle), arrowstyle="-|>",
            mutation_scale=14, linewidth=1.4, color=INK,
        )
    )  # fmt: skip
    ax.text(left + ARROW / 2, middle - 0.1, words, fontsize=SMALL_FONT, ha="center", va="bottom",
            family="monospace")  # fmt: skip


_OPERATIONS = {
    "pad": "pad",
    "im2col": "im2col",
    "reshape": "reshape",
    "max": "max",
    "out": "reshape\ntranspose",
    "windows": "windows",
    "winners": "argmax",
    "transpose": "transpose",
    "fill": "to arg_max",
    "dcol": "reshape",
    "col2im": "col2im\n+=",
    "routes": "to winners",
}


def _operation(before: Step, step: Step) -> str:
    """What the arrow from one panel to the next says."""
    if step.name == "dx":
        return {"col2im": "crop", "routes": "+="}.get(before.name, "col2im\n+=")
    return _OPERATIONS.get(step.name, step.name)


def _followed(trace: Trace) -> dict[str, set[int]]:
    """The cells of each step that belong to one window: the first that the busiest cell won."""
    outputs = trace.follow("dx", trace.busiest, to="dout")
    output = min(outputs) if outputs else (0,) * 4
    found: dict[str, set[int]] = {step.name: set() for step in trace.steps}
    cell = trace["out"].cell(output)
    found["out"], found["dout"] = {cell}, {cell}
    for step in trace.steps[::-1]:
        if step.phase == "forward":
            for link in step.links:
                for at in found[step.name]:
                    found[link.step].update(link.of(at).tolist())
    # Where the winner stands was found among the same cells.
    for step in trace.steps:
        if step.phase == "backward" or step.name in ("argmax", "winners"):
            for link in step.links:
                for at in found[link.step]:
                    found[step.name].update(link.reaching(at).tolist())
    return found


def _plain(array: Array) -> Array:
    """For matplotlib, which knows no bfloat16 and no bool arithmetic."""
    return array.astype(np.float64)


def _finite(array: Array) -> Array:
    return array[np.isfinite(array)]
