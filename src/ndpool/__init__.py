"""Pooling for NumPy arrays, forward and backward."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engines.native import set_kept_memory, set_num_threads
from .errors import PoolError
from .layers import MaxPool
from .pool import convert_indices, max_pool, max_pool_backward

if TYPE_CHECKING:
    from .check.checking import check as check
    from .explain.trace import explain as explain
    from .kinds.average import AvgPool as AvgPool
    from .kinds.average import avg_pool as avg_pool
    from .kinds.average import avg_pool_backward as avg_pool_backward
    from .kinds.minimum import MinPool as MinPool
    from .kinds.minimum import min_pool as min_pool
    from .kinds.minimum import min_pool_backward as min_pool_backward
    from .kinds.norm import LPPool as LPPool
    from .kinds.norm import lp_pool as lp_pool
    from .kinds.norm import lp_pool_backward as lp_pool_backward
    from .kinds.total import SumPool as SumPool
    from .kinds.total import sum_pool as sum_pool
    from .kinds.total import sum_pool_backward as sum_pool_backward
    from .kinds.whole import global_avg_pool as global_avg_pool
    from .kinds.whole import global_max_pool as global_max_pool

__version__ = "0.1.0"
__all__ = [
    "AvgPool",
    "LPPool",
    "MaxPool",
    "MinPool",
    "PoolError",
    "SumPool",
    "avg_pool",
    "avg_pool_backward",
    "check",
    "convert_indices",
    "explain",
    "global_avg_pool",
    "global_max_pool",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
    "min_pool",
    "min_pool_backward",
    "set_kept_memory",
    "set_num_threads",
    "sum_pool",
    "sum_pool_backward",
]
# What is imported when it is first asked for, so that `import ndpool` stays as light as NumPy's:
# modules that can be called (see `ndpool.callable`), and names by their module in `kinds`.
_CALLABLE_MODULES = ("check", "explain")
_KINDS = {
    "average": ("AvgPool", "avg_pool", "avg_pool_backward"),
    "minimum": ("MinPool", "min_pool", "min_pool_backward"),
    "norm": ("LPPool", "lp_pool", "lp_pool_backward"),
    "total": ("SumPool", "sum_pool", "sum_pool_backward"),
    "whole": ("global_avg_pool", "global_max_pool"),
}


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_MODULES:
        return import_module(f".{name}", __name__)
    for module, names in _KINDS.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f".kinds.{module}", __name__), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
