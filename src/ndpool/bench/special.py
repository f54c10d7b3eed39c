"""What is measured in fresh processes: the cost of importing, and memory beyond the results."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from .case import BACKWARD, FORWARD, INDICES
from .results import Special

_IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""

# Linux counts the peak of resident memory; writing 5 to clear_refs lowers it to the present use.
# The small calls load what a first call loads. The results are still held at the end.
_MEMORY = """
import ndpool
import numpy as np

def resident(word):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(word))

def work(x):
    words = {{"stride": 2, "padding": 1}}
    y, indices = ndpool.max_pool(x, 3, return_indices=True, **words)
    forward, forward_winners, backward = (
        lambda: (ndpool.max_pool(x, 3, **words),),
        lambda: ndpool.max_pool(x, 3, return_indices=True, **words),
        lambda: (ndpool.max_pool_backward(y, indices, x.shape, 3, **words),),
    )
    return {{"forward": forward, "forward+indices": forward_winners, "backward": backward}}

for call in work(np.ones((1, 1, 28, 28), np.float32)).values():
    call()
call = work(np.ones((16, 64, 112, 112), np.float32))["{task}"]
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = resident("VmRSS")
results = call()
print(resident("VmHWM") - before - sum(array.nbytes for array in results))
"""


def measure(repeats: int = 15) -> Special:
    """All of it. A figure that this system cannot give is left out."""
    return Special(import_seconds(repeats), extra_mib())


def import_seconds(repeats: int) -> dict[str, float]:
    """Median seconds of `import numpy` and of `import ndpool` in fresh processes, alternating.

    The interpreter's own start is not counted, the import of NumPy by ndpool is.
    """
    modules = ("numpy", "ndpool")
    found: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(repeats):
        for module in modules:
            if (seconds := _fresh(_IMPORT.format(module=module))) is not None:
                found[module].append(seconds)
    return {module: median(seconds) for module, seconds in found.items() if seconds}


def extra_mib() -> dict[str, float]:
    """By task, the MiB that a call took at its peak beyond x, dy and what it returned.

    3x3 stride 2 padding 1 over 16x64x112x112 float32, whose dx is 49 MiB. Linux counts in pages
    and a little late: a tenth of a MiB means nothing.
    """
    found = {task: _fresh(_MEMORY.format(task=task)) for task in (FORWARD, INDICES, BACKWARD)}
    return {task: max(0.0, size / 2**20) for task, size in found.items() if size is not None}


def _fresh(script: str) -> float | None:
    """The number that `script` prints in a new process, None where it cannot run."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 else None
