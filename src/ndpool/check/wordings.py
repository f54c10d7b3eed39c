"""The words, in the reader's language: one file of them for each."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import PoolError

FOLDER = Path(__file__).parent / "words"


@lru_cache(maxsize=8)
def words(lang: str) -> dict[str, Any]:
    """All words of a language; PoolError for one that there is no file of."""
    file = FOLDER / f"{lang}.json"
    if not lang.isalpha() or not file.exists():
        known = " or ".join(repr(path.stem) for path in sorted(FOLDER.glob("*.json")))
        raise PoolError("lang", known, repr(lang))
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def say(lang: str, key: str, **values: Any) -> str:
    """The sentence of this key ("group.name"), with values put in.

    >>> say("en", "layer.ok", name="Pooling", tried=3)
    '✓ Pooling: nothing found in 3 cases'
    """
    found: Any = words(lang)
    for part in key.split("."):
        found = found[part]
    return str(found).format(**values)


def mistake_words(lang: str, name: str) -> dict[str, str]:
    """what, why, mend and line of a mistake."""
    found: dict[str, str] = words(lang)["mistakes"][name]
    return found
