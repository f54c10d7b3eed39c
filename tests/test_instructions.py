"""tools/instructions.py: it reads callgrind's format, and fails when it should. Nothing is run."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from cases import needs_native

PATH = Path(__file__).parent.parent / "tools" / "instructions.py"
# Its classes need it among the imported modules while they are made.
SPEC = importlib.util.spec_from_file_location("instructions", PATH)
tool = importlib.util.module_from_spec(SPEC)
sys.modules["instructions"] = tool
SPEC.loader.exec_module(tool)

DUMP = """# callgrind format
version: 1
positions: line
events: Ir
summary: 1000

ob=(1) /usr/lib/libc.so.6
fl=(1) ???
fn=(1) malloc
0 100
cob=(2) /somewhere/ndpool/_native.cpython-311-x86_64-linux-gnu.so
cfi=(2) ???
cfn=(2) kernel
calls=3 0
0 700

ob=(2)
fn=(2)
0 40
+3 2
cob=(1)
cfn=(1)
calls=1 0
* 50

ob=(1)
fn=(3) free
0 8

ob=(2)
fn=(2)
-1 600
"""


def test_counts_what_the_kernels_themselves_do_and_all():
    assert tool.count(DUMP.splitlines()) == {"all": 1000, "kernels": 642}


@needs_native
def test_the_compiler_has_left_its_name():
    assert tool.compiler().split()[0] in ("GCC", "clang")


@pytest.fixture
def figures():
    return json.loads(tool.FIGURES.read_text(encoding="utf-8"))


def changed(figures, name, by, **facts):
    now = json.loads(json.dumps(figures)) | facts
    now["instructions"][name] = round(by * now["instructions"][name])
    return now


def test_every_case_has_a_figure(figures):
    assert list(figures["instructions"]) == [case.name for case in tool.CASES]
    assert all(figure > 1000 for figure in figures["instructions"].values())


def test_fails_above_five_hundredths_more(figures, capsys):
    name = tool.CASES[3].name
    assert tool.compare(figures, changed(figures, name, 1.04)) == 0
    assert tool.compare(figures, changed(figures, name, 0.5)) == 0
    assert "fewer" in capsys.readouterr().out
    assert tool.compare(figures, changed(figures, name, 1.06)) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "MORE" in line]
    assert line.startswith(name) and "+6.0%" in line


def test_judges_only_what_was_compiled_and_run_alike(figures, capsys):
    kernel, call = tool.CASES[3].name, tool.CASES[-1].name
    assert tool.compare(figures, changed(figures, kernel, 2, compiler="GCC 99")) == 0
    assert "compiler: GCC 99, the figures are of" in capsys.readouterr().out
    assert tool.compare(figures, changed(figures, kernel, 2, python="3.99")) == 1
    assert tool.compare(figures, changed(figures, call, 2, python="3.99")) == 0
    assert tool.compare(figures, changed(figures, call, 2)) == 1
