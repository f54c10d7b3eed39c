"""The command line, mostly as a user meets it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import ndpool
from ndpool import cli
from ndpool.engines import native
from ndpool.info import OPTIONAL, info, text


def surroundings(**settings):
    """The environment of a process that can import what can be imported here."""
    path = os.pathsep.join(place for place in sys.path if place)
    return {**os.environ, "PYTHONPATH": path, **settings}


def python(*words, cwd=None, **settings):
    """Run this Python with these arguments."""
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=surroundings(**settings),
    )


def test_info():
    done = python("-m", "ndpool", "info")
    assert done.returncode == 0
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[0] != " ")
    assert facts["ndpool"] == ndpool.__version__
    assert facts["engine"] in ("native", "numpy") or facts["engine"].startswith("none")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_info_shows_settings():
    done = python("-m", "ndpool", "info", NDPOOL_ENGINE="numpy", NDPOOL_NUM_THREADS="1")
    assert done.returncode == 0
    assert "NDPOOL_ENGINE=numpy" in done.stdout and "NDPOOL_NUM_THREADS=1" in done.stdout
    assert info()["native_missing"] == native.missing


def test_info_says_what_is_wrong_with_a_setting():
    done = python("-m", "ndpool", "info", NDPOOL_ENGINE="abacus")
    assert done.returncode == 0
    assert "expected 'native' or 'numpy', got 'abacus'" in done.stdout


def test_info_without_native(monkeypatch):
    monkeypatch.setattr(native, "missing", "no compiler was found " * 10)
    monkeypatch.setattr(native, "serves", lambda *_: False)
    facts = info()
    assert facts["engine"] != "native"
    assert facts["threads"] == 1 and facts["instruction_set"] == "none"
    assert "no compiler was found" in text()
    assert max(map(len, text().splitlines())) <= 80


def test_nothing_is_imported_that_is_not_needed():
    names = {*OPTIONAL, "ndpool.demo", "ndpool.bench", "ndpool.explain", "ndpool.textbook"}
    code = f"import sys, ndpool.cli; ndpool.cli.main(['info']); print({names} & sys.modules.keys())"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_version():
    done = python("-m", "ndpool", "--version")
    assert done.returncode == 0
    assert done.stdout == f"ndpool {ndpool.__version__}\n"


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["--dance"], ["info", "--dance"], ["demo", "--engine", "abacus"]]
)
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "usage: ndpool" in captured.err and "error:" in captured.err


@pytest.mark.parametrize("words", [["--help"], ["demo", "--help"], ["info", "-h"]])
def test_help(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {' '.join(['ndpool', *words[:-1]])} ")


def test_bad_input_is_one_line(tmp_path):
    done = python("-m", "ndpool", "demo", "--picture", str(tmp_path / "no" / "such.png"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ndpool: error: --picture: expected a file in a folder")
    assert done.stderr.count("\n") == 1


def test_interrupt_is_quiet(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("ndpool.info.run", interrupt)
    assert cli.main(["info"]) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == ""


def test_a_reader_who_leaves_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "ndpool", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(),
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_demo_ends_with_its_table(tmp_path):
    done = python("-m", "ndpool", "demo", "--epochs", "1", "--no-picture", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    fast = "numpy" if native.missing else "native"
    rows = [line.split() for line in lines if line.startswith(("im2col ", f"{fast} "))]
    assert [row[0] for row in rows] == ["im2col", fast]
    for _, accuracy, percent, convolution, pooling, rest, total in rows:
        assert percent == "%" and float(accuracy) > 75
        parts = float(convolution) + float(pooling) + float(rest)
        assert parts == pytest.approx(float(total), abs=0.02)
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("The losses of all 20 steps are ")
    assert done.stderr.count("epoch 1/1") == 2
    assert not list(tmp_path.iterdir())
