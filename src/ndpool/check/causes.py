"""From what was seen and diagnosed to causes, the first one first, consequences folded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .casebook import SCRIPTS, Case
from .diagnose import STAGES, Diagnosis, Diagnostician, Fact, Stage, Suspect, agree
from .mistakes import Variant
from .script import Failure, Seen, Step, expected, perform, same

Shows = Callable[[Case, Seen, Step | None], bool]

# Where what a layer did with a kind of input is a matter of taste, whatever it did.
TASTE = ("infinite", "huge")
ENDS = {
    "timeout": "endless",
    "exit": "exits",
    "crash": "crashes",
    "memory": "takes-all-memory",
    "printed": "prints-without-end",
}
MARKS = {
    "x-changed": ("forward", "input-modified"),
    "dout-changed": ("backward", "dout-modified"),
    "forward-overwritten": ("state", "result-overwritten"),
    "backward-overwritten": ("state", "result-overwritten"),
    "forward-aliases": ("forward", "result-aliases"),
    "backward-aliases": ("backward", "result-aliases"),
}
_ORDER = (
    "ended",
    "type",
    "mark",
    *(stage.name for stage in STAGES),
    "dtype",
    "empty",
    "alias",
)


@dataclass(slots=True)
class Cause:
    """Why a layer fails, and in which step of which case that is seen best."""

    phase: str
    check: str
    case: Case | None
    number: int
    mistake: str | None
    sentence: str = ""  # a key of the words, in place of evidence from the arrays
    values: dict[str, Any] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    note: bool = False
    ended: str | None = None
    coarse: bool = False  # an exception, or a wrong shape: it comes before wrong numbers
    shows: Shows = lambda *_: False


def causes(
    cases: Sequence[Case],
    seen: dict[str, Seen],
    diagnostician: Diagnostician,
    diagnosis: Diagnosis,
    nonnegative: bool = False,
) -> list[Cause]:
    """Everything that was found, in the order of what causes what."""
    named = _named(diagnostician, diagnosis)
    names = {cause.mistake for cause in named}
    marked = _marked(cases, seen, names)
    unknown = _unknown(diagnostician, diagnosis)
    names |= {cause.mistake for cause in marked}
    unknown = [cause for cause in unknown if not _follows(cause, names)]
    spoils = next((cause for cause in marked if cause.mistake == "input-modified"), None)
    if spoils is not None:
        spoils.folded = tuple(cause.mistake for cause in named if cause.mistake and not cause.note)
        named = [cause for cause in named if cause.note]
    found = [
        *_ended(cases, seen),
        *_unusable(cases, seen),
        *marked,
        *named,
        *unknown,
        *_dtypes(cases, seen, diagnostician, diagnosis),
        *_empty(cases, seen, diagnosis),
    ]
    for cause in found:
        if nonnegative and cause.mistake == "padding-wins":
            cause.note = True
    return sorted(found, key=_rank)


def _follows(cause: Cause, names: set[str | None]) -> bool:
    """Whether what is not explained comes from what was found already."""
    if names & {"input-modified", "dout-modified", "result-overwritten"}:
        return True  # a layer that spoils arrays computes with what it spoiled
    if cause.check in ("nan", "infinite", "huge"):
        # integers have no NaN; and what is no maximum has its own way with it
        kinds = {"int-truncates", "mean-for-max", "sum-for-max", "min-for-max", "starts-at-zero"}
        return bool(names & {*kinds, "value-for-gradient", "highest-magnitude"})
    return False


def _rank(cause: Cause) -> tuple[bool, int, bool]:
    return cause.note, _ORDER.index(cause.check), not cause.coarse


# the process ended, or what came back is no array


def _ended(cases: Sequence[Case], seen: dict[str, Seen]) -> list[Cause]:
    found: dict[str, Cause] = {}
    for case in cases:
        ended = seen[case.name].ended
        if ended is not None and ended[0] != "given-up":
            found.setdefault(
                ended[0],
                Cause(
                    "forward",
                    "ended",
                    case,
                    0,
                    ENDS[ended[0]],
                    f"ended-{ended[0]}",
                    {"detail": ended[1]},
                    ended=ended[0],
                ),
            )
    return list(found.values())


def _unusable(cases: Sequence[Case], seen: dict[str, Seen]) -> list[Cause]:
    found: dict[tuple[str, str], Cause] = {}
    for case in cases:
        for number, step in enumerate(seen[case.name].steps):
            if step.unusable is not None:
                kind = step.unusable[0]
                mistake = "returns-nothing" if kind == "nothing" else "returns-wrong-type"

                def shows(_: Case, __: Seen, again: Step | None, kind: str = kind) -> bool:
                    return again is not None and (again.unusable or ("",))[0] == kind

                cause = Cause(step.what, "type", case, number, mistake, shows=shows)
                found.setdefault((step.what, kind), cause)
    return list(found.values())


def _marked(cases: Sequence[Case], seen: dict[str, Seen], names: set[str | None]) -> list[Cause]:
    found: dict[str, Cause] = {}
    for case in sorted(cases, key=lambda case: case.x.size):
        for mark in seen[case.name].marks:
            phase, mistake = MARKS[mark]
            if mistake == "result-overwritten" and "gradient-kept" in names:
                continue

            def shows(_: Case, again: Seen, __: Step | None, mark: str = mark) -> bool:
                return mark in again.marks

            check = "alias" if mistake == "result-aliases" else "mark"
            cause = Cause(phase, check, case, 0, mistake, f"mark-{mark}", shows=shows)
            cause.note = mistake == "result-aliases"
            found.setdefault(mistake, cause)
    return list(found.values())


# the zoo

NO_FAILURE = Failure("", "", ("",))


def _named(diagnostician: Diagnostician, diagnosis: Diagnosis) -> list[Cause]:
    suspect = diagnosis.suspects[0]
    certain = diagnosis.named
    pure, mixed = [], []
    for variant in suspect.variants:
        if variant.name not in certain:
            continue
        fact = _pure(diagnostician, suspect, variant)
        if fact is not None:
            pure.append(_cause(variant, fact, Suspect(suspect.style, (variant,))))
        else:
            fact = _mixed(diagnostician, suspect, variant)
            mixed.append((variant, fact))
    for variant, fact in mixed:
        if fact is None:
            continue
        host = next((cause for cause in pure if not cause.note), None)
        if host is not None and not variant.policy:
            host.folded += (variant.name,)
        elif host is None or variant.policy:
            pure.append(_cause(variant, fact, suspect))
    return [*pure, *_ambiguous(diagnostician, diagnosis)]


def _wrong_facts(diagnostician: Diagnostician) -> list[tuple[int, Fact]]:
    """What is not right, each with the number of its stage, small cases first."""
    found = []
    for place, stage in enumerate(STAGES):
        facts = [fact for fact in diagnostician.facts(stage) if not diagnostician.right(fact)]
        found += [(place, fact) for fact in sorted(facts, key=simplicity)]
    return found


def simplicity(fact: Fact) -> tuple[bool, int]:
    """Plain numbers before special ones, small cases before large ones."""
    return fact.case.title.endswith(("negative", "deep", "signs")), fact.case.x.size


def _pure(diagnostician: Diagnostician, suspect: Suspect, variant: Variant) -> Fact | None:
    """The first wrong thing that this mistake explains alone, in the smallest case."""
    alone = Suspect(suspect.style, (variant,))
    found = [fact for _, fact in _wrong_facts(diagnostician) if diagnostician.explains(alone, fact)]
    return found[0] if found else None


def _mixed(diagnostician: Diagnostician, suspect: Suspect, variant: Variant) -> Fact | None:
    """The first wrong thing that cannot be explained without this mistake."""
    without = Suspect(suspect.style, tuple(v for v in suspect.variants if v is not variant))
    for _, fact in _wrong_facts(diagnostician):
        if diagnostician.explains(suspect, fact) and not diagnostician.explains(without, fact):
            return fact
    return None


def _cause(variant: Variant, fact: Fact, suspect: Suspect) -> Cause:
    def shows(case: Case, _: Seen, step: Step | None) -> bool:
        right = expected(case).step(fact.number)
        alone = _does(suspect, case).step(fact.number)
        if step is None or (step.failure or first).kind[0] != first.kind[0]:
            return False
        return not agree(step, right) and agree(step, alone)

    first = (_does(suspect, fact.case).step(fact.number) or Step("")).failure or NO_FAILURE

    stage = next(stage for stage in STAGES if fact.case.group in stage.groups)
    what = _what(fact)
    if stage.name in ("outputs", "padded-outputs") and what == "backward":
        stage = next(s for s in STAGES if s.groups == stage.groups and "backward" in s.what)
    cause = Cause(what, stage.name, fact.case, fact.number, variant.name, shows=shows)
    if stage.name == "state":
        cause.phase = "state"
    cause.note = variant.policy
    cause.coarse = _is_coarse(fact, _does(suspect, fact.case))
    return cause


def _is_coarse(fact: Fact, seen: Seen) -> bool:
    step, right = seen.step(fact.number), expected(fact.case).step(fact.number)
    if step is None or right is None or step.value is None or right.value is None:
        return True
    return step.value.shape != right.value.shape


def _does(suspect: Suspect, case: Case) -> Seen:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(case, suspect.make)


def _what(fact: Fact) -> str:
    return SCRIPTS[fact.case.script][fact.number][0]


def _ambiguous(diagnostician: Diagnostician, diagnosis: Diagnosis) -> list[Cause]:
    """One cause without a name for mistakes that nothing tells apart."""
    open_names: dict[str, Variant] = {}
    for suspect in diagnosis.suspects:
        for variant in suspect.variants:
            if variant.name not in diagnosis.named and not variant.policy:
                open_names.setdefault(variant.name, variant)
    if not open_names:
        return _ambiguous_policies(diagnosis, diagnostician)
    suspect = next(s for s in diagnosis.suspects if s.names & open_names.keys())
    variant = next(v for v in suspect.variants if v.name in open_names)
    fact = _pure(diagnostician, suspect, variant) or _mixed(diagnostician, suspect, variant)
    if fact is None:
        return []
    cause = _cause(variant, fact, suspect)
    cause.mistake, cause.candidates = None, tuple(open_names)
    return [cause]


def _ambiguous_policies(diagnosis: Diagnosis, diagnostician: Diagnostician) -> list[Cause]:
    suspect = diagnosis.suspects[0]
    for variant in suspect.variants:
        if variant.policy and variant.name not in diagnosis.named:
            fact = _pure(diagnostician, suspect, variant)
            if fact is not None:
                return [_cause(variant, fact, suspect)]
    return []


def _unknown(diagnostician: Diagnostician, diagnosis: Diagnosis) -> list[Cause]:
    found = []
    for name, fact in diagnosis.unknown.items():

        def shows(case: Case, _: Seen, step: Step | None, number: int = fact.number) -> bool:
            return step is not None and not agree(step, expected(case).step(number))

        stage = next(stage for stage in STAGES if stage.name == name)
        apart = _apart(diagnostician, diagnosis, stage)
        if apart is None:
            continue  # only where a mistake that was named is at work too
        fact = apart
        step = diagnostician.seen[fact.case.name].step(fact.number)
        phase = "state" if name == "state" else step.what if step is not None else _what(fact)
        cause = Cause(phase, name, fact.case, fact.number, None, shows=shows)
        cause.note = name in TASTE
        failure = step.failure.type if step is not None and step.failure is not None else ""
        cause.mistake = {"MemoryError": "takes-all-memory", "SystemExit": "exits"}.get(failure)
        if name == "gradients" and _scaled(diagnostician):
            cause.mistake = "gradient-scaled"
        if name == "memory":
            # the same numbers in the same layer: nothing but the order in memory was different
            cause.mistake = "memory-order"
        if name == "ties" and _subgradient(fact, diagnostician.seen[fact.case.name]):
            cause.mistake, cause.note = "ties-otherwise", True
        found.append(cause)
    return found


def _scaled(diagnostician: Diagnostician) -> bool:
    """Whether every gradient is the right one times a number, which is not 1 in all cases."""
    stage = next(stage for stage in STAGES if stage.name == "gradients")
    factors = set()
    for fact in diagnostician.facts(stage):
        step = diagnostician.seen[fact.case.name].step(fact.number)
        right = diagnostician.zoo.right(fact.case).step(fact.number)
        if step is None or right is None or step.value is None or right.value is None:
            return False
        if step.value.shape != right.value.shape:
            return False
        chosen = right.value != 0
        ratios = step.value[chosen] / right.value[chosen]
        if (step.value[~chosen] != 0).any() or not np.allclose(ratios, ratios[0], rtol=1e-6):
            return False
        factors.add(float(ratios[0]))
    return factors not in (set(), {1.0}, {0.0}) and bool(np.isfinite(list(factors)).all())


def _apart(diagnostician: Diagnostician, diagnosis: Diagnosis, stage: Stage) -> Fact | None:
    """Something wrong and unexplained in a case that the mistakes named leave alone."""
    suspect = diagnosis.suspects[0]
    wrong = [fact for fact in diagnostician.facts(stage) if not diagnostician.right(fact)]
    wrong = [fact for fact in wrong if not diagnostician.explains(suspect, fact)]
    for fact in sorted(wrong, key=simplicity):
        if all(
            agree(diagnostician.zoo.does(suspect, fact.case).step(n), right)
            for n, right in enumerate(diagnostician.zoo.right(fact.case).steps)
        ):
            return fact
    return None


def _subgradient(fact: Fact, seen: Seen) -> bool:
    """Whether each window's gradient went to cells of it that hold its maximum, and no more."""
    step = seen.step(fact.number)
    if step is None or step.value is None or step.what != "backward":
        return False
    case, dx = fact.case, step.value
    right = expected(case).step(fact.number)
    if right is None or right.value is None or dx.shape != right.value.shape:
        return False
    pool = case.pool
    if any(k != s for k, s in zip(pool.kernel, pool.stride, strict=True)):
        return bool((dx >= 0).all() and np.isclose(dx.sum(), right.value.sum()))
    n, c, out_h, out_w = case.y_shape()
    (h, w), x = pool.kernel, case.x
    cut = np.s_[:, :, : out_h * h, : out_w * w]
    blocks = (n, c, out_h, h, out_w, w)
    values, parts = x[cut].reshape(blocks), dx[cut].reshape(blocks)
    wanted = right.value[cut].reshape(blocks)
    highest = values == values.max((3, 5), keepdims=True)
    return bool(
        np.allclose(parts.sum((3, 5)), wanted.sum((3, 5)))
        and (parts[~highest] == 0).all()
        and (parts >= 0).all()
    )


# dtypes, and nothing at all


def _dtypes(
    cases: Sequence[Case],
    seen: dict[str, Seen],
    diagnostician: Diagnostician,
    diagnosis: Diagnosis,
) -> list[Cause]:
    if {"outputs", "gradients"} & {*diagnosis.unknown, *diagnosis.skipped}:
        return []
    found: dict[str, Cause] = {}
    for case in cases:
        if case.group != "dtype" or seen[case.name].ended is not None:
            continue
        foreseen = diagnostician.zoo.does(diagnosis.suspects[0], case)
        right = diagnostician.zoo.right(case)
        for number, step in enumerate(seen[case.name].steps):
            mistake, note = _of_dtype(step, foreseen.step(number), right.step(number))
            if mistake is None or mistake in diagnosis.named:
                continue

            def shows(
                smaller: Case, _: Seen, again: Step | None, number: int = number, m: str = mistake
            ) -> bool:
                as_foreseen = _does(diagnosis.suspects[0], smaller).step(number)
                right = expected(smaller).step(number)
                return again is not None and _of_dtype(again, as_foreseen, right)[0] == m

            values = {"got": _dtype(step), "expected": _dtype(right.step(number))}
            cause = Cause(
                step.what, "dtype", case, number, mistake, "dtype", values, shows=shows, note=note
            )
            if mistake in ("int-truncates", "dtype-refused", "dtype-changes-values"):
                cause.sentence = ""
            if mistake == "dtype-changes-values":
                cause.mistake = None
            found.setdefault(mistake, cause)
            if step.value is None:
                break
    return list(found.values())


def _dtype(step: Step | None) -> str:
    return "" if step is None or step.value is None else str(step.value.dtype)


def _of_dtype(step: Step, foreseen: Step | None, right: Step | None) -> tuple[str | None, bool]:
    """What a step says about dtypes: the mistake, and whether it is a matter of taste."""
    if foreseen is None or right is None or foreseen.value is None or right.value is None:
        return None, False
    if step.unusable is not None:
        return None, False
    if step.value is None:
        return "dtype-refused", True
    got, wanted, values = step.value.dtype, right.value.dtype, foreseen.value
    if step.value.shape != values.shape:
        return "dtype-changes-values", False
    if same(step.value, values):
        wider = got.kind == "f" and got != wanted
        return ("float64-result", True) if wider else (None, False)
    if got.kind in "iu" and np.array_equal(step.value, values.astype(got)):
        return "int-truncates", False
    if got.kind == "f" and np.allclose(step.value, values, rtol=1e-2, atol=0):
        return "narrow-result", False
    if np.array_equal(step.value, np.trunc(values)):
        return "int-truncates", False
    return "dtype-changes-values", False


def _empty(cases: Sequence[Case], seen: dict[str, Seen], diagnosis: Diagnosis) -> list[Cause]:
    if {"outputs", "gradients"} & {*diagnosis.unknown, *diagnosis.skipped}:
        return []
    for case in cases:
        steps = seen[case.name].steps if case.group == "empty" else []
        right = expected(case) if steps else Seen()
        for number, step in enumerate(steps):
            if step.unusable is None and not agree(step, right.step(number)):

                def shows(smaller: Case, _: Seen, again: Step | None, number: int = number) -> bool:
                    wanted = expected(smaller).step(number)
                    return len(smaller.x) == 0 and again is not None and not agree(again, wanted)

                return [
                    Cause(step.what, "empty", case, number, "empty-batch", note=True, shows=shows)
                ]
    return []
