"""What the page shows is what Python computes: after hundreds of edits, cell for cell."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from browser import needs_browser
from cases import DTYPES, REGIMES, values

import ndpool
from ndpool.explain.numbers import shown
from ndpool.textbook import coded_array

pytestmark = needs_browser
EDITS = int(os.environ.get("NDPOOL_EDITS", "300"))
TYPED = 0.3  # of the edits that are numbers: typed into the real controls
LOOKS = 3  # cells that are looked at after each edit


@dataclass(frozen=True)
class Asked:
    """What the page should be showing, in Python's words."""

    x: Any
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    ceil: bool = False
    dialect: str = "rows"
    dy: str = "out"
    region: tuple[int, int, int, int] | None = None

    def trace(self) -> Any:
        """PoolError where there is no such pooling."""
        with np.errstate(all="ignore"):  # sums of float16 overflow
            return ndpool.explain(
                self.x,
                self.kernel,
                stride=self.stride,
                dilation=self.dilation,
                padding=tuple(zip(self.before, self.after, strict=True)),
                ceil_mode=self.ceil,
                dialect=self.dialect,
                dy=self.dy,
                region=self.region,
            )


def test_after_random_edits(open_page):
    rng = random.Random(20)
    asked = Asked(coded_array(2, 2, 4, 5))
    page = open_page(asked.trace())
    kinds, refused = set(), 0
    for number in range(EDITS):
        edit = random_edit(rng, number, asked)
        try:
            trace = edit.asked.trace()
        except ndpool.PoolError:
            assert do(page, edit, rng), edit.changes
            refused += 1
            trace = asked.trace()
        else:
            assert do(page, edit, rng) == "", edit.changes
            asked = edit.asked
        kinds.add(next(iter(edit.changes)))
        check(page, trace, rng, f"edit {number}: {edit.changes}")
    assert kinds >= {"kernel", "stride", "dilation", "before", "ceil", "dialect", "shape", "x"}
    assert refused > EDITS / 30


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(open_page, dtype):
    rng, array_rng = random.Random(3), np.random.default_rng(3)
    page = None
    for number, regime in enumerate(REGIMES):
        x = values(array_rng, regime, (1, 2, 4, 5), dtype)
        dialect = ("rows", "columns", "direct")[number % 3]
        asked = Asked(x, (2, 3), (1, 2), before=(1, 1), after=(0, 1), dialect=dialect)
        if page is None:  # bytes once, as a page is saved; then edits, which are quicker
            page = open_page(asked.trace())
        else:
            page.run("(changes) => ndpool.edit(changes)", {"x": as_json(x), "dialect": dialect})
        check(page, asked.trace(), rng, f"{dtype} {regime} {dialect}")


# ---- random edits ----


@dataclass(frozen=True)
class Edit:
    changes: dict[str, Any]  # as the page's own `edit` takes them
    asked: Asked  # what should be shown then


KINDS = (
    "kernel", "stride", "dilation", "padding", "ceil", "dialect", "shape", "x", "x", "cells",
    "region", "dy", "fewer",
)  # fmt: skip


def random_edit(rng: random.Random, number: int, asked: Asked) -> Edit:
    kind = rng.choice(KINDS)
    pair = rng.choice([(1, 1), (2, 2), (3, 2), (2, 3), (1, 3), (3, 3), (2, 1)])
    if kind in ("kernel", "stride", "dilation"):
        return Edit({kind: pair}, replace(asked, **{kind: pair}))
    if kind == "padding":
        before, after = ((rng.randrange(3), rng.randrange(2)) for _ in range(2))
        changes = {"before": before, "after": after}
        return Edit(changes, replace(asked, **changes))
    if kind == "ceil":
        return Edit({"ceil": not asked.ceil}, replace(asked, ceil=not asked.ceil))
    if kind == "dialect":
        dialect = rng.choice(["rows", "columns", "direct"])
        return Edit({"dialect": dialect}, replace(asked, dialect=dialect))
    if kind == "dy":
        dy = rng.choice(["out", "ones", "powers"])
        return Edit({"dy": dy}, replace(asked, dy=dy))
    if kind == "cells":
        return edited_cells(rng, asked)
    if kind == "region":
        (r0, r1), (k0, k1) = (sorted(rng.sample(range(size + 1), 2)) for size in asked.x.shape[2:])
        return Edit({"region": (r0, r1, k0, k1)}, replace(asked, region=(r0, r1, k0, k1)))
    shape = tuple(rng.randint(1, most) for most in (2, 2, 7, 7))
    if kind == "shape":
        return Edit({"shape": shape}, replace(asked, x=reshaped(asked.x, shape), region=None))
    if kind == "fewer":  # back to what always works
        plain = {"kernel": (1, 1), "before": (0, 0), "after": (0, 0), "dilation": (1, 1)}
        return Edit(plain, replace(asked, **plain))
    x = values(np.random.default_rng(number), rng.choice(REGIMES), shape, rng.choice(DTYPES))
    return Edit({"x": as_json(x)}, replace(asked, x=x, region=None))


def edited_cells(rng: random.Random, asked: Asked) -> Edit:
    """A tie: one cell gets another's number. NaN where there is NaN."""
    x = asked.x.copy()
    to, source = (rng.randrange(x.size) for _ in range(2))
    is_float = x.dtype.kind not in "biu"
    x.reshape(-1)[to] = np.nan if is_float and rng.random() < 0.3 else x.reshape(-1)[source]
    return Edit({"cells": [[to, exact(x.reshape(-1)[to])]]}, replace(asked, x=x))


def reshaped(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Coded arrays stay coded, others are repeated or cut along each axis."""
    if x.dtype == np.int64 and np.array_equal(x, coded_array(*x.shape)):
        return coded_array(*shape)
    for axis, size in enumerate(shape):
        x = np.take(x, np.arange(size) % x.shape[axis], axis)
    return x


def as_json(x: np.ndarray) -> dict[str, Any]:
    return {"dtype": x.dtype.name, "shape": x.shape, "data": [exact(v) for v in x.reshape(-1)]}


def exact(value: Any) -> str:
    """A text that reads back as the same number."""
    if isinstance(value, (np.bool_, np.integer)):
        return str(int(value))
    return repr(float(value))


FIELDS = {"kernel": 2, "stride": 2, "dilation": 2, "shape": 4}


def do(page: Any, edit: Edit, rng: random.Random) -> str:
    """Make the edit, with the real controls if they can; what the page refused, or nothing."""
    kind = next(iter(edit.changes))
    if kind == "ceil":
        page.tab.locator("#ceil").set_checked(edit.changes["ceil"])
        return page.error("ceil")
    if kind == "dialect":
        page.tab.locator("#dialect").select_option(edit.changes["dialect"])
        return page.error("dialect")
    if kind in FIELDS and len(edit.changes) == 1 and rng.random() < TYPED:
        return typed(page, kind, edit.changes[kind])
    return page.run(
        "(changes) => { try { ndpool.edit(changes); return '' } catch (e) { return `${e}` } }",
        edit.changes,
    )


def typed(page: Any, kind: str, numbers: tuple[int, ...]) -> str:
    """Type all numbers, then let the page know of them at once, as one edit."""
    for i, number in enumerate(numbers[:-1]):
        page.run(
            "([id, value]) => { document.getElementById(id).value = value }",
            [f"{kind}-{i}", str(number)],
        )
    last = page.tab.locator(f"#{kind}-{len(numbers) - 1}")
    last.fill("")
    last.fill(str(numbers[-1]))
    last.dispatch_event("change")  # which Tab sends only if the last number is another
    said = page.error(kind)
    last.press("Tab")
    return said


# ---- what is shown, against the trace ----


LINKS = """() => ndpool.trace.steps.map(({ name, shape, axes, links }) => [name, shape, axes,
  links.map(({ role, step, starts, cells }) => [role, step, [...starts], [...cells]])])"""


def check(page: Any, trace: Any, rng: random.Random, about: str) -> None:
    assert page.run(LINKS) == [
        [step.name, [*step.shape], [*step.axes], [
            [link.role, link.step, link.starts.tolist(), link.cells.tolist()]
            for link in step.links
        ]]
        for step in trace.steps
    ], about  # fmt: skip
    seen = page.read()
    assert list(seen) and set(seen) == {step.name for step in trace.steps}, about
    for step in trace.steps:
        assert [text for text, _ in seen[step.name]] == expected_texts(step), (about, step.name)
        classes = [set(words.split()) for _, words in seen[step.name]]
        padding = np.zeros(step.shape, bool) if step.padding is None else step.padding
        assert ["padding" in c for c in classes] == padding.reshape(-1).tolist(), about
        if "·" in step.axes[-1] or step.name in ("x", "pad", "col2im", "dx"):
            winners = trace.winners[step.name].reshape(-1).tolist()
            if step.name not in ("argmax", "max"):
                assert ["winner" in c for c in classes] == winners, (about, step.name)
    if trace.hidden:
        assert page.run("document.querySelector('#hidden').textContent") == trace.hidden, about
    steps = [rng.choice(trace.steps) for _ in range(LOOKS)]
    cells = [(step.name, rng.randrange(step.array.size)) for step in steps]
    for (name, cell), (lit, sentence) in zip(cells, page.point(cells), strict=True):
        index = tuple(int(i) for i in np.unravel_index(cell, trace[name].shape))
        where = f"{about}, at {name}{index}"
        came = sources(trace, name, index, ("value",))
        decided = sources(trace, name, index, ("value", "choice"))
        assert lit["self"] == {name: {cell}}, where
        assert lit.get("from", {}) == came, where
        assert lit.get("by", {}) == minus(decided, came), where
        assert lit.get("to", {}) == targets(trace, name, index), where
        assert sentence == trace.sentence(name, index), where


def expected_texts(step: Any) -> list[str]:
    flat = step.array.reshape(-1)
    texts = [shown(value) for value in flat]
    if step.padding is None or step.phase == "backward":
        return texts
    word = "min" if step.array.dtype.kind in "biu" else "-inf"
    return [
        word if pad else text for text, pad in zip(texts, step.padding.reshape(-1), strict=True)
    ]


def sources(trace: Any, name: str, index: Any, roles: tuple[str, ...]) -> dict[str, set[int]]:
    return spread(trace, name, index, lambda step, at: [
        cell for role in roles for cell in trace[step].linked(role, at)
    ])  # fmt: skip


def targets(trace: Any, name: str, index: Any) -> dict[str, set[int]]:
    return spread(trace, name, index, lambda step, at: trace.goes_to(step, *at))


def spread(trace: Any, name: str, index: Any, following: Any) -> dict[str, set[int]]:
    """All cells that can be reached, the first left out."""
    found: dict[tuple[str, Any], None] = {}
    waiting = [(name, index)]
    while waiting:
        for cell in following(*waiting.pop()):
            if cell not in found:
                found[cell] = None
                waiting.append(cell)
    cells: dict[str, set[int]] = {}
    for step, at in found:
        cells.setdefault(step, set()).add(trace[step].cell(at))
    return cells


def minus(one: dict[str, set[int]], other: dict[str, set[int]]) -> dict[str, set[int]]:
    left = {step: cells - other.get(step, set()) for step, cells in one.items()}
    return {step: cells for step, cells in left.items() if cells}
