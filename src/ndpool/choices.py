"""Arguments that are one of a few words."""

from __future__ import annotations

from typing import Any, Literal, get_args

from .errors import PoolError, PoolTypeError, shown

NanPolicy = Literal["propagate", "omit", "raise"]
Ties = Literal["first", "last", "split", "all"]


_seen: dict[int, tuple[Any, tuple[str, ...]]] = {}  # by id: a Literal's own hash takes longer


def one_of(words: Any, argument: str, value: object) -> str:
    """`value`, if it is one of the `words` of a Literal."""
    seen = _seen.get(id(words))
    if seen is None:
        seen = _seen[id(words)] = words, get_args(words)
    _, names = seen
    if isinstance(value, str) and value in names:
        return str(value)
    *most, last = map(repr, names)
    expected = f"{', '.join(most)} or {last}"
    kind = PoolError if isinstance(value, str) else PoolTypeError
    raise kind(argument, expected, shown(value))
