"""Pooling for NumPy arrays, forward and backward."""

from .engines.native import set_num_threads
from .errors import PoolError
from .layers import MaxPool
from .pool import convert_indices, max_pool, max_pool_backward

__version__ = "0.1.0"
__all__ = [
    "MaxPool",
    "PoolError",
    "convert_indices",
    "max_pool",
    "max_pool_backward",
    "set_num_threads",
]


def __getattr__(name: str) -> object:
    """`check` is imported when it is asked for: most who pool do not need it."""
    if name == "check":
        from importlib import import_module

        return import_module(".check", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
