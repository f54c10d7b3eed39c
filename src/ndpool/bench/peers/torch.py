"""PyTorch: `torch.nn.functional.max_pool{1,2,3}d`, and the kernels that its autograd calls.

Backward is timed as the kernel alone, without autograd's bookkeeping. Without indices PyTorch runs
the same 2-d and 3-d kernels and drops what it need not return. (`Tensor.to_mkldnn` reaches oneDNN's
pooling, forward only; OpenVINO stands for that.)
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ...geometry import Geometry
from ..case import BACKWARD, FORWARD, INDICES, Array, Case
from .base import Arrays, Call, Peer

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_INTEGERS = frozenset({"int8", "uint8", "int16"})


class Torch(Peer):
    name = "torch"
    title = "PyTorch"
    modules = ("torch",)
    distribution = "torch"
    dtypes: ClassVar = {
        FORWARD: _FLOATS | _INTEGERS,
        INDICES: _FLOATS | _INTEGERS,
        BACKWARD: _FLOATS,
    }

    def can(self, case: Case, task: str) -> bool:
        # Its 1-d kernel knows floats alone.
        return super().can(case, task) and (case.dtype in _FLOATS or len(case.geometry.axes) > 1)

    def fits(self, geometry: Geometry) -> bool:
        d, ndim = len(geometry.axes), len(geometry.shape)
        halves = tuple(k // 2 for k in geometry.kernel)
        within = all(p <= half for p, half in zip(geometry.before, halves, strict=True))
        together = geometry.axes == tuple(range(geometry.axes[0], geometry.axes[0] + d))
        return (
            d <= 3 and ndim == d + 2 and together and geometry.before == geometry.after and within
        )

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        torch: Any = import_module("torch")
        torch.set_num_threads(threads)
        pooled = case.geometry
        d, ndim = len(pooled.axes), len(pooled.shape)
        # (N, C, ...) in memory as it lies: for channels last PyTorch's own layout of that name.
        order = [*(a for a in range(ndim) if a not in pooled.axes), *pooled.axes]
        back = [order.index(axis) for axis in range(ndim)]

        def arrays(result: Any) -> Arrays:
            several = result if isinstance(result, tuple) else (result,)
            return tuple(_to_numpy(torch, tensor.permute(back)) for tensor in several)

        tensor = _from_numpy(torch, x).permute(order)
        function = getattr(torch.nn.functional, f"max_pool{d}d")
        words = {name: value for name, value in case.arguments.items() if name != "axes"}
        pool = partial(function, tensor, **words, return_indices=task != FORWARD)
        if task != BACKWARD:
            return Call(pool, arrays)

        _, winners = pool()
        gradient = _from_numpy(torch, dy).permute(order)
        sizes = [pooled.kernel, pooled.stride, pooled.before, pooled.dilation]
        if d == 1:  # as PyTorch does it: a plane of one row
            tensor, gradient, winners = (t.unsqueeze(2) for t in (tensor, gradient, winners))
            sizes = [(one, *size) for one, size in zip((1, 1, 0, 1), sizes, strict=True)]
        kernel = getattr(torch.ops.aten, f"max_pool{max(d, 2)}d_with_indices_backward").default
        run = partial(kernel, gradient, tensor, *sizes, case.ceil_mode, winners)
        return Call(run, (lambda dx: arrays(dx.squeeze(2))) if d == 1 else arrays)


def _from_numpy(torch: Any, array: Array) -> Any:
    """A tensor on the same memory; torch knows bfloat16 but not NumPy's."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _to_numpy(torch: Any, tensor: Any) -> Array:
    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(np.dtype("bfloat16"))
    array: Array = tensor.numpy()
    return array
