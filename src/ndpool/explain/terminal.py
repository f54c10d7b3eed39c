"""What a terminal needs: colour or none, the width of a character, lines that fit."""

from __future__ import annotations

import os
import re
import sys
from unicodedata import combining, east_asian_width

_PAINT = re.compile("\x1b\\[[0-9;]*m")
COLOURS = {
    "title": "1",
    "code": "36",
    "winner": "1;32",
    "padding": "2",
    "context": "2",
    "wrong": "1;31",
}
# What no line may begin with, and with what none may end, in Japanese as in English.
_NOT_FIRST = "、。，・：；？！」』）】〕］〉》ーゃゅょっャュョッァィゥェォ々〜…,.;:!?)]}"  # noqa: RUF001
_NOT_LAST = "「『（【〔［〈《([{"  # noqa: RUF001


def wants_colour(colour: bool | None) -> bool:
    """`colour`, or whether standard output is a terminal that may be coloured (no-color.org)."""
    if colour is not None:
        return colour
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not refused and sys.stdout is not None and sys.stdout.isatty()


def painted(text: str, role: str, colour: bool) -> str:
    """`text` in the colour of its role."""
    return f"\x1b[{COLOURS[role]}m{text}\x1b[0m" if colour and text else text


def width(text: str) -> int:
    """How many columns it takes; Chinese and Japanese characters take two, colours none.

    >>> width("dx"), width("勾配 dx"), width(painted("dx", "title", True))
    (2, 7, 2)
    """
    text = _PAINT.sub("", text)
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text if not combining(c))


def wrapped(text: str, columns: int, indent: str = "", first: str | None = None) -> list[str]:
    """Lines of at most `columns`, each after `indent`, the first one after `first`.

    Between Chinese or Japanese characters a line may end anywhere but before a closing and after
    an opening mark; elsewhere at spaces.

    >>> wrapped("a cell won", 7, indent="  ")
    ['  a', '  cell', '  won']
    >>> wrapped("勾配を足し込む。", 8)
    ['勾配を足', 'し込む。']
    """
    lines, line, head = [], "", indent if first is None else first
    longest = columns - max(width(head), width(indent))
    for piece in (part for whole in _pieces(text) for part in _cut(whole, longest)):
        if line and width(head + line + piece.rstrip()) > columns:
            lines.append((head + line).rstrip())
            line, head = "", indent
        line += piece if line else piece.lstrip()
    return [*lines, (head + line).rstrip()]


def _cut(piece: str, columns: int) -> list[str]:
    """A piece that is too long for any line, cut at its width."""
    parts = [""]
    for character in piece:
        if width(parts[-1] + character.rstrip()) > columns:
            parts.append("")
        parts[-1] += character
    return parts


def _pieces(text: str) -> list[str]:
    """Cut wherever a line may end; spaces stay at the end of what is before them."""
    pieces, piece = [], ""
    for character in text:
        if piece and _may_break(piece[-1], character):
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]


def _may_break(before: str, after: str) -> bool:
    if after == " " or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    return before == " " or width(before) == 2 or width(after) == 2
