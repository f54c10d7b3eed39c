"""Draw the figures of the docs: ``python tools/make_figures.py`` writes docs/figures/*.svg.

They are drawn from traces, by the code that readers have too, so they cannot say anything that the
code does not do. The tests draw them again and compare.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import ndpool
from ndpool.explain import Trace
from ndpool.explain.figures import Picture

FOLDER = Path(__file__).parent.parent / "docs" / "figures"


def coded(dialect: str = "rows") -> Trace:
    """Two channels of 4x4: each cell tells where it is."""
    return ndpool.explain((1, 2, 4, 4), 2, dialect=dialect)


def overlapping(dialect: str = "rows") -> Trace:
    """Windows that share cells; the 9 wins four of them."""
    x = np.array([[1, 2, 1, 0], [3, 9, 5, 2], [4, 8, 0, 7]])
    return ndpool.explain(x, 2, stride=1, dy="powers", dialect=dialect)


def padded() -> Trace:
    """All-negative input with padding around it."""
    x = np.array([[-5, -3, -7], [-2, -8, -1], [-6, -4, -9]])
    return ndpool.explain(x, 2, padding=1, dy="powers")


def figures() -> dict[str, Picture]:
    """Each by its file's name."""
    return {
        "forward": coded().figure("forward"),
        "image-to-matrix": coded("columns").figure("image_to_matrix"),
        "gradient-to-columns": coded("columns").figure("gradient_to_columns"),
        "columns-to-image": coded("columns").figure("columns_to_image"),
        "backward": coded().figure("backward"),
        "overlap": overlapping().figure("columns_to_image"),
        "padding": padded().figure("forward"),
        "direct": overlapping("direct").figure("backward"),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, picture in figures().items():
        path = FOLDER / f"{name}.svg"
        picture.save(path)
        print(f"{path.name}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
