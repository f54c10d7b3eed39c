"""A trace in a notebook: plain text; HTML that reads without scripts and comes alive with them.

The tables stand in the HTML itself, folded, with winners in square brackets as in the text. Below
them the page is put, which has no effect where scripts are not allowed to run. Nothing in it has
an id, so that any number of traces in one notebook leave each other alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from . import tables
from .terminal import COLOURS
from .words import of_step, phrase

if TYPE_CHECKING:
    from .trace import Trace

_TAGS = {"winner": "b", "padding": "i", "context": "i"}
# All rules begin with the class, so that they touch nothing else in the notebook.
_STYLE = """
.ndpool-trace { font-size: 14px; line-height: 1.4; }
.ndpool-trace p { margin: .4em 0; max-width: 46em; }
.ndpool-trace summary { cursor: pointer; font-weight: bold; }
.ndpool-trace pre { margin: .4em 0; padding: 0; background: none; color: inherit; overflow-x: auto;
  font: 13px/1.35 ui-monospace, Menlo, Consolas, "Noto Sans Mono CJK JP", monospace; }
.ndpool-trace iframe { width: 100%; height: 44em; border: 1px solid #8888; }
.ndpool-trace b { font-weight: bold; }
.ndpool-trace i { opacity: .55; font-style: normal; }
"""


def mimebundle(trace: Trace) -> dict[str, str]:
    """What a notebook shows: text/plain and text/html."""
    return {"text/plain": trace.text(color=False), "text/html": html(trace)}


def html(trace: Trace) -> str:
    """Static tables, and the page after them."""
    return "\n".join(
        [
            f'<div class="ndpool-trace" lang="{escape(trace.config.lang)}">',
            f"<style>{_STYLE}</style>",
            *_static(trace),
            _live(trace),
            "</div>",
        ]
    )


def _static(trace: Trace) -> Iterator[str]:
    config = trace.config
    title = phrase(config.lang, "text", "title", name=config.name or "x")
    yield f"<p><b>{escape(title)}</b></p>"
    if trace.hidden:
        yield f"<p>{escape(trace.hidden)}</p>"
    marks = "marks" if trace.part.whole else "marks_part"
    yield f"<p>{escape(phrase(config.lang, 'text', marks))}</p>"
    for number, step in enumerate(trace.steps, 1):
        about = of_step(config.lang, config.dialect, step.name)
        is_open = " open" if step.name in ("x", "out", "dx") else ""
        shape = " × ".join(map(str, step.shape))  # noqa: RUF001
        yield f"<details{is_open}><summary>{number}. {escape(about['title'])}</summary>"
        yield f"<p>{escape(about['text'])}</p>"
        yield f"<p><code>{escape(step.line)}</code> &nbsp; ({shape})</p>"
        yield f"<pre>{_table(trace, step.name)}</pre></details>"


def _table(trace: Trace, name: str) -> str:
    """The table's lines, coloured as for a terminal, the colours then made into tags."""
    drawn, left_out = tables.lines(tables.of_step(trace, name), columns=100, colour=True)
    if left_out:
        cells = trace[name].array.size
        drawn.append(phrase(trace.config.lang, "text", "left_out", left_out=left_out, cells=cells))
    text = escape("\n".join(drawn))
    for role, tag in _TAGS.items():
        code = re.escape(COLOURS[role])
        text = re.sub(f"\x1b\\[{code}m(.*?)\x1b\\[0m", f"<{tag}>\\1</{tag}>", text)
    return text


def _live(trace: Trace) -> str:
    """The page in a frame of its own: neither its names nor its rules meet another's."""
    if find_spec(f"{__package__}.page") is None:
        return ""
    page: str = import_module(f"{__package__}.page").html(trace)
    title = escape(phrase(trace.config.lang, "text", "title", name=trace.config.name or "x"))
    return f'<iframe title="{title}" loading="lazy" srcdoc="{escape(page)}"></iframe>'
