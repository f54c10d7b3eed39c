"""How to get from ndpool what other libraries do: their line, and ours.

tests/test_conventions.py executes both sides of every line.
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    theirs: str
    ours: str


class Peer(NamedTuple):
    name: str
    about: str
    lines: list[Line]


PEERS: list[Peer] = []
