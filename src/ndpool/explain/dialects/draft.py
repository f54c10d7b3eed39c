"""What a dialect knows of a step."""

from __future__ import annotations

from typing import NamedTuple

from ..steps import Array, Link


class Draft(NamedTuple):
    """See `Step` for each."""

    array: Array
    links: tuple[Link, ...] = ()
    padding: Array | None = None
