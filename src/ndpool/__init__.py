"""Pooling for NumPy arrays, forward and backward."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engines.native import set_num_threads
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
    from .kinds.unpool import MaxUnpool as MaxUnpool
    from .kinds.unpool import max_unpool as max_unpool
    from .kinds.unpool import max_unpool_backward as max_unpool_backward
    from .kinds.whole import global_avg_pool as global_avg_pool
    from .kinds.whole import global_max_pool as global_max_pool
    from .maps.columns import col2im as col2im
    from .maps.columns import im2col as im2col
    from .maps.derivative import double_backward as double_backward
    from .maps.derivative import jvp as jvp
    from .maps.derivative import vjp as vjp
    from .maps.reduce import reduce_windows as reduce_windows
    from .maps.windows import overlap_add as overlap_add
    from .maps.windows import windows as windows
    from .maps.winners import gather_winners as gather_winners
    from .maps.winners import scatter_winners as scatter_winners

__version__ = "0.1.0"
__all__ = [
    "AvgPool",
    "LPPool",
    "MaxPool",
    "MaxUnpool",
    "MinPool",
    "PoolError",
    "SumPool",
    "avg_pool",
    "avg_pool_backward",
    "check",
    "col2im",
    "convert_indices",
    "double_backward",
    "explain",
    "gather_winners",
    "global_avg_pool",
    "global_max_pool",
    "im2col",
    "jvp",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
    "max_unpool",
    "max_unpool_backward",
    "min_pool",
    "min_pool_backward",
    "overlap_add",
    "reduce_windows",
    "scatter_winners",
    "set_num_threads",
    "sum_pool",
    "sum_pool_backward",
    "vjp",
    "windows",
]
# What is imported when it is first asked for, so that `import ndpool` stays as light as NumPy's:
# modules that can be called (see `ndpool.callable`), names by their module in `kinds` or `maps`.
_CALLABLE_MODULES = ("check", "explain")
_KINDS = {
    "average": ("AvgPool", "avg_pool", "avg_pool_backward"),
    "minimum": ("MinPool", "min_pool", "min_pool_backward"),
    "norm": ("LPPool", "lp_pool", "lp_pool_backward"),
    "total": ("SumPool", "sum_pool", "sum_pool_backward"),
    "unpool": ("MaxUnpool", "max_unpool", "max_unpool_backward"),
    "whole": ("global_avg_pool", "global_max_pool"),
}
_MAPS = {
    "columns": ("col2im", "im2col"),
    "derivative": ("double_backward", "jvp", "vjp"),
    "reduce": ("reduce_windows",),
    "windows": ("overlap_add", "windows"),
    "winners": ("gather_winners", "scatter_winners"),
}


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_MODULES:
        return import_module(f".{name}", __name__)
    for folder, modules in (("kinds", _KINDS), ("maps", _MAPS)):
        for module, names in modules.items():
            if name in names:
                return getattr(import_module(f".{folder}.{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
