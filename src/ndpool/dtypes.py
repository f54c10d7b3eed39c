"""Which dtypes can be pooled, and the facts about them that the engines share.

bfloat16 comes from the `ml_dtypes` package; it is recognised by name, without importing it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

POOLABLE = "bool, an integer, float16, bfloat16, float32 or float64"


def poolable(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of `POOLABLE`: no longdouble, and none of the small floats of ml_dtypes.

    >>> poolable(np.dtype(">f2")), poolable(np.dtype(np.longdouble))
    (True, False)
    """
    # Floats not by their kind: that is "f" for longdouble and for float8_e5m2, too.
    return dtype.kind in "biu" or dtype.char in "efd" or dtype.name == "bfloat16"


@lru_cache(maxsize=64)
def lowest(dtype: np.dtype[Any]) -> Any:
    """The value that no other lies below; NaN aside."""
    if dtype.kind == "b":
        return np.False_
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return np.array(-np.inf).astype(dtype)[()]


@lru_cache(maxsize=64)
def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What gradients of this dtype are summed in: float32 for the 2-byte floats, else itself."""
    if dtype.itemsize == 2 and dtype.kind not in "iu":
        return np.dtype(np.float32)
    return dtype


@lru_cache(maxsize=64)
def highest(dtype: np.dtype[Any]) -> Any:
    """The value that no other lies above; NaN aside."""
    if dtype.kind == "b":
        return np.True_
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return np.array(np.inf).astype(dtype)[()]
