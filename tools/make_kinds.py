"""Write docs/kinds.md: what each kind can do, found out by trying it, and the peers' conventions.

python tools/make_kinds.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import get_args

from conventions import PEERS, Peer
from kind_facts import CELLS, DIMENSIONS, DTYPES, SIZES, WORDS, Facts, facts, names, own_words

from ndpool.choices import NanPolicy

PAGE = Path(__file__).parent.parent / "docs" / "kinds.md"
Row = list[str]


def page() -> str:
    """The whole page, as Markdown."""
    found = {name: [facts(name, size) for size in SIZES] for name in names()}
    dtypes = ["ndpool.", *map(str, DTYPES)]
    dimensions = ["ndpool.", *map(str, DIMENSIONS)]
    parts = [
        _HEAD,
        table(["ndpool.", "layer", "gradient for", "pooled axes", "`jvp`", "2nd order", *WORDS],
              [_kind(one) for one, *_ in found.values()]),
        _OWN, table(["ndpool.", "words"], [row for name in names() if (row := _own(name))]),
        _FORWARD, merged(dtypes, _by_size(found, lambda one: one.forward)),
        _BACKWARD, merged(dtypes, _by_size(found, lambda one: one.backward)),
        _AXES, merged(dimensions, _by_size(found, lambda one: one.engines)),
        _PEERS, *map(_peer, PEERS),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _by_size(found: dict[str, list[Facts]], cells: Callable[[Facts], Row]) -> list[Row]:
    """A row for each kind; one for each output size where they differ."""
    rows = []
    for name, each in found.items():
        if all(cells(one) == cells(each[0]) for one in each):
            rows.append([f"`{name}`", *cells(each[0])])
        else:
            rows += [[f"`{name}`, {CELLS} to {one.output_size}", *cells(one)] for one in each]
    return rows


def _kind(one: Facts) -> Row:
    return [
        f"`{one.name}`", f"`{one.layer}`", ", ".join(one.gradients), span(one.dimensions),
        one.jvp, one.second, *("yes" if word in one.words else "" for word in WORDS),
    ]  # fmt: skip


def _own(name: str) -> Row | None:
    words = [f"`{word}`: {value}" for word, value in own_words(name).items()]
    return [f"`{name}`", "; ".join(words)] if words else None


def span(numbers: tuple[int, ...]) -> str:
    """Numbers without a gap as the first and the last."""
    whole = len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]} to {numbers[-1]}" if whole else ", ".join(map(str, numbers))


def merged(head: Row, rows: list[Row]) -> str:
    """The table, with neighbours joined that are equal in all rows."""
    columns = [list(column) for column in zip(head, *rows, strict=True)]
    kept = [columns[0]]
    for column in columns[1:]:
        if column[1:] == kept[-1][1:]:
            first = kept[-1][0].split(" to ")[0]
            kept[-1][0] = f"{first} to {column[0]}"
        else:
            kept.append(column)
    joined, *others = (list(row) for row in zip(*kept, strict=True))
    return table(joined, others)


def table(head: Row, rows: list[Row]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _peer(peer: Peer) -> str:
    rows = [[f"`{line.theirs}`", f"`{line.ours}`"] for line in peer.lines]
    return f"### {peer.name}\n\n{fill(peer.about, 100)}\n\n" + table(["To get", "write"], rows)


_HEAD = f"""# What each kind can do

Written by `tools/make_kinds.py`, which tries every kind; do not edit. A test fails where this page
is not what the code does.

**gradient for**: what `…_backward` gives a gradient for. **pooled axes**: how many it pooled when
tried; which of the array's axes they are, `axes=` says. **2nd order**: `double_backward` gives a
gradient for `dy`, and for `x` where that is not zero. The other columns are words that the forward
function takes, `nan_policy` being {" / ".join(map(repr, get_args(NanPolicy)))}; `help` of each
function has the whole contract."""
_OWN = """## Words of its own

The names that a word may be, where it may be some; otherwise its default."""
_FORWARD = f"""## Forward, by dtype

Who goes over the windows where the kernels were built, and y's dtype where it is not x's: "native"
are the kernels, "numpy" is NumPy, which can do all of it anywhere. Steps beside the windows (a
root, the blur after a maximum) are NumPy's in either case. Each kind was called in its plainest
form, on {CELLS} cells along each of two axes, with windows of 2 x 2, norm 2, p = 3 for GeM and
levels 1 and 2 for the pyramid; "{CELLS} to 4" is an output of that size, whose regions are not as
regular as windows. Masks and other parameters may need NumPy where these did not, as do big-endian
arrays."""
_BACKWARD = """## Backward, by dtype of dy

With an x of the same dtype. dx has dy's dtype unless another one stands here."""
_AXES = """## Engine, by number of pooled axes

Forward / backward, float32, in an array with two axes more."""
_PEERS = """## To get what others do

Both sides of each line are executed by the tests, on the same arrays, and have to be equal. A peer
that is not installed there is replaced by what the section says."""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
