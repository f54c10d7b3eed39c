"""ndpool itself, as it comes and with the numpy engine."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ... import __version__
from ...engines import native
from ...geometry import Geometry
from ...pool import convert_indices, max_pool, max_pool_backward
from ..case import BACKWARD, FORWARD, TASKS, Array, Case
from .base import Arrays, Call, Peer

_INTEGERS = frozenset(f"{sign}int{8 * size}" for sign in ("", "u") for size in (1, 2, 4, 8))
_ALL = frozenset({"bool", "float16", "bfloat16", "float32", "float64"}) | _INTEGERS


class Ndpool(Peer):
    """ndpool with the engine that a user gets."""

    name = "ndpool"
    title = "ndpool"
    always = True
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
    always = False
    engine = "numpy"


class NdpoolOneThread(Ndpool):
    """The engine that a user gets, on one thread: only where threads are what is asked about."""

    name = "ndpool-1-thread"
    title = "ndpool, one thread"

    def can(self, case: Case, task: str) -> bool:
        return case.group == "threads"

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        call = super().prepare(case, task, x, dy, threads)

        def run() -> Any:  # setting the number takes a fraction of a microsecond
            native.set_num_threads(1)
            try:
                return call.run()
            finally:
                native.set_num_threads(threads)

        return Call(run, call.arrays)


def _one(result: Any) -> Arrays:
    return (result,)
