"""Write docs/kinds.md: what each kind can do, found out by trying it, and the peers' conventions.

python tools/make_kinds.py
"""

from __future__ import annotations

from pathlib import Path

from conventions import PEERS, Peer
from kind_facts import DIMENSIONS, DTYPES, WORDS, Facts, facts, names

PAGE = Path(__file__).parent.parent / "docs" / "kinds.md"
Row = list[str]


def page() -> str:
    """The whole page, as Markdown."""
    found = [facts(name) for name in names()]
    by_dtype = ["ndpool.", *map(str, DTYPES)]
    parts = [
        _HEAD,
        table(["ndpool.", "layer", "gradient for", "pooled axes", "`jvp`", "2nd order", *WORDS],
              [_kind(one) for one in found]),
        _FORWARD, merged(by_dtype, [[f"`{f.name}`", *f.forward] for f in found]),
        _BACKWARD, merged(by_dtype, [[f"`{f.name}`", *f.backward] for f in found]),
        _AXES,
        merged(["ndpool.", *map(str, DIMENSIONS)], [[f"`{f.name}`", *f.engines] for f in found]),
        _PEERS, *map(_peer, PEERS),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _kind(one: Facts) -> Row:
    return [
        f"`{one.name}`", f"`{one.layer}`", ", ".join(one.gradients), span(one.dimensions),
        one.jvp, one.second, *("yes" if word in one.words else "" for word in WORDS),
    ]  # fmt: skip


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
    return f"### {peer.name}\n\n{peer.about}\n\n" + table(["To get", "write"], rows)


_HEAD = """# What each kind can do

Written by `tools/make_kinds.py`, which tries every kind; do not edit. A test fails where this page
is not what the code does.

**gradient for**: what `…_backward` gives a gradient for. **pooled axes**: how many it pooled when
tried; which of the array's axes they are, `axes=` says. **2nd order**: `double_backward` gives a
gradient for `dy`, and for `x` where the kind is not linear. The other columns are words that the
forward function takes; `help` of each function has the whole contract."""
_FORWARD = """## Forward, by dtype

The engine that computes it where the kernels were built (the numpy engine computes all of it
anywhere), and y's dtype where it is not x's."""
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
