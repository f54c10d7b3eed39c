"""The words of each language: ``en.json``, ``ja.json``. Another language is one more file.

Python and the page read the same files. Sections: "steps" (a title and a sentence or two for each
step; "columns.im2col" goes before "im2col"), "sentences" (what is said of one cell), "moments"
(the hard ones), "text" (what stands around them), "page".
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def languages() -> tuple[str, ...]:
    """Those that there is a file for, English first.

    >>> languages()
    ('en', 'ja')
    """
    found = sorted(file.name[:-5] for file in files(__package__).iterdir() if ".json" in file.name)
    return ("en", *(name for name in found if name != "en"))


@cache
def words(lang: str) -> dict[str, Any]:
    """The file of a language."""
    text = files(__package__).joinpath(f"{lang}.json").read_text("utf-8")
    sections: dict[str, Any] = json.loads(text)
    return sections


def phrase(lang: str, section: str, key: str, **values: Any) -> str:
    """One phrase of a section, with `values` in the places of their names.

    >>> phrase("en", "text", "hidden_image", number=1, of=8)
    'image 1 of 8'
    """
    template: str = words(lang)[section][key]
    return template.format(**values)


def of_step(lang: str, dialect: str, name: str) -> dict[str, str]:
    """A step's "title" and "text".

    >>> of_step("en", "rows", "dx")["title"]
    'Crop: dx'
    """
    steps = words(lang)["steps"]
    found: dict[str, str] = steps.get(f"{dialect}.{name}") or steps[name]
    return found
