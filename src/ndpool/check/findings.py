"""What a check found, as data; drawing it is `text.py`'s and `page.py`'s work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .casebook import Case
from .script import Step


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, with the smallest case that shows it.

    Attributes:
        phase: "load", "construct", "forward", "backward" or "state": where it is seen first.
        check: What was looked at: "shape", "dtype", "values", "routing", "padding", "ties", "nan",
            "state", "memory", "empty", ...
        case: The name of the case, as ``ndpool.check(..., case=...)`` takes it.
        mistake: Its short name in the zoo (docs/mistakes.md); None where it is not known.
        message: What is wrong, why, and how it is mended, as far as `hint` allows.
        candidates: Where `mistake` is None: the names of mistakes that no input tells apart here.
        title, evidence, what, why, mend, line: The parts of the message.
        code: Lines to copy, which show the failure.
        folded: Names of what is seen only together with this; check again once it is mended.
        cases: The names of all cases in which it shows.
    """

    phase: str
    check: str
    case: str
    mistake: str | None
    message: str = ""
    candidates: tuple[str, ...] = ()
    title: str = ""
    evidence: tuple[str, ...] = ()
    what: str = ""
    why: str = ""
    mend: str = ""
    line: str = ""
    code: str = ""
    folded: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()  # all in which it shows
    example: Case | None = None  # the shrunk case
    step: int = 0
    theirs: Step | None = None
    right: Step | None = None

    def data(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        found: dict[str, Any] = {
            "phase": self.phase,
            "check": self.check,
            "case": self.case,
            "mistake": self.mistake,
            "candidates": list(self.candidates),
            "message": self.message,
            "title": self.title,
            "evidence": list(self.evidence),
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
            "line": self.line,
            "code": self.code,
            "folded": list(self.folded),
            "cases": list(self.cases),
        }
        if self.example is not None:
            found["input"] = _listed(self.example.x)
            found["theirs"] = None if self.theirs is None else _listed(self.theirs.value)
            found["expected"] = None if self.right is None else _listed(self.right.value)
        return found


def _listed(array: Any) -> Any:
    """As nested lists; what JSON has no number for becomes a word."""
    if array is None:
        return None
    if array.ndim == 0:
        value = array.item()
        if isinstance(value, float) and value not in (value, float("inf"), -float("inf")):
            return "nan"
        return value if not isinstance(value, float) or abs(value) != float("inf") else str(value)
    return [_listed(item) for item in array]


@dataclass(slots=True)
class Report:
    """The result of `ndpool.check`.

    >>> import ndpool
    >>> report = ndpool.check(ndpool.MaxPool)
    >>> report.ok, report.findings, report.exit_status
    (True, (), 0)

    `findings` are mistakes, the first cause first; `notes` are matters of taste, and findings too
    under ``strict=True``; `skipped` says what could not be tried and why.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    skipped: tuple[str, ...] = ()
    tried: int = 0
    lang: str = "en"
    hint: int = 3
    show: bool = False
    only: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def exit_status(self) -> int:
        """0 if nothing was found, else 1."""
        return 0 if self.ok else 1

    def text(self, *, color: bool = False) -> str:
        """Lines of at most 80 columns."""
        from .text import text

        return text(self, color)

    def __str__(self) -> str:
        return self.text()

    def json(self) -> str:
        """Everything, as JSON."""
        import json

        return json.dumps(
            {
                "layer": self.name,
                "ok": self.ok,
                "exit_status": self.exit_status,
                "findings": [finding.data() for finding in self.findings],
                "notes": [finding.data() for finding in self.notes],
                "skipped": list(self.skipped),
                "cases": self.tried,
            },
            ensure_ascii=False,
            indent=2,
        )

    def html(self) -> str:
        """One page that needs nothing else."""
        from .page import page

        return page(self)

    def save(self, path: Any) -> None:
        """Write `html`, or `json` where the name ends so, or `text` for any other ending."""
        from pathlib import Path

        path = Path(path)
        made = {".html": self.html, ".htm": self.html, ".json": self.json}.get(path.suffix)
        path.write_text(made() if made else self.text() + "\n", encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.html()

    def explain(self, number: int = 0, **words: Any) -> Any:
        """The trace of a finding's smallest case: every step of it, as it ought to be.

        Raises PoolError where there is no such finding, or where it has no case.
        """
        from .explained import explained

        return explained(self, number, **words)
