"""Which mistakes explain all that a layer did.

Every mistake of the zoo is a working layer. A set of them explains a layer if, in every case, it
does to the last number what the layer did. Sets are grown one mistake at a time: take the first
thing that the set does not explain, and try each mistake on it. What is explained stays explained:
a longer set that spoils an earlier case is dropped.

Things are taken in the order in which causes come before consequences: outputs before gradients,
plain windows before padding, values before ties, NaN, state and memory. Where two sets explain
everything equally well, cases are made in which they differ; if none can be found, both are named.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter

import numpy as np

from .casebook import Can, Case
from .geometry import Pool
from .mistakes import BOTH, GRADIENT, OUTPUT, STYLES, ZOO, Layer, Variant, layer_with
from .script import Seen, Step, expected, perform, same

MOST_ADDED = 3  # mistakes in one stage
MOST_KEPT = 80  # sets that are pursued at the same time
KINDS = ("reshape", "broadcast", "index", "empty", "negative", "ValueError", "IndexError")
SECONDS = 1.0  # for mistakes that can only be seen together


@dataclass(frozen=True, slots=True)
class Suspect:
    """A layer of the zoo: a style and the mistakes in it."""

    style: type[Layer]
    variants: tuple[Variant, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(variant.name for variant in self.variants)

    def make(self, pool: Pool, _: tuple[int, ...]) -> Layer:
        return layer_with(self.style, self.variants)(pool)  # type: ignore[arg-type]

    def with_one_more(self, variant: Variant) -> Suspect:
        variants = sorted((*self.variants, variant), key=_place.__getitem__)
        return Suspect(self.style, tuple(variants))


ALL = tuple(variant for variants in ZOO.values() for variant in variants)
_place = {variant: number for number, variant in enumerate(ALL)}


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """One thing that was seen: step `number` of a case."""

    case: Case
    number: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Facts that are explained together; `after` must be explained before."""

    name: str
    groups: tuple[str, ...]
    what: tuple[str, ...]
    after: tuple[str, ...] = ()
    affects: tuple[str, ...] = (OUTPUT, GRADIENT, BOTH)
    names: tuple[str, ...] = ()  # all that can only be seen here; none: any mistake


_CORE = ("outputs", "gradients")
_EVERY = ("construct", "forward", "backward")
_TIES = ("ties-last", "ties-first-in-columns", "ties-split", "ties-all")
_STATE = ("gradient-kept", "state-shared", "state-stale")
_INFINITE = ("padding-wins-where-all-is-infinite", "padding-wins-over-huge-numbers", *_TIES[:3])
STAGES = (
    Stage("outputs", ("core",), ("construct", "forward"), (), (OUTPUT, BOTH)),
    Stage("padded-outputs", ("pad",), ("construct", "forward"), ("outputs",), (OUTPUT, BOTH)),
    Stage("gradients", ("core",), ("backward",), ("outputs",), (GRADIENT, BOTH)),
    Stage("padded-gradients", ("pad",), ("backward",), ("padded-outputs", "gradients")),
    Stage("ceil", ("ceil",), _EVERY, _CORE),
    Stage("dilation", ("dilation",), _EVERY, _CORE),
    Stage("fractions", ("fractions",), _EVERY, _CORE, names=("int-truncates",)),
    Stage("ties", ("ties",), _EVERY, _CORE, names=_TIES),
    Stage("nan", ("nan",), _EVERY, _CORE, names=(*_TIES, "nan-ignored")),
    Stage("state", ("state",), _EVERY, _CORE, names=_STATE),
    Stage("memory", ("memory",), _EVERY, _CORE, names=("memory-order",)),
    Stage("infinite", ("infinite",), _EVERY, _CORE, names=_INFINITE),
    Stage("huge", ("huge",), _EVERY, _CORE, names=_INFINITE),
)


@dataclass(slots=True)
class Diagnosis:
    """`suspects` explain everything but the stages in `unknown`; each of them equally well."""

    suspects: list[Suspect]
    unknown: dict[str, Fact] = field(default_factory=dict)  # the first fact of each that is not
    skipped: list[str] = field(default_factory=list)  # stages that could not be judged

    @property
    def named(self) -> frozenset[str]:
        """The mistakes that all suspects have."""
        return frozenset.intersection(*(suspect.names for suspect in self.suspects))


class Zoo:
    """What suspects do in cases; everything is computed once."""

    def __init__(self, can: Can) -> None:
        self.variants = [variant for variant in ALL if variant.needs <= can.words]
        self._seen: dict[tuple[Suspect, int], Seen] = {}
        self._right: dict[int, Seen] = {}
        self._cases: dict[int, Case] = {}

    def does(self, suspect: Suspect, case: Case) -> Seen:
        key = (suspect, id(case))
        if key not in self._seen:
            self._cases[id(case)] = case  # keeps its id
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self._seen[key] = perform(case, suspect.make)
        return self._seen[key]

    def right(self, case: Case) -> Seen:
        if id(case) not in self._right:
            self._cases[id(case)] = case
            self._right[id(case)] = expected(case)
        return self._right[id(case)]


def agree(one: Step | None, two: Step | None) -> bool:
    """Whether two steps came out alike: the same numbers, or the same kind of exception."""
    if one is None or two is None:
        return one is two
    if one.value is not None and two.value is not None:
        return same(one.value, two.value)
    if one.failure is not None and two.failure is not None:
        kinds = one.failure.kind, two.failure.kind
        told = all(len(kind) > 1 for kind in kinds)
        return kinds[0] == kinds[1] if told else kinds[0][0] == kinds[1][0]
    return False


class Diagnostician:
    """Explains what was `seen` in `cases`; `ask` does a further case with the layer."""

    def __init__(
        self,
        can: Can,
        cases: Sequence[Case],
        seen: dict[str, Seen],
        ask: Callable[[Case], Seen] | None = None,
        extra: Callable[[], Iterable[Case]] | None = None,
    ) -> None:
        self.zoo, self.can = Zoo(can), can
        self.cases, self.seen = list(cases), dict(seen)
        self.ask, self.extra = ask, extra
        self._killers: list[Fact] = []  # facts that refuted suspects, the last one first
        self._seconds = SECONDS

    def facts(self, stage: Stage) -> list[Fact]:
        found = []
        for case in self.cases:
            seen = self.seen.get(case.name)
            if case.group in stage.groups and seen is not None and seen.ended is None:
                found += [
                    Fact(case, number)
                    for number, step in enumerate(seen.steps)
                    if step.what in stage.what and step.unusable is None
                ]
        return found

    def explains(self, suspect: Suspect, fact: Fact) -> bool:
        theirs = self.seen[fact.case.name].step(fact.number)
        return agree(theirs, self.zoo.does(suspect, fact.case).step(fact.number))

    def right(self, fact: Fact) -> bool:
        theirs = self.seen[fact.case.name].step(fact.number)
        return agree(theirs, self.zoo.right(fact.case).step(fact.number))

    def fails(self, case: Case) -> bool:
        """Whether the layer is wrong in a case that is not about matters of taste."""
        if case.group in ("infinite", "huge", "empty", "dtype"):
            return False
        seen = self.seen[case.name]
        if seen.ended is not None:
            return True
        views = [self.zoo.right(case)]
        for style in STYLES:
            kinds = [v for v in ALL if v.policy and v.affects == GRADIENT]
            views += [self.zoo.does(Suspect(style, (kind,)), case) for kind in kinds]
            if case.group not in ("ties", "nan"):
                break
        return not any(_alike(seen, view) for view in views)

    def _tells_little(self, facts: list[Fact]) -> bool:
        """Whether nothing but exceptions was seen: too little for more than one mistake."""
        steps = [self.seen[fact.case.name].step(fact.number) for fact in facts]
        failed = [step is not None and step.failure is not None for step in steps]
        return bool(failed) and all(failed)

    def _output_right(self, fact: Fact) -> bool:
        steps = range(fact.number + 1)
        first = [n for n in steps if self.seen[fact.case.name].steps[n].what == "forward"]
        return fact.number in first or all(self.right(Fact(fact.case, n)) for n in first)

    def first_unexplained(self, suspect: Suspect, facts: Iterable[Fact]) -> Fact | None:
        return next((fact for fact in facts if not self.explains(suspect, fact)), None)

    def run(self) -> Diagnosis:
        diagnosis = Diagnosis([Suspect(style) for style in STYLES])
        done: list[Fact] = []
        for stage in STAGES:
            facts = self.facts(stage)
            missing = [name for name in stage.after if name in diagnosis.unknown]
            missing += [name for name in stage.after if name in diagnosis.skipped]
            if missing:
                diagnosis.skipped.append(stage.name)
                continue
            if "padded-outputs" in (*diagnosis.unknown, *diagnosis.skipped):
                facts = [fact for fact in facts if not fact.case.pool.padded]
            found = self._extended(diagnosis.suspects, done, facts, stage)
            if not found and "backward" in stage.what:
                # where the output is wrong already, so may be all that follows
                facts = [fact for fact in facts if self._output_right(fact)]
                found = self._extended(diagnosis.suspects, done, facts, stage)
            if stage.name == "outputs" and self._tells_little(facts):
                found = [suspect for suspect in found if len(suspect.variants) == 1]
            if found:
                diagnosis.suspects = found
                done += facts
            else:
                wrong = (fact for fact in facts if not self.right(fact))
                unexplained = self.first_unexplained(diagnosis.suspects[0], facts)
                diagnosis.unknown[stage.name] = next(wrong, unexplained or facts[0])
        diagnosis.suspects = self._told_apart(diagnosis.suspects, done)
        return diagnosis

    def _extended(
        self, suspects: list[Suspect], done: list[Fact], facts: list[Fact], stage: Stage
    ) -> list[Suspect]:
        """The smallest extensions of suspects that explain `facts` too."""
        frontier = {
            suspect: self.first_unexplained(suspect, facts) for suspect in suspects[:MOST_KEPT]
        }
        for _ in range(MOST_ADDED + 1):
            explained = [suspect for suspect, fact in frontier.items() if fact is None]
            if explained:
                fewest = min(len(_mistakes(suspect)) for suspect in explained)
                return [s for s in explained if len(_mistakes(s)) == fewest]
            grown = self._grown(frontier, done, facts, stage, 1)
            if not grown and self._seconds > 0 and any(map(self._foreseeable, frontier.values())):
                began = perf_counter()
                grown = self._grown(frontier, done, facts, stage, 2)
                self._seconds -= perf_counter() - began
            frontier = dict(list(grown.items())[:MOST_KEPT])
        return []

    def _foreseeable(self, fact: Fact | None) -> bool:
        """Whether a mistake of the zoo could do such a thing at all."""
        step = None if fact is None else self.seen[fact.case.name].step(fact.number)
        return step is None or step.failure is None or step.failure.kind[0] in KINDS

    def _grown(
        self,
        frontier: dict[Suspect, Fact | None],
        done: list[Fact],
        facts: list[Fact],
        stage: Stage,
        at_once: int,
    ) -> dict[Suspect, Fact | None]:
        """Each suspect with one (or two) more mistakes that explain its first unexplained fact."""
        grown: dict[Suspect, Fact | None] = {}
        until = perf_counter() + self._seconds
        for suspect, fact in frontier.items():
            assert fact is not None
            for bigger in self._bigger(suspect, stage, at_once):
                if perf_counter() > until and at_once > 1:
                    return grown
                if bigger in grown or not self.explains(bigger, fact):
                    continue
                before = facts[: facts.index(fact)]
                if not self._refuted(bigger, [*done, *before]):
                    grown[bigger] = self.first_unexplained(bigger, facts)
        return grown

    def _refuted(self, suspect: Suspect, facts: list[Fact]) -> bool:
        """Whether it does not explain them all; what refuted others is tried first."""
        known = set(facts)
        for fact in [*(f for f in self._killers if f in known), *facts]:
            if not self.explains(suspect, fact):
                if fact in self._killers:
                    self._killers.remove(fact)
                self._killers.insert(0, fact)
                return True
        return False

    def _bigger(self, suspect: Suspect, stage: Stage, at_once: int) -> Iterable[Suspect]:
        for variant in self.zoo.variants:
            fits = (
                variant.affects in stage.affects
                and suspect.style.style in variant.styles
                and variant.name not in suspect.names
                and (not stage.names or variant.name in stage.names)
            )
            if fits and at_once == 1:
                yield suspect.with_one_more(variant)
            elif fits:
                one_more = suspect.with_one_more(variant)
                for bigger in self._bigger(one_more, stage, at_once - 1):
                    if _place[variant] < max(_place[v] for v in bigger.variants):
                        yield bigger

    def _told_apart(self, suspects: list[Suspect], done: list[Fact]) -> list[Suspect]:
        """Ask the layer for more cases while suspects with other names are left."""
        if self.ask is None or self.extra is None:
            return suspects
        for case in self.extra():
            if len({_mistakes(suspect) for suspect in suspects}) < 2:
                break
            views = [self.zoo.does(suspect, case) for suspect in suspects]
            if all(_alike(views[0], view) for view in views[1:]):
                continue
            theirs = self.ask(case)
            if theirs.ended is not None:
                break
            kept = [s for s, view in zip(suspects, views, strict=True) if _alike(theirs, view)]
            if kept:
                suspects = kept
                self.cases.append(case)
                self.seen[case.name] = theirs
        return suspects


def _mistakes(suspect: Suspect) -> frozenset[str]:
    return frozenset(variant.name for variant in suspect.variants if not variant.policy)


def _alike(one: Seen, two: Seen) -> bool:
    """Whether all steps of the first agree; a layer without backward has fewer."""
    steps = zip(one.steps, two.steps, strict=False)
    return len(one.steps) <= len(two.steps) and all(agree(a, b) for a, b in steps)


@lru_cache(maxsize=1)
def policies() -> frozenset[str]:
    """The names in the zoo that are matters of taste."""
    return frozenset(name for name, variants in ZOO.items() if variants[0].policy)
