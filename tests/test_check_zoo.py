"""Every mistake of the zoo is found and named, in every variant, style and kind of layer.

Here the layers are the zoo's own: the expected name is the one they were made with. With
NDPOOL_CHECK_ALL=1 every variant is tried in every style and for every kind of layer; otherwise a
few variants of each mistake, in styles and kinds taken in turn.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

from ndpool.check.casebook import Can, cases_for, names
from ndpool.check.diagnose import ALL, Diagnostician, Fact, Suspect, agree
from ndpool.check.mistakes import BOTH, GRADIENT, OUTPUT, STYLES, ZOO
from ndpool.check.script import Reference, expected, perform

EVERYTHING = bool(os.environ.get("NDPOOL_CHECK_ALL"))
KINDS = {
    "square": Can(pad=None),
    "all": Can(pad=None, rectangular=True, strides=True, pads=True, dilation=True, ceil=True),
    "no padding": Can(rectangular=True),
    "stride follows": Can(stride="kernel", pad=None, rounds_up=True),
    "2 x 2 only": Can(kernel=(2, 2), stride=(2, 2)),
    "one image": Can(pad=None, images=False),
}
CASES = {kind: cases_for(can)[0] for kind, can in KINDS.items()}


def do(suspect, case):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return perform(case, suspect.make)


def diagnosed(suspect, kind):
    """(names of all suspects that are left, stages that are not explained, whether it shows)"""
    can, cases = KINDS[kind], CASES[kind]
    seen = {case.name: do(suspect, case) for case in cases}
    for case in cases:
        for step in (
            seen[case.name].steps if case.group != "dtype" else ()
        ):  # a slip in the zoo itself would be a TypeError or worse
            assert step.failure is None or step.failure.type in ("ValueError", "IndexError"), step
    diagnostician = Diagnostician(can, cases, seen)
    shows = any(
        not diagnostician.right(Fact(case, number))
        for case in cases
        if case.group not in ("dtype", "empty")
        for number in range(len(seen[case.name].steps))
    )
    found = diagnostician.run()
    return {one.names for one in found.suspects}, found.unknown, shows


def variants_to_try(name):
    found = [(number, variant) for number, variant in enumerate(ALL) if variant.name == name]
    if not EVERYTHING:
        found = found[:: -(-len(found) // 4)]
    for number, variant in found:
        able = [kind for kind in KINDS if variant.needs <= KINDS[kind].words]
        styles = [style for style in STYLES if style.style in variant.styles]
        if EVERYTHING:
            yield from ((variant, style, kind) for style in styles for kind in able)
        else:
            kind = able[number % len(able)]
            yield variant, styles[number % len(styles)], kind


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.style)
def test_without_a_mistake_the_styles_are_right(style):
    for case in CASES["all"]:
        wanted, got = expected(case).steps, do(Suspect(style), case).steps
        assert len(wanted) == len(got)
        assert all(agree(a, b) for a, b in zip(wanted, got, strict=True)), case.name


@pytest.mark.parametrize("name", list(ZOO))
def test_a_mistake_is_named(name):
    tried = 0
    for variant, style, kind in variants_to_try(name):
        left, unknown, shows = diagnosed(Suspect(style, (variant,)), kind)
        where = f"{variant.mixin.__name__}, {style.style}, {kind}"
        if shows:
            tried += 1
            assert left == {frozenset([name])}, where
            assert not unknown, where
        else:
            assert left == {frozenset()}, where
    if not tried:  # in the kinds taken in turn nothing showed
        left, unknown, shows = diagnosed(Suspect(style_of(ZOO[name][0]), (ZOO[name][0],)), "all")
        assert shows and left == {frozenset([name])} and not unknown


def style_of(variant):
    return next(style for style in STYLES if style.style in variant.styles)


def pairs():
    rng = np.random.default_rng(1)
    first = [v for v in ALL if v.affects in (OUTPUT, BOTH) and not v.policy]
    second = [v for v in ALL if v.affects == GRADIENT and not v.policy]
    while True:
        a, b = (group[int(rng.integers(len(group)))] for group in (first, second))
        shared = [style for style in STYLES if style.style in a.styles & b.styles]
        if shared and a.needs | b.needs <= KINDS["square"].words:
            yield a, b, shared[int(rng.integers(len(shared)))]


def test_pairs_are_named_and_never_wrongly():
    named, number = 0, 40 if EVERYTHING else 10
    for _, (a, b, style) in zip(range(number), pairs(), strict=False):
        suspect = Suspect(style, ()).with_one_more(a).with_one_more(b)
        left, _, _ = diagnosed(suspect, "square")
        certain = frozenset.intersection(*left)
        assert certain <= {a.name, b.name} or len(left) == 1, (a, b, certain)
        named += certain == {a.name, b.name}
        wrong = certain - {a.name, b.name}
        assert not wrong, (a.mixin.__name__, b.mixin.__name__, style.style, certain)
    assert named >= 0.6 * number  # the rest: one hides the other, or several explain it equally


def test_thirty_and_more():
    assert len([name for name, variants in ZOO.items() if not variants[0].policy]) >= 30


def test_case_names_are_unique_and_reference_is_right_everywhere():
    assert len(names()) == len(set(names()))
    for kind, cases in CASES.items():
        assert len({case.name for case in cases}) == len(cases), kind
        for case in cases:
            seen = perform(case, Reference, watch=True)
            assert all(step.value is not None for step in seen.steps), case.name
            assert not seen.marks - {"forward-aliases"}, case.name
