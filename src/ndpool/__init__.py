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
