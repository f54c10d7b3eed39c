"""docs/kinds.md: it is what the code does, and both sides of its lines give the same."""

import sys
from pathlib import Path

import numpy as np
import peer_lines
import pytest
from cases import needs_native

import ndpool

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tools"))  # whose files import each other
import conventions  # noqa: E402
import make_kinds  # noqa: E402

LINES = [(peer.name, line) for peer in conventions.PEERS for line in peer.lines]


@needs_native
def test_the_page_is_what_the_code_says():
    written = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    assert written == make_kinds.page(), "run python tools/make_kinds.py"


@pytest.mark.parametrize("peer, line", LINES, ids=[line.theirs for _, line in LINES])
def test_both_sides_are_equal(peer, line):
    arrays, theirs = peer_lines.PEERS[peer]()
    given = {name: array.copy() for name, array in arrays.items()}
    expected = eval(line.theirs, {"np": np, **arrays, **theirs})
    found = eval(line.ours, {"np": np, "ndpool": ndpool, **given})
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    pairs = (
        [(found, expected)] if not isinstance(found, tuple) else zip(found, expected, strict=True)
    )
    for one, other in pairs:
        other = np.asarray(other)
        assert one.shape == other.shape
        if one.dtype.kind in "iu":  # positions
            assert np.array_equal(one, other)
        else:
            assert np.allclose(one, other, rtol=1e-5, atol=1e-6)


def test_every_kind_of_pooling_is_on_the_page():
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    for name in ndpool.__all__:
        if name.endswith(("_pool", "_unpool", "roi_align")):
            assert page.count(f"| `{name}`") >= 4, name
