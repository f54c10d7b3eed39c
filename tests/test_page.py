"""The page as a file: what it holds, and what it must not. Nothing here needs a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest

import ndpool
from ndpool.explain import page
from ndpool.explain.words import languages, words

EVIL = '</script><img src=x onerror="document.title=1">&<!--'


@pytest.fixture(scope="module")
def text():
    return page.html(ndpool.explain((2, 2, 4, 5)))


def test_is_small(text):
    assert len(text.encode()) < 200_000


def test_asks_for_nothing(text):
    assert not re.search(r"https?:|//\w|@import|url\(|fetch\(|XMLHttp|WebSocket|import\(", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")


def test_policy_knows_its_own_script_and_style(text):
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text


@pytest.mark.parametrize("name", [EVIL, "\u2028]]>", "{{script}}"])
def test_names_are_harmless(name):
    text = page.html(ndpool.explain((1, 1, 2, 2), name=name))
    assert text.count("</script>") == 2 and "<img" not in text and "<!--" not in text
    assert json.loads(embedded(text))["name"] == name


def embedded(text):
    return re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]


def test_holds_arguments_and_data_alone():
    x = np.arange(12, dtype=">f4").reshape(3, 4)
    trace = ndpool.explain(x, (2, 1), stride=1, padding=((1, 0), (0, 0)), lang="ja", dy="ones")
    found = json.loads(embedded(page.html(trace)))
    data = base64.b64decode(found["x"].pop("data"))
    assert np.array_equal(np.frombuffer(data, "<f4").reshape(3, 4), x)
    assert found == {
        "version": 1,
        "name": None,
        "x": {"dtype": "float32", "shape": [1, 1, 3, 4]},
        "dy": "ones",
        "kernel": [2, 1],
        "stride": [1, 1],
        "dilation": [1, 1],
        "before": [1, 0],
        "after": [0, 0],
        "ceil": False,
        "dialect": "rows",
        "lang": "ja",
        "image": None,
        "channel": None,
        "region": None,
        "base": None,
    }


def test_of_a_very_large_array_one_plane(monkeypatch):
    monkeypatch.setattr(page, "EMBEDDED", 1000)
    x = np.arange(3 * 2 * 8 * 9).reshape(3, 2, 8, 9)
    found = json.loads(embedded(page.html(ndpool.explain(x, image=-1, channel=1))))
    data = np.frombuffer(base64.b64decode(found["x"]["data"]), "<i8")
    assert np.array_equal(data.reshape(8, 9), x[2, 1])
    assert found["base"] == {"n": 2, "c": 1, "N": 3, "C": 2}
    monkeypatch.setattr(page, "LARGEST", 100)
    with pytest.raises(ndpool.PoolError, match="x: expected at most 0 MiB in a page"):
        page.html(ndpool.explain(x, image=0, channel=0))


def test_save_writes_and_shows(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(page.webbrowser, "open", shown.append)
    trace = ndpool.explain((1, 1, 2, 2))
    target = page.save(trace, tmp_path / "a page.html")
    assert target.read_text("utf-8") == page.html(trace) and shown == []
    page.save(trace, str(tmp_path / "a page.html"), open=True)
    assert shown == [target.as_uri()]


def test_every_language_has_every_word():
    for section in page.WORDS:
        for lang in languages():
            assert keys(words(lang)[section]) == keys(words("en")[section])


def keys(found):
    """Of dictionaries in dictionaries; a phrase counts by the names in its braces."""
    if isinstance(found, dict):
        return {key: keys(value) for key, value in found.items()}
    return sorted(set(re.findall(r"\{(\w+)\}", found)))


def test_every_word_that_the_scripts_say_is_there():
    script = page._script()
    said = set(re.findall(r'Say\.page\("(\w+)"', script)) | set(
        re.findall(r'data-(?:w|label)="(\w+)"', page._read("page.html"))
    )
    refused = set(re.findall(r'new Refusal\([^,]+, "(\w+)"', script))
    assert len(said) > 20 and len(refused) > 10
    assert said | refused <= set(words("en")["page"])
