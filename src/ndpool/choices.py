"""Arguments that are one of a few words."""

from __future__ import annotations

from typing import Any, Literal, get_args

from .errors import PoolError, PoolTypeError, shown

NanPolicy = Literal["propagate", "omit", "raise"]
Ties = Literal["first", "last", "split", "all"]


def one_of(words: Any, argument: str, value: object) -> str:
    """`value`, if it is one of the `words` of a Literal."""
    *most, last = map(repr, get_args(words))
    expected = f"{', '.join(most)} or {last}"
    if not isinstance(value, str):
        raise PoolTypeError(argument, expected, shown(value))
    if value not in get_args(words):
        raise PoolError(argument, expected, shown(value))
    return str(value)
