"""The report as lines of at most 80 columns."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .casebook import SCRIPTS
from .findings import Finding, Report
from .wordings import say

WIDTH = 80
_CLOSING = "\u3001\u3002\uff09\u300d\u300f\uff1a\uff1b"  # stay with what they close
_RED, _GREEN, _YELLOW, _BOLD, _PLAIN = "\33[31m", "\33[32m", "\33[33m", "\33[1m", "\33[0m"


def text(report: Report, color: bool = False) -> str:
    """The whole report."""

    def paint(code: str, line: str) -> str:
        return f"{code}{line}{_PLAIN}" if color else line

    lang, lines = report.lang, []
    if report.ok:
        line = say(lang, "layer.ok", name=report.name, tried=report.tried)
        lines += [paint(_GREEN, part) for part in wrapped(line)]
    for number, finding in enumerate(report.findings):
        lines += _finding(report, finding, paint, number == 0)
    for note in report.notes:
        lines += _note(report, note, paint)
    if report.skipped:
        lines += wrapped(
            say(lang, "layer.skipped") + say(lang, "seen.semicolon").join(report.skipped), "  "
        )
    return "\n".join(lines)


def _finding(report: Report, finding: Finding, paint: Any, first: bool) -> list[str]:
    lang = report.lang
    phase = say(lang, f"phases.{finding.phase}")
    head = f"✗ {phase}" + (f" · {finding.title}" if finding.title else "")
    lines = [paint(_RED, line) for line in wrapped(head, "", "    ")]
    for sentence in finding.evidence:
        lines += wrapped(sentence, "  ")
    if report.show and finding.example is not None:
        lines += ["", *pictures(finding, lang), ""]
    for part in (finding.what, *finding.why.splitlines(), finding.mend):
        if part:
            lines += wrapped(part, "  ")
    if finding.line:
        lines += [f"      {line}" for line in finding.line.splitlines()]
    if finding.folded:
        names = ", ".join(finding.folded)
        lines += wrapped(say(lang, "layer.folded", names=names), "  ")
    if finding.case and first and not report.show and report.hint >= 1:
        name = report.name if report.name.isidentifier() else "layer"
        call = f'ndpool.check({name}, case="{finding.case}", show=True)'
        lines.append(f"  {say(lang, 'layer.try')}  {call}")
    return lines


def _note(report: Report, note: Finding, paint: Any) -> list[str]:
    lang = report.lang
    said = note.what or (note.evidence[0] if note.evidence else note.title)
    head = say(lang, "layer.note", phase=say(lang, f"phases.{note.phase}"))
    return [paint(_YELLOW, line) for line in wrapped(f"· {head}{said}", "", "  ")]


def pictures(finding: Finding, lang: str) -> list[str]:
    """The input, what came and what was expected, as grids."""
    case = finding.example
    assert case is not None
    name = "y" if SCRIPTS[case.script][finding.step][0] == "forward" else "dx"
    grids = [("x", case.x)]
    if name == "dx":
        from .evidence import dout_of

        grids.append(("dout", dout_of(case)))
    for key, step in (("grids.theirs", finding.theirs), ("grids.expected", finding.right)):
        if step is not None and step.value is not None:
            grids.append((say(lang, key, array=name), step.value))
    return _beside([grid(title, array) for title, array in grids])


def grid(title: str, array: NDArray[Any]) -> list[str]:
    """An array's planes as rows of numbers, under a title."""
    if array.size == 0 or array.ndim != 4:
        return [title, str(array.shape)]
    words = np.vectorize(short, otypes=[object])(array)
    across = max(len(word) for word in words.reshape(-1))
    lines = [title]
    for n in range(array.shape[0]):
        for c in range(array.shape[1]):
            if array.shape[0] * array.shape[1] > 1:
                lines.append(f"[{n},{c}]")
            lines += [" ".join(word.rjust(across) for word in row) for row in words[n, c]]
    return lines


def short(value: Any) -> str:
    """A number without what it does not need."""
    number = float(value)
    return str(int(number)) if np.isfinite(number) and number == int(number) else f"{number:.3g}"


def _beside(blocks: list[list[str]]) -> list[str]:
    """Blocks next to each other as far as 80 columns allow, the others below."""
    lines: list[str] = []
    row: list[list[str]] = []

    def flush() -> None:
        if not row:
            return
        height = max(map(len, row))
        widths = [max(width(line) for line in block) for block in row]
        for number in range(height):
            parts = [
                padded(block[number] if number < len(block) else "", across)
                for block, across in zip(row, widths, strict=True)
            ]
            lines.append(("  " + "   ".join(parts)).rstrip())
        row.clear()

    for block in blocks:
        taken = sum(max(width(line) for line in other) + 3 for other in (*row, block)) + 2
        if row and taken > WIDTH:
            flush()
        row.append(block)
    flush()
    return lines


def width(line: str) -> int:
    """Columns on a terminal: two for the wide characters of East Asia.

    >>> width("max"), width("最大")
    (3, 4)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def padded(line: str, across: int) -> str:
    return line + " " * (across - width(line))


def wrapped(line: str, indent: str = "", hanging: str | None = None) -> list[str]:
    """Lines of at most 80 columns; Japanese breaks anywhere, other text between words."""
    lines, current = [], indent
    for piece in _pieces(line):
        if width(current + piece.rstrip()) > WIDTH and current.strip():
            lines.append(current.rstrip())
            current = (indent if hanging is None else hanging) + piece.lstrip()
        else:
            current += piece
    lines.append(current.rstrip())
    return lines


def _pieces(line: str) -> list[str]:
    """What may not be broken: words with the space after them, and single wide letters."""
    pieces: list[str] = []
    word = ""
    for letter in line:
        if unicodedata.east_asian_width(letter) in "WF":
            if letter in _CLOSING and (word or pieces):
                if word:
                    word += letter
                else:
                    pieces[-1] += letter
                continue
            if word:
                pieces.append(word)
                word = ""
            pieces.append(letter)
        else:
            word += letter
            if letter == " ":
                pieces.append(word)
                word = ""
    return [*pieces, word] if word else pieces
