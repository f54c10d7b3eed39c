"""The examples in the docs say what really happens."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/backward.md", "docs/backward.ja.md"]
)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some save files
    failed, tried = doctest.testfile(
        str(ROOT / page),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE,
        encoding="utf-8",
    )
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("page", ["docs/backward.md", "docs/backward.ja.md"])
def test_pictures_and_pages_are_there(page):
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text("utf-8"))
    assert len(links) > 5
    for link in links:
        assert ((ROOT / page).parent / link).is_file(), link
