"""The node cases of the ONNX standard, with the outputs that ONNX publishes."""

import warnings
from functools import cache

import pytest


@cache
def all_cases():
    """All that the installed onnx has: it makes them once in a process, whatever one asks for."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    with warnings.catch_warnings():  # of operators that have nothing to do with pooling
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        return collect_testcases(None)


@cache
def node_cases(operator):
    """{name: (attributes, inputs, outputs)} of this operator's cases."""
    everything = all_cases()
    from onnx import helper

    cases = {}
    for case in everything:
        node = case.model.graph.node[0]
        if node.op_type == operator and len(case.model.graph.node) == 1:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            ((inputs, outputs),) = case.data_sets
            cases[case.name] = attributes, inputs, outputs
    return cases


def words(kernel_shape, strides=None, pads=None, dilations=1, ceil_mode=0, auto_pad=b"NOTSET"):
    """ONNX's geometry attributes in ndpool's words."""
    d = len(kernel_shape)
    padding = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        auto_pad.decode(),
        # ONNX: all befores, then all afters
        tuple(zip(pads[:d], pads[d:], strict=True)) if pads else 0,
    )
    return {"kernel_size": tuple(kernel_shape), "stride": strides or 1, "padding": padding,
            "dilation": dilations, "ceil_mode": bool(ceil_mode)}  # fmt: skip
