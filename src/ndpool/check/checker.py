"""The check itself: try the cases, find the causes, shrink what shows them, and report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .adapters import Profile
from .casebook import RECIPES, Can, Case, cases_for, make, missing
from .causes import ENDS, Cause, causes
from .diagnose import Diagnostician
from .evidence import evidence
from .findings import Finding, Report
from .geometry import Pool
from .patient import Patient, Unloadable
from .sandbox import Ended
from .script import Failure, Seen, Step, expected
from .shrink import shrunk
from .titles import title
from .wordings import mistake_words, say, words

BASIC = ("one-window", "plain")


class Check:
    """One check of one layer."""

    def __init__(
        self,
        patient: Patient,
        *,
        name: str,
        strict: bool,
        hint: int,
        lang: str,
        only: str | None,
        show: bool,
        nonnegative: bool,
    ) -> None:
        self.patient, self.name, self.strict, self.hint = patient, name, strict, hint
        self.lang, self.only, self.show, self.nonnegative = lang, only, show, nonnegative
        words(lang)  # complain before anything is run
        self.seen: dict[str, Seen] = {}
        self.refused: dict[str, list[str]] = {}

    def run(self) -> Report:
        try:
            profile = self.patient.profile()
        except Unloadable as error:
            return self._unloadable(error.failure)
        self.profile = profile
        cases, skipped = cases_for(profile.can)
        if self.nonnegative:
            cases = [case for case in cases if not (case.x < 0).any()]
        for case in cases:
            seen = self._trimmed(self.patient.does(case))
            refusal = self._refusal(case, seen)
            if refusal:
                self.refused.setdefault(refusal, []).append(case.name)
            else:
                self.seen[case.name] = seen
        self.cases = [case for case in cases if case.name in self.seen]
        diagnostician = Diagnostician(
            profile.can, self.cases, self.seen, self._ask, lambda: _extra(profile.can)
        )
        diagnosis = diagnostician.run()
        found = causes(self.cases, self.seen, diagnostician, diagnosis, self.nonnegative)
        for cause in found:
            if cause.ended is not None and cause.case is not None:
                cause.phase = self._phase_of_end(cause.case)
        return self._report(profile, found, skipped, diagnostician)

    def _ask(self, case: Case) -> Seen:
        return self._trimmed(self.patient.does(case))

    def _trimmed(self, seen: Seen) -> Seen:
        """Without steps that the layer has no method for."""
        if not self.profile.can.backward:
            seen.steps = [step for step in seen.steps if step.what != "backward"]
        return seen

    def _refusal(self, case: Case, seen: Seen) -> str:
        """What the layer says where it refuses, in its own words, what it cannot do."""
        failure = next((step.failure for step in seen.steps if step.failure), None)
        basic = case.title in BASIC or case.pool == Pool((2, 2), (2, 2))
        if failure is None or not failure.deliberate or (basic and case.group == "core"):
            return ""
        return f"{failure.type}: {failure.message}"[:70]

    def _phase_of_end(self, case: Case) -> str:
        """Whether the process ends in forward already."""
        if self.profile.can.backward:
            seen = self.patient.does_forward(case)
            return "forward" if seen.ended is not None else "backward"
        return "forward"

    # findings

    def _report(
        self,
        profile: Profile,
        found: list[Cause],
        skipped: dict[str, list[str]],
        diagnostician: Diagnostician,
    ) -> Report:
        if self.only is not None:
            found = [cause for cause in found if self._fails(cause, self.only, diagnostician)]
        findings: list[Finding] = []
        notes: list[Finding] = []
        for cause in found:
            finding = self._finding(cause, diagnostician)
            (notes if cause.note and not self.strict else findings).append(finding)
        findings = self._left_over(findings, diagnostician)
        return Report(
            self.name or profile.name,
            tuple(findings),
            tuple(notes),
            self._skipped(skipped),
            len(self.seen),
            self.lang,
            self.hint,
            self.show,
            self.only,
            {"tried": tuple(self.seen)},
        )

    def _fails(self, cause: Cause, name: str, diagnostician: Diagnostician) -> bool:
        """Whether a cause shows in the case that was asked for; then it is shown there."""
        case = next((case for case in self.cases if case.name == name), None)
        if case is None or cause.case is None:
            return False
        if cause.case.name == name:
            return True
        step = self.seen[name].step(cause.number)
        if not cause.shows(case, self.seen[name], step):
            return False
        cause.case = case
        return True

    def _skipped(self, skipped: dict[str, list[str]]) -> tuple[str, ...]:
        told = [
            say(self.lang, f"skipped.{what}", number=len(names)) for what, names in skipped.items()
        ]
        told += [
            say(self.lang, "skipped.refused", message=message, number=len(names))
            for message, names in self.refused.items()
        ]
        return tuple(told)

    def _finding(self, cause: Cause, diagnostician: Diagnostician) -> Finding:
        example, seen = cause.case, None
        if example is not None:
            if self.only is None:
                example = self._smallest(cause, example)
            seen = self.seen[example.name] if example is cause.case else self._ask(example)
        theirs = seen.step(cause.number) if seen is not None else None
        right = expected(example).step(cause.number) if example is not None else None
        said = self._said(cause, example, theirs, right)
        return Finding(
            phase=cause.phase,
            check=cause.check,
            case=cause.case.name if cause.case is not None else "",
            mistake=cause.mistake if self.hint >= 2 else None,
            candidates=cause.candidates if self.hint >= 2 else (),
            folded=cause.folded if self.hint >= 2 else (),
            code=self._code(example, cause, theirs, right) if self.hint >= 1 and example else "",
            example=example if self.hint >= 1 else None,
            cases=self._shows_in(cause) if self.hint >= 1 else (),
            step=cause.number,
            theirs=theirs if self.hint >= 1 else None,
            right=right if self.hint >= 1 else None,
            **said,
        )

    def _shows_in(self, cause: Cause) -> tuple[str, ...]:
        """The names of the cases that show this cause."""
        if cause.case is None:
            return ()
        found = [cause.case.name]
        for case in self.cases:
            seen = self.seen[case.name]
            alike = case.script == cause.case.script and case.group == cause.case.group
            if case.name in found or seen.ended is not None or not alike:
                continue
            if cause.shows(case, seen, seen.step(cause.number)):
                found.append(case.name)
        return tuple(found)

    def _left_over(self, findings: list[Finding], diagnostician: Diagnostician) -> list[Finding]:
        """Findings, the first with all cases too that fail and show no other cause."""
        if not findings or self.hint < 1:
            return findings
        shown = {name for finding in findings for name in finding.cases}
        left = [
            case.name for case in self.cases if case.name not in shown and diagnostician.fails(case)
        ]
        return [replace(findings[0], cases=(*findings[0].cases, *left)), *findings[1:]]

    def _smallest(self, cause: Cause, case: Case) -> Case:
        if cause.ended is not None:
            return case

        def fails(smaller: Case) -> bool:
            seen = self._ask(smaller)
            return seen.ended is None and cause.shows(smaller, seen, seen.step(cause.number))

        return shrunk(case, fails)

    def _said(
        self, cause: Cause, example: Case | None, theirs: Step | None, right: Step | None
    ) -> dict[str, Any]:
        """The parts of the message that the hint allows, and the message."""
        lang, hint = self.lang, self.hint
        shown = example is not None and hint >= 1
        told: dict[str, Any] = {"title": title(example, lang) if shown and example else ""}
        lines: list[str] = []
        if hint >= 1:
            if cause.sentence:
                values = {"what": say(lang, f"phases.{cause.phase}"), **cause.values}
                lines = [say(lang, f"seen.{cause.sentence}", **values)]
            elif example is not None:
                lines = evidence(example, cause.number, theirs, right, lang)
        told["evidence"] = tuple(lines)
        told.update(what="", why="", mend="", line="")
        if hint >= 2:
            known = self._known(cause)
            told.update(what=known["what"], why=known["why"])
            if hint >= 3:
                told.update(mend=known["mend"], line=known.get("line", ""))
        head = say(lang, f"phases.{cause.phase}")
        parts = [head, *told["evidence"], told["what"], told["why"], told["mend"], told["line"]]
        told["message"] = "\n".join(part for part in parts if part)
        return told

    def _known(self, cause: Cause) -> dict[str, str]:
        if cause.mistake is not None:
            return mistake_words(self.lang, cause.mistake)
        if cause.candidates:
            listed = [
                f"{name}: {mistake_words(self.lang, name)['what']}" for name in cause.candidates
            ]
            return {"what": say(self.lang, "unknown.one-of"), "why": "\n".join(listed), "mend": ""}
        return {"what": say(self.lang, "unknown.what"), "why": "", "mend": ""}

    def _code(self, case: Case, cause: Cause, theirs: Step | None, right: Step | None) -> str:
        from .reproducer import reproducer

        lines = self.patient.code(case)
        return reproducer(case, lines, self.profile, cause.number, theirs, right)

    def _unloadable(self, failure: Failure | Ended) -> Report:
        if isinstance(failure, Ended):
            cause = Cause("load", "load", None, 0, ENDS.get(failure.how, "crashes"))
            cause.sentence, cause.values = f"ended-{failure.how}", {"detail": failure.detail}
        else:
            cause = Cause("load", "load", None, 0, None)
            cause.sentence = "unloadable"
            cause.values = {
                "type": failure.type,
                "message": failure.message,
                "line": failure.line,
                "number": failure.number,
            }
        said = self._said(cause, None, None, None)
        finding = Finding("load", "load", "", cause.mistake, **said)
        return Report(self.name, (finding,), lang=self.lang, hint=self.hint)


def _extra(can: Can) -> Iterator[Case]:
    """More cases, of random shapes, to tell suspects apart."""
    rng = np.random.default_rng(3)
    usable = [recipe for recipe in RECIPES if recipe.group in ("core", "pad")]
    for number in range(300):
        recipe = usable[int(rng.integers(len(usable)))]
        out = tuple(int(k) for k in rng.integers(1, 4, 2))
        n, c = (int(k) for k in rng.integers(1, 3, 2))
        more = replace(
            recipe,
            n=n if can.images else 1,
            c=c if can.channels else 1,
            out=(out[0], out[1]),
            extra=(int(rng.integers(3)), int(rng.integers(3))),
        )
        if can.shape is not None or missing(more, can):
            continue
        case = make(more, can)
        if case is not None and case.x.size <= 400:
            yield replace(case, name=f"extra-{number}")
