"""The page of the docs: what was measured, in pictures and tables. All of it is written from here,
so that no number in it is typed by hand."""

from __future__ import annotations

from pathlib import Path

from . import plots, report
from .results import Results

PAGE = "benchmark.md"
_ABOUT = """# Benchmark

Written by `ndpool bench --docs docs`. All peers take turns in one process, on the same arrays, and
only those whose results are equal are timed. A time is the median of its turns, a ratio the median
of the ratios in the rounds of turns: what slows the machine for a second is on both sides of it.
"""


def write(results: Results, folder: Path) -> None:
    """`benchmark.md` and its pictures. Raises MissingExtra without matplotlib."""
    pictures = plots.draw(results, folder)
    shown = "\n".join(f"![{caption}]({file})\n\n{caption}\n" for file, caption in pictures.items())
    text = "\n".join([_ABOUT, report.markdown_head(results), shown, report.markdown(results)])
    (folder / PAGE).write_text(text, encoding="utf-8")
