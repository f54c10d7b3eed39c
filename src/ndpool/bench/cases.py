"""The one table of pooling cases: tests run it shrunk, benches run it whole.

Groups: `seven` are the float32 cases that ndpool's speed was first judged by; `networks` are layers
of published networks; `science` has images, volumes and signals; `window`, `size`, `batch`,
`dtype`, `layout` and `threads` each vary that one thing; `tiny` is all overhead.
"""

from __future__ import annotations

from .case import Case
from .networks import NETWORKS
from .science import SCIENCE
from .sweeps import SEVEN, SWEEPS, TINY

__all__ = ["CASES", "TINY"]

CASES: tuple[Case, ...] = (*SEVEN, *NETWORKS, *SCIENCE, *SWEEPS)
