"""Who computes. An engine is a module with the functions of `Engine`.

`numpy` runs anywhere and is the specification; `native` hands the arrays to the C++ kernels and is
taken wherever it was built and serves the geometry and dtype.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry
from . import native
from . import numpy as numpy_engine

Array = NDArray[Any]


class Engine(Protocol):
    def serves(self, dtype: np.dtype[Any], geometry: Geometry, backward: bool = ...) -> bool: ...
    def max_pool(self, x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None: ...
    def max_pool_backward(self, dy: Array, indices: Array, geometry: Geometry) -> Array: ...
    def serves_sums(
        self, dtype: np.dtype[Any], geometry: Geometry, backward: bool = ...
    ) -> bool: ...
    def window_sums(
        self, x: Array, geometry: Geometry, divisors: Array | None = ..., powers: int = ...
    ) -> Array: ...
    def spread(self, dy: Array, geometry: Geometry, divisors: Array | None = ...) -> Array: ...


VARIABLE = "NDPOOL_ENGINE"
_NAMES = ("native", "numpy")
_asked = os.environ.get(VARIABLE) or None  # read once: a look-up costs as much as a small pooling


def choose(
    name: str | None,
    dtype: np.dtype[Any],
    geometry: Geometry,
    backward: bool = False,
    sums: bool = False,
) -> Engine:
    """The engine of that name, or of NDPOOL_ENGINE, or the fastest that serves this call.

    "native" means native wherever it serves the geometry and dtype, numpy elsewhere. `sums` is for
    calls of `window_sums` or, backward, `spread`.
    """
    serves = native.serves_sums if sums else native.serves
    if name is None and _asked is None:
        return native if serves(dtype, geometry, backward) else numpy_engine
    if named(name) == "numpy":
        return numpy_engine
    return native if serves(dtype, geometry, backward) else numpy_engine


def named(name: str | None) -> str | None:
    """`name`, or else NDPOOL_ENGINE, if there is such an engine here; None says the fastest."""
    argument = "engine" if name is not None else VARIABLE
    asked = name if name is not None else _asked
    if asked is None:
        return None
    if not isinstance(asked, str):
        raise PoolTypeError(argument, "'native', 'numpy' or None", shown(asked))
    if asked not in _NAMES:
        raise PoolError(argument, "'native' or 'numpy'", repr(asked))
    if asked == "native" and native.missing:
        raise PoolError(argument, "an engine that is here", "'native'", native.missing)
    return asked
