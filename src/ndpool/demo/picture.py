"""The picture of `Inside`: one digit forward through the pooling, and its gradient back.

Needs matplotlib, which is imported when a picture is drawn and not before. The colours can be told
apart with any kind of colour vision.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .inside import Inside
from .network import POOL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

INK, VALUES, GRADIENT = "Greys", "Blues", "PRGn"
WINNER, TIED = "#d55e00", "#8a8a8a"  # vermilion of Okabe and Ito's palette; grey
CLOSE = 4  # windows along each side of the close-up

# inches
WIDTH, HEIGHT, MARGIN = 15.0, 15.8, 0.35
ROWS = 0.1, 3.8, 7.7, 11.5  # from the upper edge
PANEL, GAP = 2.6, 0.325  # five panels a row
CLOSE_PANEL, CLOSE_GAP = 3.2, 0.5  # four panels


def able() -> bool:
    """Whether matplotlib is installed; it is not imported to find out."""
    return find_spec("matplotlib") is not None


def draw(inside: Inside, path: Path) -> None:
    """Write the picture as a PNG. ImportError without matplotlib, OSError as `open` raises it."""
    from matplotlib.figure import Figure

    # (OH, OW): how much each window of the first map counts
    weight = np.abs(inside.pooled[0] * inside.dpooled[0])
    corner = _busiest(weight, CLOSE)
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    for row in (
        _values(figure, ROWS[0], inside),
        _pooled(figure, ROWS[1], inside),
        _gradient(figure, ROWS[2], inside),
    ):
        _outline(row[0], corner)
    _close_up(figure, ROWS[3], inside, corner)
    figure.savefig(path, format="png", dpi=100)


def _values(figure: Figure, top: float, inside: Inside) -> list[Axes]:
    _heading(figure, top, "1  Forward: a digit, and what convolution and ReLU make of it")
    first, *others = _panels(figure, top, 1 + len(inside.maps))
    _cells(first, inside.image, INK, 0, 1)
    first.set_title(f"a held-out {inside.label}")
    for ax, cells, number in zip(others, inside.maps, inside.filters, strict=True):
        _cells(ax, cells, VALUES, 0, inside.maps.max())
        ax.set_title(f"feature map {number + 1}")
    return others


def _pooled(figure: Figure, top: float, inside: Inside) -> list[Axes]:
    _heading(
        figure,
        top,
        f"2  Pooled: each {POOL}x{POOL} window keeps its highest value; "
        "the dot marks where the winner stood",
    )
    first, *others = _panels(figure, top, 1 + len(inside.maps))
    _probabilities(first, inside)
    height, width = inside.maps.shape[1:]
    for ax, cells, winners, tied in zip(
        others, inside.pooled, inside.winners, inside.tied, strict=True
    ):
        _cells(ax, cells, VALUES, 0, inside.maps.max(), stretch=POOL)
        row, column = np.divmod(winners, width)
        ax.plot(column[~tied] + 0.5, row[~tied] + 0.5, ".", color=WINNER, markersize=7)
        ax.plot(column[tied] + 0.5, row[tied] + 0.5, ".", color=TIED, markersize=2)
        ax.set_title(f"{height}x{width} became {cells.shape[0]}x{cells.shape[1]}")
    others[-1].text(
        1,
        -0.03,
        "grey: all cells of the window are equal, so the first one wins",
        ha="right",
        va="top",
        color="#555555",
        transform=others[-1].transAxes,
    )
    return others


def _gradient(figure: Figure, top: float, inside: Inside) -> list[Axes]:
    _heading(
        figure, top, "3  Backward: the gradient of the loss goes to the winners and nowhere else"
    )
    first, *others = _panels(figure, top, 1 + len(inside.maps))
    limit = float(np.abs(inside.dmaps).max())
    for ax, cells in zip(others, inside.dmaps, strict=True):
        image = _cells(ax, cells, GRADIENT, -limit, limit)
        ax.set_title(f"{np.count_nonzero(cells)} of {cells.size} cells")
    first.axis("off")
    bar = figure.colorbar(image, cax=first.inset_axes((0.05, 0.1, 0.12, 0.8)))
    bar.set_ticks([-limit, 0, limit])
    bar.set_ticklabels(["more here would\nlower the loss", "no change", "raise it"])
    return others


def _close_up(figure: Figure, top: float, inside: Inside, corner: tuple[int, int]) -> None:
    """A few windows of the first map, with their numbers."""
    _heading(figure, top, "4  Close up: what is in the dashed square, with numbers")
    row, column = corner
    small = np.s_[row : row + CLOSE, column : column + CLOSE]
    large = np.s_[row * POOL : (row + CLOSE) * POOL, column * POOL : (column + CLOSE) * POOL]
    height = float(inside.maps[0][large].max())
    limit = float(np.abs(inside.dpooled[0][small]).max())
    exponent = floor(log10(limit)) - 1 if limit else 0
    unit = f"in units of 1e{exponent}"

    go_in, come_out, dy, dx = _panels(figure, top, 4, CLOSE_PANEL, CLOSE_GAP)
    _cells(go_in, inside.maps[0][large], VALUES, 0, height, numbers="{:.2f}", size=7.5)
    _cells(come_out, inside.pooled[0][small], VALUES, 0, height, numbers="{:.2f}", size=12)
    scale = 10.0**-exponent
    back = limit * scale
    _cells(dy, inside.dpooled[0][small] * scale, GRADIENT, -back, back, numbers="{:.0f}", size=12)
    _cells(dx, inside.dmaps[0][large] * scale, GRADIENT, -back, back, numbers="{:.0f}", size=7.5)
    go_in.set_title("goes in; the winners are framed")
    come_out.set_title("the winners come out")
    dy.set_title(f"their gradient comes back, {unit}")
    dx.set_title("and goes to where they stood")
    for ax in (go_in, come_out, dy):
        middle = 1 + CLOSE_GAP / CLOSE_PANEL / 2
        ax.text(
            middle, 0.5, "\u2192", fontsize=26, ha="center", va="center", transform=ax.transAxes
        )
    winners = inside.winners[0][small]
    for ax in (go_in, dx):
        _windows(ax, winners, inside.maps.shape[2], row * POOL, column * POOL)


def _windows(ax: Axes, winners: Array, width: int, top: int, left: int) -> None:
    """Lines between the windows, and a frame around each winner."""
    from matplotlib.patches import Rectangle

    for line in range(POOL, CLOSE * POOL, POOL):
        ax.axhline(line, color="#555555", linewidth=0.8)
        ax.axvline(line, color="#555555", linewidth=0.8)
    for winner in winners.ravel():
        row, column = divmod(int(winner), width)
        corner = (column - left + 0.06, row - top + 0.06)
        ax.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=WINNER, linewidth=2))


def _outline(ax: Axes, corner: tuple[int, int]) -> None:
    """A dashed square around what the close-up shows."""
    from matplotlib.patches import Rectangle

    row, column = corner
    side = CLOSE * POOL
    ax.add_patch(
        Rectangle(
            (column * POOL, row * POOL), side, side, fill=False, linestyle="--", linewidth=1.5
        )
    )


def _busiest(weight: Array, size: int) -> tuple[int, int]:
    """The upper left corner of the square with the largest sum."""
    squares = np.lib.stride_tricks.sliding_window_view(weight, (size, size)).sum(axis=(2, 3))
    row, column = np.unravel_index(squares.argmax(), squares.shape)
    return int(row), int(column)


def _probabilities(ax: Axes, inside: Inside) -> None:
    """What the network makes of the digit."""
    colours = [WINNER if digit == inside.label else TIED for digit in range(10)]
    ax.barh(range(10), 100 * inside.probabilities, color=colours)
    ax.set(yticks=range(10), xlim=(0, 100), xticks=[0, 50, 100])
    ax.set_xticklabels(["0 %", "50 %", "100 %"])
    ax.invert_yaxis()
    ax.set_title("what the network says")


def _cells(
    ax: Axes,
    cells: Array,
    colours: str,
    low: float,
    high: float,
    *,
    stretch: int = 1,
    numbers: str | None = None,
    size: float = 0,
) -> Any:
    """One square of colour for each of `cells` (H, W), with its number in it if asked.

    Cell (i, j) covers the square from (i, j) * stretch to (i + 1, j + 1) * stretch.
    """
    height, width = cells.shape
    extent = (0, width * stretch, height * stretch, 0)
    ax.set(xticks=[], yticks=[])
    image = ax.imshow(cells, cmap=colours, vmin=low, vmax=high, extent=extent)
    if numbers is not None:
        for (row, column), value in np.ndenumerate(cells):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            colour = "white" if dark else "black" if value else "#aaaaaa"
            ax.text(
                column + 0.5,
                row + 0.5,
                numbers.format(value),
                ha="center",
                va="center",
                fontsize=size,
                color=colour,
            )
    return image


def _panels(
    figure: Figure, top: float, count: int, size: float = PANEL, gap: float = GAP
) -> list[Axes]:
    """`count` squares in a row, `top` inches below the upper edge and a heading's height."""
    bottom = 1 - (top + 0.8 + size) / HEIGHT
    return [
        figure.add_axes(
            ((MARGIN + number * (size + gap)) / WIDTH, bottom, size / WIDTH, size / HEIGHT)
        )
        for number in range(count)
    ]


def _heading(figure: Figure, top: float, words: str) -> None:
    figure.text(MARGIN / WIDTH, 1 - (top + 0.3) / HEIGHT, words, fontsize=16, fontweight="bold")
