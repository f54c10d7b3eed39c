"""The walk as text: the notebook's arrays in its order, lines that fit, marks without colour."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import test_textbook_golden as notebook

import ndpool
from ndpool.explain import moment_text, moments
from ndpool.explain.terminal import width, wrapped
from ndpool.explain.words import words

LANGUAGES = ["en", "ja"]
MARKS = re.compile(r"[\[\]()!]")
NUMBER = re.compile(r"^-?(\d+\.?\d*|nan|inf)$")


# Each array that the notebook prints, in its order, with how many numbers stand in a line of the
# walk (blocks stand side by side) and in how many blocks a line has.
PRINTED = [
    ("x", notebook.X, 2),
    ("out", notebook.OUT, 4),
    ("dx", notebook.DX, 2),
    ("dout", notebook.OUT, 4),
    ("dout_t", notebook.DOUT_TRANSPOSED, 4),
    ("dmax", notebook.DMAX_BEFORE, 1),
    ("np.arange(arg_max.size)", np.arange(16), 1),
    ("arg_max", notebook.ARG_MAX, 1),
    ("dmax", notebook.DMAX, 1),
    ("dmax", notebook.DMAX_5D, 3),
    ("dcol", notebook.DCOL, 1),
    ("dx", notebook.DX, 2),
]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_array_of_the_notebook_in_its_order(lang):
    lines = str(ndpool.explain((2, 2, 4, 5), 2, lang=lang)).splitlines()
    at = 0
    for symbol, array, side_by_side in PRINTED:
        at = find(lines, at, symbol, array, side_by_side)
        assert at, f"{symbol} not found"


def find(lines, start, symbol, array, side_by_side):
    """The line after the first place from `start` on where the array is drawn; 0 if nowhere."""
    drawn = [row_numbers(line, array, side_by_side) for line in lines]
    expected = as_lines(array, side_by_side)
    for at in range(start, len(lines)):
        rows, line = [], at
        while line < len(lines) and len(rows) < len(expected):
            if drawn[line] is not None:
                rows.append(drawn[line])
            elif lines[line].strip() and f"{symbol}[" not in lines[line]:
                break
            line += 1
        if rows == expected:
            return line
    return 0


def as_lines(array, side_by_side):
    """The array as rows of numbers, `side_by_side` of its matrices next to each other."""
    if array.ndim == 1:
        return [array.tolist()]
    blocks = array.reshape(-1, *array.shape[-2:])
    groups = [blocks[at : at + side_by_side] for at in range(0, len(blocks), side_by_side)]
    return [np.concatenate(row).tolist() for group in groups for row in group.transpose(1, 0, 2)]


def row_numbers(line, array, side_by_side):
    """The numbers of a line, its label left out; None if there is anything else in it."""
    line = re.sub(r"^ +\d+ \([\d,]+\)(?= )", "", line) if array.ndim == 2 else line
    cells = MARKS.sub(" ", line).split()
    if not cells or not all(map(NUMBER.match, cells)):
        return None
    return [float(cell) for cell in cells]


def test_the_finder_finds_nothing_that_is_not_there():
    lines = str(ndpool.explain((2, 2, 4, 5), 2)).splitlines()
    for symbol, array, side_by_side in PRINTED:
        if array.size > 16 or not array.any():
            assert not find(lines, 0, symbol, array + 1, side_by_side)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_sentences_that_the_notebook_left_unfinished(lang):
    text = str(ndpool.explain((2, 2, 4, 5), lang=lang))
    assert all(f"\n  {number}. " in text for number in (1, 2, 3))
    assert "っっｘ" not in text
    one_line = re.sub(r"\s+", "", text)
    for number in (1, 2, 3):
        sentence = words(lang)["text"][f"overview_{number}"]
        assert re.sub(r"\s+", "", sentence) in one_line
    for line in (
        "dout(0,0,0,1) <1124> -> dout_t(0,0,1,0) <1124>",
        "dout(0,0,1,0) <1142> -> dout_t(0,1,0,0) <1142>",
        "dout(0,1,0,1) <1224> -> dout_t(0,0,1,1) <1224>",
    ):
        assert line in text


def test_floats_are_written_as_the_notebook_does():
    x = np.array([[1122, 2.5], [1e-9, np.inf], [np.nan, 0.1]])
    text = str(ndpool.explain(x.astype(np.float32), (1, 2), dialect="direct"))
    assert "1122." in text and "2.5" in text and "1e-09" in text and "inf" in text
    assert "nan" in text and " 0.1" in text


CONFIGURATIONS = [
    ((2, 2, 4, 5), {}),
    ((1, 1, 7, 7), {"kernel_size": 3, "stride": 1, "padding": 1, "dialect": "columns"}),
    ((2, 3, 5, 5), {"kernel_size": 3, "stride": 2, "ceil_mode": True, "dialect": "direct"}),
    ((9,), {"kernel_size": 3, "stride": 1, "dilation": 2}),
    ((3, 40, 50), {"kernel_size": 3, "stride": 2, "padding": "same"}),
    ((12, 13, 30, 40), {"kernel_size": 2, "region": (5, 9, 11, 15), "dialect": "direct"}),
    ((2, 12, 60, 60), {"kernel_size": 5, "dialect": "columns"}),
]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("shape, arguments", CONFIGURATIONS)
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_lines_fit(shape, arguments, lang, columns):
    text = ndpool.explain(shape, lang=lang, name="名前", **arguments).text(columns, color=False)
    assert max(map(width, text.splitlines())) <= columns
    assert "\x1b" not in text


@pytest.mark.parametrize("shape, arguments", CONFIGURATIONS)
def test_what_is_left_out_is_said(shape, arguments):
    trace = ndpool.explain(shape, **arguments)
    text = trace.text()
    assert ("…" in text) == ("stands for what does not fit" in text)
    assert (trace.hidden is None) == trace.part.whole
    if trace.hidden:
        assert re.sub(r"\s+", " ", trace.hidden) in re.sub(r"\s+", " ", text)


def test_colour_adds_nothing_but_colour():
    trace = ndpool.explain((1, 1, 5, 5), 3, stride=1, padding=1, region=(1, 3, 1, 3))
    plain, coloured = trace.text(color=False), trace.text(color=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert "\x1b[1;32m[" in coloured
    assert max(map(width, coloured.splitlines())) <= 80


def test_colour_is_for_terminals(monkeypatch):
    trace = ndpool.explain((1, 1, 2, 2))
    assert "\x1b" not in trace.text()
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" in trace.text()
    assert "\x1b" not in str(trace)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in trace.text()
    monkeypatch.setenv("NO_COLOR", "")  # set, but to nothing: no-color.org says that is not set
    assert "\x1b" in trace.text()
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in trace.text()


class Terminal:
    def isatty(self):
        return True


def test_too_narrow():
    with pytest.raises(ndpool.PoolError, match="width: expected at least 40"):
        ndpool.explain((2, 2)).text(39)


def test_both_languages_have_the_same_words():
    def keys(section, path=()):
        for key, value in section.items():
            if isinstance(value, dict):
                yield from keys(value, (*path, key))
            else:
                yield (*path, key), sorted(re.findall(r"\{(\w+)\}", value))

    english, japanese = dict(keys(words("en"))), dict(keys(words("ja")))
    assert english.keys() == japanese.keys()
    for key, places in english.items():
        assert set(japanese[key]) <= set(places), key


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", moments.names())
def test_moments_fit(name, lang):
    text = moment_text.text(name, lang, colour=False)
    assert max(map(width, text.splitlines())) <= 80
    assert words(lang)["moments"][name]["title"] in text


@pytest.mark.parametrize(
    "text, columns, lines",
    [
        ("one two three", 7, ["one two", "three"]),
        ("unbreakable", 5, ["unbre", "akabl", "e"]),
        ("入力画像です。", 8, ["入力画像", "です。"]),
        ("入力画像、です", 8, ["入力画", "像、です"]),
        ("", 8, [""]),
    ],
)
def test_wrapping(text, columns, lines):
    assert wrapped(text, columns) == lines


def test_no_line_begins_with_a_closing_mark():
    for lang in LANGUAGES:
        for section in words(lang)["steps"].values():
            for columns in range(20, 60):
                for line in wrapped(section["text"], columns):
                    assert line[:1] not in "、。）」,.)"  # noqa: RUF001
                    assert width(line) <= columns


# --- the command ---------------------------------------------------------------------------------


def command(*words, columns=80, **settings):
    path = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": str(columns), **settings}
    return subprocess.run(
        [sys.executable, "-m", "ndpool", "explain", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env=environment,
    )


def test_command_without_arguments_is_the_notebook():
    done = command(PYTHONIOENCODING="utf-8")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == str(ndpool.explain((2, 2, 4, 5)))


def test_command_where_characters_are_missing():
    done = command("--lang", "ja", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr == ""
    assert "[1122]" in done.stdout and "?" in done.stdout
