"""What surrounds the diagnosis: survival, words, hints, files, the command, pytest, the docs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import ndpool
from ndpool import cli
from ndpool.check import wordings
from ndpool.check.casebook import RECIPES
from ndpool.check.mistakes import ZOO
from ndpool.check.text import width

ROOT = Path(__file__).parent.parent


class Right:
    """Loops, without a mistake; the others spoil it."""

    def __init__(self, kernel_size, stride):
        self.k, self.s = kernel_size, stride

    def forward(self, x):
        k, s = self.k, self.s
        n, c, h, w = x.shape
        oh, ow = (h - k) // s + 1, (w - k) // s + 1
        y = np.zeros((n, c, oh, ow))
        for i in range(oh):
            for j in range(ow):
                y[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].max((2, 3))
        self.x = x
        return y

    def backward(self, dout):
        k, s = self.k, self.s
        dx = np.zeros(self.x.shape)
        for n, c, i, j in np.ndindex(*dout.shape):
            window = self.x[n, c, i * s : i * s + k, j * s : j * s + k]
            a, b = np.unravel_index(window.argmax(), window.shape)
            self.write(dx, (n, c, i * s + a, j * s + b), dout[n, c, i, j])
        return dx

    def write(self, dx, where, value):
        dx[where] += value


class Assigns(Right):
    def write(self, dx, where, value):
        dx[where] = value


def test_the_issues_example():
    report = ndpool.check(Assigns, case="overlap-k2s1")
    assert not report.ok and report.exit_status == 1
    (finding,) = report.findings
    assert (finding.phase, finding.case, finding.mistake) == (
        "backward",
        "overlap-k2s1",
        "assign-for-add",
    )
    lines = report.text().splitlines()
    assert lines[0] == "✗ backward · overlapping windows, 1x1x3x3, kernel 2, stride 1"
    assert " ".join(line.strip() for line in lines[1:3]) == (
        "dx[0,0,1,1] is 8, expected 15: outputs (0,0), (0,1), (1,0) are missing, (1,1) is kept"
    )
    assert lines[-2].startswith("  Try it:") or "Try it:" in report.text()


# survival

SPOILED = {
    "forward-endless": ("forward", "while True: pass", "endless"),
    "backward-endless": ("backward", "while True: pass", "endless"),
    "exits": ("forward", "import sys; sys.exit(3)", "exits"),
    "os-exit": ("backward", "import os; os._exit(0)", "exits"),
    "prints": ("forward", "\nfor _ in range(200000): print('x' * 100)", "prints-without-end"),
    "nothing": ("forward", "return None", "returns-nothing"),
    "nothing-back": ("backward", "return None", "returns-nothing"),
    "list": ("forward", "return [[1.0]]", "returns-wrong-type"),
    "text": ("backward", "return 'dx'", "returns-wrong-type"),
    "crash": ("forward", "import ctypes; ctypes.string_at(0)", "crashes"),
    "killed": ("backward", "import os; os.kill(os.getpid(), 9)", "crashes"),
    "raises": ("forward", "raise RuntimeError('boom')", None),
    "memory": ("forward", "import numpy; numpy.ones(1 << 36)", "takes-all-memory"),
}


@pytest.mark.parametrize("name", list(SPOILED))
def test_the_checker_survives(name):
    method, code, mistake = SPOILED[name]
    scope = {}
    exec(f"def {method}(self, given):\n" + textwrap.indent(code, "    "), scope)
    layer = type("Spoiled", (Right,), {method: scope[method]})
    report = ndpool.check(layer, timeout=1)
    first = report.findings[0]
    assert (first.phase, first.mistake) == (method, mistake), report.text()
    assert first.case == "one-window"
    if name == "raises":
        assert "RuntimeError: boom" in first.message


def test_a_constructor_that_raises_is_a_finding():
    def refuse(self, kernel_size, stride):
        return {}["nothing"]

    report = ndpool.check(type("Spoiled", (Right,), {"__init__": refuse}))
    assert report.findings[0].phase == "construct" and "KeyError" in report.findings[0].message


def test_what_a_layer_refuses_is_skipped_with_its_own_word():
    class Blocks(Right):
        def __init__(self, kernel_size, stride):
            if stride != kernel_size:
                raise ValueError("blocks only")
            super().__init__(kernel_size, stride)

    report = ndpool.check(Blocks)
    assert report.ok and any("blocks only" in line for line in report.skipped)


@pytest.mark.parametrize("junk", [5, None, (), (1, 2), [Right, Right, Right]])
def test_no_layer_is_refused(junk):
    with pytest.raises((TypeError, ValueError), match="layer"):
        ndpool.check(junk)


@pytest.mark.parametrize(
    "words", [{"case": "no-such"}, {"hint": 4}, {"lang": "xx"}, {"layout": "WHCN"}]
)
def test_bad_words_are_refused_by_name(words):
    with pytest.raises(ndpool.PoolError, match=next(iter(words))):
        ndpool.check(Right, **words)


# what is told


def test_hints_hide_the_answer():
    reports = [ndpool.check(Assigns, hint=hint) for hint in range(4)]
    texts = [report.json() for report in reports]
    assert reports[0].findings[0].phase == "backward"
    for hint in (0, 1):
        assert "assign-for-add" not in texts[hint] and "+=" not in texts[hint]
    assert "overlap" not in json.loads(texts[0])["findings"][0]["title"]
    assert "overlap" in texts[1] and "dx[" in texts[1]
    assert reports[2].findings[0].mistake == "assign-for-add"
    assert not reports[2].findings[0].line and reports[3].findings[0].line


def test_words_are_complete_in_both_languages():
    english, japanese = wordings.words("en"), wordings.words("ja")

    def keys(found, before=""):
        for key, value in found.items():
            yield from keys(value, f"{before}{key}.") if isinstance(value, dict) else [before + key]

    assert set(keys(english)) == set(keys(japanese))
    assert set(ZOO) <= set(english["mistakes"])
    assert {recipe.title for recipe in RECIPES} <= set(english["titles"])
    for language in (english, japanese):
        for name, said in language["mistakes"].items():
            assert set(said) == {"what", "why", "mend", "line"} and said["what"], name
    for name, said in japanese["mistakes"].items():
        assert any(ord(letter) > 0x3000 for letter in said["what"]), name


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_text_fits_80_columns(lang):
    for show in (False, True):
        for line in ndpool.check(Assigns, lang=lang, show=show).text().splitlines():
            assert width(line) <= 80 or line.startswith("      "), line


def test_json_html_and_files(tmp_path):
    report = ndpool.check(Assigns)
    data = json.loads(report.json())
    assert data["findings"][0]["mistake"] == "assign-for-add" and data["exit_status"] == 1
    report.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and 'class="wrong"' in page
    assert "http" not in page and "<script" not in page
    report.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == data


def test_names_are_escaped_in_the_page():
    layer = type("</title><script>", (Assigns,), {})
    assert "<script>" not in ndpool.check(layer).html()


def test_the_reproducer_shows_the_failure(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")
    done = command("mine.py:Pooling", "--json", "-", cwd=tmp_path)
    finding = json.loads(done.stdout)["findings"][0]
    ran = subprocess.run(
        [sys.executable, "-c", finding["code"]],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr + finding["code"]
    wrong = finding["code"].splitlines()[-1].split("# ")[1].split(",")[0]
    assert float(ran.stdout) == float(wrong)


SOURCE = """
import numpy as np

class Pooling:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        k = self.size
        self.shape = x.shape
        n, c, h, w = x.shape
        b = x[:, :, :h // k * k, :w // k * k].reshape(n, c, h // k, k, w // k, k)
        b = b.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // k, w // k, k * k)
        self.arg = b.argmax(-1)
        return b.max(-1)

    def backward(self, dout):
        dx, k = np.zeros(self.shape), self.size
        for n, c, i, j in np.ndindex(*dout.shape):
            column, row = divmod(self.arg[n, c, i, j], k)
            dx[n, c, i * k + row, j * k + column] += dout[n, c, i, j]
        return dx
"""


# command, pytest, docs


def command(*words, cwd=None):
    path = os.pathsep.join(place for place in sys.path if place)
    return subprocess.run(
        [sys.executable, "-m", "ndpool", "check", *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_the_command(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")
    done = command("mine.py:Pooling", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Rows and columns of the window change places" in done.stdout
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "mine.py:NoSuch"]) == 2
    assert "NoSuch" in capsys.readouterr().err
    for bad in ("mine.py", "none.py:Pooling"):
        assert cli.main(["check", bad]) == 2


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, ndpool; print([m for m in sys.modules if m.startswith('ndpool.check')])"
    path = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip() == "[]", done.stderr


TEST_FILE = """
import ndpool
from mine import Pooling

@ndpool.check.cases("plain", "one-window", "overlap-k2s1", hint=2)
def test_pooling(case):
    case.check(Pooling)

@ndpool.check.cases
def test_right(case):
    case.check(ndpool.MaxPool)
"""


def test_pytest_plugin(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(TEST_FILE, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *(place for place in sys.path if place)])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "ndpool.check.plugin",
            "-p",
            "no:cacheprovider",
            "test_mine.py",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "1 failed, 88 passed, 1 skipped" in done.stdout, done.stdout
    assert "change places on the way back" in done.stdout
    assert "divmod(arg_max" not in done.stdout  # hint=2 keeps the line to itself


def test_the_gallery_is_up_to_date():
    from ndpool.check.gallery import page

    assert (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8") == page()


def test_each_exhibit_is_minimal():
    from dataclasses import replace

    from ndpool.check.diagnose import Suspect, agree
    from ndpool.check.gallery import exhibit
    from ndpool.check.mistakes import STYLES
    from ndpool.check.script import expected, perform
    from ndpool.check.shrink import possible

    for name in list(ZOO)[::9]:
        one, variant = exhibit(name), ZOO[name][0]
        order = ("loops", "rows", "columns", "again")
        chosen = next(word for word in order if word in variant.styles)
        style = next(style for style in STYLES if style.style == chosen)
        suspect = Suspect(style, (variant,))
        for axis in range(4):
            for index in range(one.case.x.shape[axis] if one.case.x.shape[axis] > 1 else 0):
                x = np.delete(one.case.x, index, axis)
                other = one.case.other
                other = None if other is None else np.delete(other, index, axis)
                smaller = replace(one.case, x=x, other=other)
                if possible(smaller):
                    with np.errstate(all="ignore"):
                        step = perform(smaller, suspect.make).step(one.number)
                    again = (step.failure is None) != (one.theirs.failure is None)
                    assert again or agree(step, expected(smaller).step(one.number)), name
