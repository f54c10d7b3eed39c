"""No kernel touches one byte outside the arrays it was given: beyond lies a page that kills.

Every array of the native engine, results and temporaries too, lies flush against such a page at
its end, or at its start, in every layout. (AddressSanitizer does not see what vectors read.)
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cases import needs_native

CASES = Path(__file__).parent / "guarded_cases.py"
NUMBER = min(400, int(os.environ.get("NDPOOL_CASES", 400)))  # of each kind, side, instruction set

pytestmark = [
    needs_native,
    pytest.mark.skipif(sys.platform != "linux", reason="pages are guarded by Linux's mmap"),
]


def run(*words):
    return subprocess.run(
        [sys.executable, str(CASES), *words], capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_touched(side):
    done = run(side, str(NUMBER))
    last = done.stdout.splitlines()[-1] if done.stdout else "before the first case"
    assert done.returncode == 0, f"{_end(done)} in {last}\n{done.stderr[-2000:]}"
    assert last == "done"


@pytest.mark.parametrize("side", ["start", "end"])
def test_one_byte_too_far_is_noticed(side):
    done = run(side, "0", "trespass")
    assert done.returncode == -signal.SIGSEGV
    assert done.stdout == "trespass\n"


def _end(done):
    code = done.returncode
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
