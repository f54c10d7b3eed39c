"""OpenVINO: a model of one MaxPool node on the CPU, its input and output buffers shared with NumPy.

The output is a view of a buffer that the next call writes to. float64 is left out: the CPU plugin
computes it in float32.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from ...geometry import Geometry
from ..case import FORWARD, INDICES, Array, Case
from .base import Arrays, Call, Peer, padding_used, trailing

_KNOWN = frozenset({"float16", "float32", "int8", "uint8", "int16", "uint16"})


class OpenVino(Peer):
    name = "openvino"
    title = "OpenVINO"
    modules = ("openvino",)
    distribution = "openvino"
    dtypes: ClassVar = {FORWARD: _KNOWN, INDICES: _KNOWN}
    cell_seconds: ClassVar = {INDICES: 15e-9}

    def fits(self, geometry: Geometry) -> bool:
        return trailing(geometry)

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        openvino: Any = import_module("openvino")
        operations: Any = import_module("openvino.opset14")
        pooled = case.geometry
        before, after = zip(*padding_used(pooled), strict=True)
        source = operations.parameter(list(pooled.shape), case.numpy_dtype())
        node = operations.max_pool(
            source, pooled.stride, pooled.dilation, before, after, pooled.kernel, axis=2
        )
        outputs = [node.output(0), node.output(1)] if task == INDICES else [node.output(0)]
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = openvino.Model(outputs, [source])
        request = openvino.Core().compile_model(model, "CPU", properties).create_infer_request()
        return Call(partial(request.infer, [x], share_inputs=True, share_outputs=True), _arrays)


def _arrays(results: Any) -> Arrays:
    return tuple(array.copy() for array in results.values())
