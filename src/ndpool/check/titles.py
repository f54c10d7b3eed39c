"""Cases in words."""

from __future__ import annotations

from .casebook import Case
from .wordings import say, words


def title(case: Case, lang: str) -> str:
    """In words: overlapping windows, 1x1x3x3, kernel 2, stride 1"""
    pool = case.pool
    parts = [
        words(lang)["titles"].get(case.title, case.title),
        "x".join(map(str, case.shape)),
        say(lang, "titles.kernel", size=_side(pool.kernel)),
        say(lang, "titles.stride", size=_side(pool.stride)),
    ]
    if pool.padded:
        parts.append(say(lang, "titles.pad", size=_side(pool.before)))
    if pool.dilation != (1, 1):
        parts.append(say(lang, "titles.dilation-of", size=_side(pool.dilation)))
    if pool.ceil:
        parts.append(say(lang, "titles.rounded-up"))
    return say(lang, "titles.comma").join(parts)


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
