"""The zoo on show: each mistake with the smallest case in which it can be seen, made by running it.

tools/make_mistakes.py writes docs/mistakes.md from this.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from .casebook import Can, Case, cases_for
from .causes import simplicity
from .diagnose import Fact, Suspect, agree
from .evidence import evidence
from .findings import Finding
from .mistakes import ZOO
from .script import Seen, Step, expected, perform
from .shrink import shrunk
from .text import pictures
from .titles import title
from .wordings import mistake_words, words

ABLE = Can(pad=None, rectangular=True, strides=True, pads=True, dilation=True, ceil=True)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A mistake, the smallest case that shows it, and what is seen there."""

    name: str
    policy: bool
    case: Case
    number: int
    theirs: Step
    right: Step


def exhibit(name: str) -> Exhibit:
    """The first variant of a mistake in its first style, in its smallest case."""
    from .mistakes import style_named

    variant = ZOO[name][0]
    style = next(s for s in ("loops", "rows", "columns", "again") if s in variant.styles)
    suspect = Suspect(style_named(style), (variant,))
    cases, _ = cases_for(ABLE)
    facts = [fact for case in cases for fact in _wrong(suspect, case)]
    fact = min(facts, key=lambda fact: (fact.number, fact.case.pool.padded, *simplicity(fact)))
    raised = (_step(suspect, fact.case, fact.number) or Step("")).failure is not None

    def fails(case: Case) -> bool:
        step = _step(suspect, case, fact.number)
        wrong = step is not None and not agree(step, expected(case).step(fact.number))
        return wrong and step is not None and (step.failure is not None) == raised

    case = shrunk(fact.case, fails)
    theirs, right = _step(suspect, case, fact.number), expected(case).step(fact.number)
    assert theirs is not None and right is not None
    return Exhibit(name, variant.policy, case, fact.number, theirs, right)


def _does(suspect: Suspect, case: Case) -> Seen:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(case, suspect.make)


def _step(suspect: Suspect, case: Case, number: int) -> Step | None:
    return _does(suspect, case).step(number)


def _wrong(suspect: Suspect, case: Case) -> list[Fact]:
    """The first step of a case that comes out wrong."""
    steps, right = _does(suspect, case).steps, expected(case)
    for number, step in enumerate(steps):
        if not agree(step, right.step(number)):
            return [Fact(case, number)]
    return []


def page(lang: str = "en") -> str:
    """The whole gallery, as Markdown."""
    names = [name for name in words(lang)["mistakes"] if name in ZOO]
    shown = [exhibit(name) for name in names]
    parts = [_HEAD.format(number=len([one for one in shown if not one.policy]))]
    parts += [_section(one, lang) for one in shown if not one.policy]
    parts.append("## Matters of taste\n\nNotes, unless `strict=True`.\n")
    parts += [_section(one, lang) for one in shown if one.policy]
    seen = [name for name in words(lang)["mistakes"] if name not in ZOO]
    parts.append(
        "## Seen without the zoo\n\nNo layer has to be compared with to see these.\n\n"
        "| Name | What it is |\n| --- | --- |"
    )
    parts.append("\n".join(f"| `{name}` | {mistake_words(lang, name)['what']} |" for name in seen))
    return "\n".join(parts) + "\n"


_HEAD = """# The zoo of mistakes

Written by `tools/make_mistakes.py`, which runs the mistakes themselves; do not edit.

`ndpool.check` and `ndpool check` compare a layer with {number} mistakes, each a small working layer
with that one mistake, in every style and variant in which people make it. Here is each of them with
the smallest case that shows it: nothing can be taken away from it. In `dout`, powers of two tell
where a sum came from.
"""


def _section(one: Exhibit, lang: str) -> str:
    said = mistake_words(lang, one.name)
    seen = evidence(one.case, one.number, one.theirs, one.right, lang)
    finding = Finding(
        one.theirs.what,
        "",
        one.case.name,
        one.name,
        example=one.case,
        step=one.number,
        theirs=one.theirs,
        right=one.right,
    )
    heading = "###" if one.policy else "##"
    parts = [f"{heading} `{one.name}`\n", said["what"]]
    if said["why"]:
        parts.append(said["why"])
    parts.append(f"\n{title(one.case, lang)}:\n")
    picture = "\n".join([*pictures(finding, lang), "", *(f"  {line}" for line in seen)])
    parts.append(f"```text\n{picture.rstrip()}\n```\n")
    if said["mend"]:
        parts.append(said["mend"] + "\n")
    if said["line"]:
        parts.append(f"```python\n{said['line']}\n```\n")
    return "\n".join(parts)
