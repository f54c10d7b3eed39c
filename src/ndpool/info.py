"""Which ndpool this is, and what computes in it."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from textwrap import fill
from typing import TypedDict

import numpy as np

from . import __version__, engines
from .engines import native
from .errors import PoolError
from .geometry import geometry

SETTINGS = (engines.VARIABLE, native.THREADS_VARIABLE)
OPTIONAL = (
    "matplotlib",
    "PIL",
    "ml_dtypes",
    "torch",
    "jax",
    "onnxruntime",
    "openvino",
    "skimage",
    "scipy",
)


class Info(TypedDict):
    """What `info` finds out."""

    version: str
    python: str
    numpy: str
    platform: str
    engine: str  # "native" or "numpy"; or why there is none
    native_missing: str  # "" if it was built, else the reason
    instruction_set: str  # of the native engine; "none" without it
    threads: int  # the most that a call uses
    settings: dict[str, str]  # the environment variables that are set
    optional: dict[str, bool]  # whether each optional package is installed


def info() -> Info:
    """The facts; no optional package is imported to find them.

    >>> info()["version"] == __version__
    True
    """
    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "engine": _engine(),
        "native_missing": native.missing,
        "instruction_set": native.instruction_set(),
        "threads": native.num_threads(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "optional": {name: find_spec(name) is not None for name in OPTIONAL},
    }


def text() -> str:
    """`info` in lines of at most 80 columns."""
    facts = info()
    here = [name for name, installed in facts["optional"].items() if installed]
    missing = facts["native_missing"]
    rows = {
        "ndpool": facts["version"],
        "Python": f"{facts['python']}, {facts['platform']}",
        "NumPy": facts["numpy"],
        "engine": facts["engine"],
        "native engine": f"missing: {missing}" if missing else "built",
        "instruction set": facts["instruction_set"],
        "threads": str(facts["threads"]),
        "settings": ", ".join(f"{k}={v}" for k, v in facts["settings"].items()) or "none",
        "optional": ", ".join(here) or "none installed",
    }
    return "\n".join(
        fill(value, 80, initial_indent=f"{name:17}", subsequent_indent=" " * 17)
        for name, value in rows.items()
    )


def add_arguments(parser: ArgumentParser) -> None:
    """``ndpool info`` takes none."""


def run(args: Namespace) -> int:
    """Print `text`; the exit status."""
    print(text())
    return 0


def _engine() -> str:
    """The engine that pools a float32 image by default."""
    try:
        chosen = engines.choose(None, np.dtype(np.float32), geometry((28, 28), 2))
    except PoolError as error:
        return f"none: {error}"
    return "native" if chosen is native else "numpy"
