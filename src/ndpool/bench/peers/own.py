"""ndpool itself, as it comes and with the numpy engine."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ... import __version__
from ...engines import native
from ...geometry import Geometry
from ...pool import convert_indices, max_pool, max_pool_backward
from ..cases import BACKWARD, FORWARD, TASKS, Array, Case
from .base import Arrays, Call, Peer

_ALL = frozenset({"float16", "bfloat16", "float32", "float64", "int8", "uint16"})


class Ndpool(Peer):
    """ndpool with the engine that a user gets."""

    name = "ndpool"
    title = "ndpool"
    modules = ("ndpool",)
    distribution = "ndpool"
    dtypes: ClassVar = dict.fromkeys(TASKS, _ALL)
    engine: ClassVar[str | None] = None

    def version(self) -> str:
        return __version__

    def fits(self, geometry: Geometry) -> bool:
        return True

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        native.set_num_threads(threads)
        words = case.arguments if self.engine is None else case.arguments | {"engine": self.engine}
        if task == FORWARD:
            return Call(partial(max_pool, x, **words), _one)
        if task == BACKWARD:
            _, indices = max_pool(x, return_indices=True, **words)
            back = partial(max_pool_backward, dy, indices, case.shape, **words)
            return Call(back, _one)

        def arrays(result: Any) -> Arrays:
            y, indices = result
            return y, convert_indices(indices, case.shape, **case.arguments)

        return Call(partial(max_pool, x, return_indices=True, **words), arrays)


class NdpoolNumpy(Ndpool):
    name = "ndpool-numpy"
    title = "ndpool, numpy engine"
    engine = "numpy"


def _one(result: Any) -> Arrays:
    return (result,)
