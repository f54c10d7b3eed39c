"""ONNX files: the first MaxPool in them, run by ONNX Runtime or else by onnx's own evaluator."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PoolError
from ..casebook import Can, Case
from ..geometry import Pair, Pool
from ..script import Pooling
from .adapter import Adapter, Options, Profile
from .wrapped import NoBackward

Array = NDArray[Any]


class OnnxAdapter(Adapter):
    """Forward only; the geometry is the file's, and its input shape where that is fixed."""

    def __init__(self, target: Any, options: Options) -> None:
        if find_spec("onnx") is None:
            raise PoolError("layer", "the package onnx for ONNX files", "none", "pip install onnx")
        import onnx

        model = onnx.load(target) if isinstance(target, (str, Path)) else target
        nodes = [node for node in model.graph.node if node.op_type == "MaxPool"]
        if not nodes:
            raise PoolError("layer", "an ONNX file with a MaxPool", "none in it")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
        if len(attributes["kernel_shape"]) != 2:
            raise PoolError("layer", "a MaxPool over two axes", attributes["kernel_shape"])
        entry = model.graph.input[0]
        dims = [
            d.dim_value if d.HasField("dim_value") else None
            for d in entry.type.tensor_type.shape.dim
        ]
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
        self.input, self.run = entry.name, _runner(model)
        known = tuple(size for size in dims if size)
        shape = known if len(known) == len(dims) == 4 else None
        can = _can(attributes, shape, self.dtype.name)
        free = [dims[i] is None for i in (0, 1)] if len(dims) == 4 else [True, True]
        can = can if shape else _limited(can, dims, free)
        name = Path(target).name if isinstance(target, (str, Path)) else "the model"
        self.profile = Profile(name, can)

    def make(self, pool: Pool, shape: tuple[int, ...]) -> Pooling:
        return _Session(self)

    def code(self, case: Case) -> list[str]:
        name = self.profile.name
        return [
            "import onnxruntime",
            f"session = onnxruntime.InferenceSession({name!r})",
            f"y = session.run(None, {{{self.input!r}: x.astype({self.dtype.name!r})}})[0]",
        ]


class _Session:
    def __init__(self, adapter: OnnxAdapter) -> None:
        self.adapter = adapter

    def forward(self, x: Array) -> Any:
        given = np.ascontiguousarray(x.astype(self.adapter.dtype))
        return self.adapter.run({self.adapter.input: given})

    def backward(self, dout: Array) -> Any:
        raise NoBackward("ONNX files have no backward pass")


def _runner(model: Any) -> Any:
    if find_spec("onnxruntime") is not None:
        import onnxruntime  # type: ignore[import-not-found, import-untyped, unused-ignore]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda feed: session.run(None, feed)[0]
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda feed: next(iter(evaluator.run(None, feed)))


def _can(attributes: dict[str, Any], shape: tuple[int, ...] | None, dtype: str) -> Can:
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto not in (b"NOTSET", b"VALID"):
        raise PoolError("layer", "a MaxPool with its pads written out", auto.decode())
    pads = list(attributes.get("pads", [0, 0, 0, 0]))
    before: Pair = (pads[0], pads[1])
    after: Pair = (pads[2], pads[3])
    kernel = attributes["kernel_shape"]
    strides = attributes.get("strides", [1, 1])
    dilations = attributes.get("dilations", [1, 1])
    return Can(
        kernel=(kernel[0], kernel[1]),
        stride=(strides[0], strides[1]),
        pad=before,
        after=after,
        dilation_fixed=(dilations[0], dilations[1]),
        rounds_up=bool(attributes.get("ceil_mode", 0)),
        backward=False,
        nan=False,  # the file does not say what becomes of NaN: that is the runtime's business
        shape=shape,
        dtypes=(dtype,),
    )


def _limited(can: Can, dims: list[int | None], free: list[bool]) -> Can:
    from dataclasses import replace

    if len(dims) == 4 and any(dims[2:]):
        fixed = tuple(d or s for d, s in zip(dims, (1, 1, 8, 8), strict=True))
        return replace(can, shape=fixed)
    if len(dims) == 4 and not all(free):
        return replace(can, shape=tuple(d or s for d, s in zip(dims, (1, 1, 9, 9), strict=True)))
    return can
