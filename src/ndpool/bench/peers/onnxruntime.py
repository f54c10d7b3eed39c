"""ONNX Runtime: a model of one MaxPool node, run with NumPy feeds.

Binding inputs and outputs beforehand was measured and saves nothing on the CPU. Its threads keep
spinning for some 50 ms after a call, so the bench waits until the process is quiet.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from math import prod
from typing import Any, ClassVar

from ...geometry import Geometry
from ..case import FORWARD, INDICES, Array, Case
from .base import Arrays, Call, Peer, padding_used, trailing

_OPSET, _IR = 22, 10
_KNOWN = frozenset({"float16", "float32", "float64", "int8", "uint8"})


class OnnxRuntime(Peer):
    name = "onnxruntime"
    title = "ONNX Runtime"
    modules = ("onnxruntime", "onnx")
    distribution = "onnxruntime"
    dtypes: ClassVar = {FORWARD: _KNOWN, INDICES: _KNOWN}

    def fits(self, geometry: Geometry) -> bool:
        return trailing(geometry)

    def prepare(self, case: Case, task: str, x: Array, dy: Array, threads: int) -> Call:
        runtime: Any = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = runtime.InferenceSession(
            _model(case, task).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        plane = prod(case.geometry.sizes)

        def arrays(results: Any) -> Arrays:
            y, *winners = results
            return (y, *(winner % plane for winner in winners))  # flat over the whole tensor

        return Call(partial(session.run, None, {"x": x}), arrays)


def _model(case: Case, task: str) -> Any:
    onnx: Any = import_module("onnx")
    helper, pooled = onnx.helper, case.geometry
    names = ["y", "winners"] if task == INDICES else ["y"]
    before, after = zip(*padding_used(pooled), strict=True)
    node = helper.make_node(
        "MaxPool",
        ["x"],
        names,
        kernel_shape=pooled.kernel,
        strides=pooled.stride,
        dilations=pooled.dilation,
        pads=before + after,
    )
    kind = helper.np_dtype_to_tensor_dtype(case.numpy_dtype())
    kinds = [kind, onnx.TensorProto.INT64]
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info("x", kind, pooled.shape)],
        [
            helper.make_tensor_value_info(name, kind, pooled.y_shape)
            for name, kind in zip(names, kinds, strict=False)
        ],
    )
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=_IR)
