"""The report as one HTML page: theirs beside the reference, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .casebook import SCRIPTS
from .evidence import dout_of
from .findings import Finding, Report
from .text import short
from .wordings import say

_STYLE = """
:root { color-scheme: light dark; --bad: #b3261e; --good: #1b6e3c; --line: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; border-top: 1px solid var(--line);
  padding-top: 1rem }
pre { background: #8881; padding: .7rem; overflow-x: auto; font-size: .9rem }
.grids { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start }
figure { margin: 0 } figcaption { font-size: .85rem; margin-bottom: .2rem }
table { border-collapse: collapse; margin: 0 0 .5rem }
td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: right;
  font-variant-numeric: tabular-nums }
td.wrong { outline: 2px solid var(--bad); outline-offset: -2px; font-weight: bold }
td.wrong::after { content: " ✗" }
.ok { color: var(--good) } .bad { color: var(--bad) }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7fd8a0 } }
@media print { body { margin: 0; max-width: none } }
"""


def page(report: Report) -> str:
    """A whole document."""
    lang = report.lang
    title = escape(say(lang, "page.title", name=report.name))
    parts = [f"<h1>{title}</h1>"]
    if report.ok:
        said = escape(say(lang, "layer.ok", name=report.name, tried=report.tried))
        parts.append(f'<p class="ok">{said}</p>')
    parts += [_finding(report, finding) for finding in report.findings]
    for note in report.notes:
        head = say(lang, "layer.note", phase=say(lang, f"phases.{note.phase}"))
        parts.append(f"<p>{escape(head + (note.what or ' '.join(note.evidence)))}</p>")
    if report.skipped:
        listed = say(lang, "seen.semicolon").join(report.skipped)
        parts.append(f"<p><small>{escape(say(lang, 'layer.skipped') + listed)}</small></p>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _finding(report: Report, finding: Finding) -> str:
    lang = report.lang
    phase = say(lang, f"phases.{finding.phase}")
    head = f"✗ {phase}" + (f" · {finding.title}" if finding.title else "")
    parts = [f'<h2 class="bad">{escape(head)}</h2>']
    parts += [f"<p>{escape(line)}</p>" for line in finding.evidence]
    if finding.example is not None:
        parts.append(grids(finding, lang))
    for said in (finding.what, *finding.why.splitlines(), finding.mend):
        if said:
            parts.append(f"<p>{escape(said)}</p>")
    if finding.line:
        parts.append(f"<pre>{escape(finding.line)}</pre>")
    if finding.folded:
        said = say(lang, "layer.folded", names=", ".join(finding.folded))
        parts.append(f"<p>{escape(said)}</p>")
    if finding.code:
        label = escape(say(lang, "page.code"))
        parts.append(
            f"<details><summary>{label}</summary><pre>{escape(finding.code)}</pre></details>"
        )
    return f"<section>{''.join(parts)}</section>"


def grids(finding: Finding, lang: str) -> str:
    """Input, dout, theirs and expected as tables."""
    case = finding.example
    assert case is not None
    name = "y" if SCRIPTS[case.script][finding.step][0] == "forward" else "dx"
    shown = [_figure("x", case.x)]
    if name == "dx":
        shown.append(_figure("dout", dout_of(case)))
    right = finding.right.value if finding.right is not None else None
    theirs = finding.theirs.value if finding.theirs is not None else None
    if theirs is not None:
        shown.append(_figure(say(lang, "grids.theirs", array=name), theirs, right))
    if right is not None:
        shown.append(_figure(say(lang, "grids.expected", array=name), right))
    return f'<div class="grids">{"".join(shown)}</div>'


def _figure(title: str, array: NDArray[Any], right: NDArray[Any] | None = None) -> str:
    caption = f"<figcaption>{escape(title)} {'x'.join(map(str, array.shape))}</figcaption>"
    if array.ndim != 4 or array.size == 0 or array.size > 2000:
        return f"<figure>{caption}</figure>"
    wrong = np.zeros(array.shape, bool)
    if right is not None and right.shape == array.shape:
        with np.errstate(invalid="ignore"):
            wrong = ~np.isclose(array.astype(float), right.astype(float), equal_nan=True)
    tables = []
    for n, c in np.ndindex(array.shape[:2]):
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td class="wrong">{short(value)}</td>' if bad else f"<td>{short(value)}</td>"
                for value, bad in zip(row, bads, strict=True)
            )
            + "</tr>"
            for row, bads in zip(array[n, c], wrong[n, c], strict=True)
        )
        tables.append(f"<table>{rows}</table>")
    return f"<figure>{caption}{''.join(tables)}</figure>"
