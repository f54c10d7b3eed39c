"""JAX: `jax.lax.reduce_window`, compiled. It has no winners: its gradient searches for them anew.

It has as many threads as the process may use cores when JAX is imported; no call changes that.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ...dtypes import lowest
from ...geometry import Geometry
from ..case import BACKWARD, FORWARD, Array, Case
from .base import Arrays, Call, Peer, over_all_axes, padding_used

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


class Jax(Peer):
    name = "jax"
    title = "JAX"
    modules = ("jax",)
    distribution = "jax"
    dtypes: ClassVar = {
        FORWARD: _FLOATS | {"int8", "uint8", "int16", "uint16"},
        BACKWARD: _FLOATS,
    }
    cell_seconds: ClassVar = {FORWARD: 1e-9, BACKWARD: 2e-9}

    def fits(self, geometry: Geometry) -> bool:
        return True

    def can(self, case: Case, task: str) -> bool:
        # Its gradient of a dilated window is not implemented.
        return super().can(case, task) and (task == FORWARD or case.dilation == 1)

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        jax: Any = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        pooled = case.geometry
        pads = dict(zip(pooled.axes, padding_used(pooled), strict=True))

        def pool(array: Any) -> Any:
            return jax.lax.reduce_window(
                array,
                np.asarray(lowest(x.dtype), x.dtype),
                jax.lax.max,
                over_all_axes(pooled, pooled.kernel),
                over_all_axes(pooled, pooled.stride),
                [pads.get(axis, (0, 0)) for axis in range(x.ndim)],
                window_dilation=over_all_axes(pooled, pooled.dilation),
            )

        def gradient(array: Any, of_output: Any) -> Any:
            return jax.vjp(pool, array)[1](of_output)[0]

        backward = task == BACKWARD
        function = jax.jit(gradient if backward else pool)
        inputs = [jax.device_put(array) for array in ((x, dy) if backward else (x,))]
        function(*inputs).block_until_ready()  # compiles
        return Call(lambda: function(*inputs).block_until_ready(), _arrays)


def _arrays(result: Any) -> Arrays:
    return (np.asarray(result),)
