"""A hard moment as text: its words, and the wrong arrays beside the right ones."""

from __future__ import annotations

from collections.abc import Iterator

from . import moments, tables
from .numbers import said
from .terminal import painted, wants_colour, wrapped
from .words import phrase, words

INDENT = "  "


def text(name: str, lang: str = "en", width: int = 80, colour: bool | None = None) -> str:
    """Of the moment of this name; PoolError if there is none."""
    return "\n".join(_lines(name, lang, width, wants_colour(colour))) + "\n"


def listing(lang: str, width: int = 80) -> str:
    """The names of all moments, and their titles."""
    across = max(map(len, moments.names())) + 2
    lines = []
    for name in moments.names():
        title = words(lang)["moments"][name]["title"]
        lines += wrapped(title, width, " " * across, name.ljust(across))
    return "\n".join(lines) + "\n"


def _lines(name: str, lang: str, width: int, colour: bool) -> Iterator[str]:
    trace = moments.trace(name, lang=lang)
    about = words(lang)["moments"][name]
    for line in wrapped(about["title"], width):
        yield painted(line, "title", colour)
    yield from wrapped(about["text"], width, INDENT)
    for exhibit in moments.exhibits(name):
        yield ""
        yield from wrapped(about["captions"][exhibit.caption], width, INDENT)
        role = "wrong" if exhibit.wrong else "winner"
        table = tables.of_array(exhibit.symbol, exhibit.array, exhibit.marked, role)
        yield from tables.lines(table, width, colour)[0]
        if exhibit.symbol == "dx":
            sums = {"dx": said(exhibit.array.sum()), "dout": said(trace["dout"].array.sum())}
            yield from wrapped(phrase(lang, "text", "moment_sums", **sums), width, INDENT)
    yield ""
    yield from wrapped(trace.sentence(*moments.pin(name)), width, INDENT)
