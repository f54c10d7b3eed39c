"""The engine that hands arrays to the C++ kernels, where they were built."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry
from ..indices import refuse_index

Array = NDArray[Any]

missing = ""  # why there are no kernels; empty where there are
try:
    import ndpool._native as _native
except ModuleNotFoundError:
    missing = "the C++ kernels were not built: at installation there was no compiler that could"
except ImportError as error:
    missing = f"the C++ kernels do not load: {error}"

# dtype.char -> number of the kernel, in the order of `Kind` in src/kernels/work.h
_KINDS = {char: kind for kind, char in enumerate("?bBhHiIqQeEfd")} | {"l": 7, "L": 8}
THREADS_VARIABLE = "NDPOOL_NUM_THREADS"


def serves(dtype: np.dtype[Any], geometry: Geometry, backward: bool = False) -> bool:
    """Whether the kernels can do this geometry and dtype."""
    served: dict[str, bool] = geometry.memo["backward" if backward else "forward"]
    known = served.get(dtype.char)
    if known is None:
        known = served[dtype.char] = _serves(dtype.char, geometry, backward)
    return known and dtype.isnative


def _serves(char: str, geometry: Geometry, backward: bool) -> bool:
    g = geometry
    if missing or char not in _KINDS:
        return False
    if len(g.axes) > _native.MOST_AXES or len(g.shape) > _native.MOST_DIMENSIONS:
        return False
    pooling = g.memo.get("native")
    if pooling is None:
        pooling = g.memo["native"] = _native.Pooling(
            g.shape, g.axes, g.kernel, g.stride, g.dilation, g.before, g.y_shape
        )
    return bool(pooling.serves(_KINDS[char], backward))


def keep_forward(x: Array, geometry: Geometry, *arguments: object) -> None:
    """Let `forward_again` know what max_pool does with these `arguments` and an array like x."""
    winners = arguments[-1] is not False
    _native.keep_forward(x, *arguments, geometry.memo["native"], _KINDS[x.dtype.char], winners)


def keep_backward(dy: Array, geometry: Geometry, *arguments: object) -> None:
    """Let `backward_again` know what max_pool_backward does with these and an array like dy."""
    _native.keep_backward(dy, *arguments, geometry.memo["native"], _KINDS[dy.dtype.char], True)


def max_pool(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    """Fill `y` and `indices`, which are C-contiguous; x may have any strides."""
    pooling, kind = geometry.memo["native"], _KINDS[x.dtype.char]
    if not pooling.forward(x, y, indices, kind):
        pooling.forward(x.copy(), y, indices, kind)  # its elements did not stand at whole steps


def max_pool_backward(dy: Array, indices: Array, geometry: Geometry) -> Array:
    """dx of `geometry.shape`; dy may have any strides."""
    pooling, kind = geometry.memo["native"], _KINDS[dy.dtype.char]
    dx = np.empty(geometry.shape, dy.dtype)
    if not indices.flags.c_contiguous:
        indices = indices.copy()
    bad = pooling.backward(dy, indices, dx, kind)
    if bad == _native.UNALIGNED:
        bad = pooling.backward(dy.copy(), indices, dx, kind)
    if bad >= 0:
        refuse_index(indices, geometry, bad)
    return dx


def _unknown(*arguments: object) -> Any:
    return None


# What these arguments of max_pool and max_pool_backward gave, if such a call was made before: else
# None, as for anything out of the ordinary.
forward_again = _unknown if missing else _native.forward_again
backward_again = _unknown if missing else _native.backward_again


def instruction_set() -> str:
    """The widest vectors that this machine and build have, as in "AVX-512"."""
    return "none" if missing else str(_native.instruction_set())


def num_threads() -> int:
    """The most threads a call may use."""
    return 1 if missing else int(_native.num_threads())


def set_num_threads(threads: int) -> None:
    """Set the most threads a call may use, 1 or more; calls of little work use fewer.

    The default is NDPOOL_NUM_THREADS, or the number of CPUs this process may run on.
    """
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise PoolTypeError("threads", "an integer", shown(threads))
    if not 1 <= threads <= 1024:
        raise PoolError("threads", "1 to 1024", shown(threads))
    if not missing:
        _native.set_num_threads(int(threads))


def _threads_at_start() -> int:
    asked = os.environ.get(THREADS_VARIABLE, "")
    if asked.isdecimal() and 1 <= int(asked) <= 1024:
        return int(asked)
    if asked:
        warnings.warn(
            f"{THREADS_VARIABLE}: expected 1 to 1024, got {asked!r}; using all processors",
            RuntimeWarning,
            stacklevel=1,
        )
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if not missing:
    set_num_threads(_threads_at_start())
