"""Pooling for NumPy arrays, forward and backward."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engines.native import set_num_threads
from .errors import PoolError
from .kinds.average import AvgPool, avg_pool, avg_pool_backward
from .kinds.minimum import MinPool, min_pool, min_pool_backward
from .kinds.norm import LPPool, lp_pool, lp_pool_backward
from .kinds.total import SumPool, sum_pool, sum_pool_backward
from .kinds.whole import global_avg_pool, global_max_pool
from .layers import MaxPool
from .pool import convert_indices, max_pool, max_pool_backward

if TYPE_CHECKING:
    from .check.checking import check as check
    from .explain.trace import explain as explain

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
    "set_num_threads",
    "sum_pool",
    "sum_pool_backward",
]
_CALLABLE_MODULES = (
    "check",
    "explain",
)  # imported when they are first asked for; see `ndpool.callable`


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
