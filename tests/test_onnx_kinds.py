"""The node cases of the ONNX standard for the kinds beside max, with the outputs it publishes."""

import warnings
from functools import cache

import numpy as np
import pytest

import ndpool


@cache
def node_cases(operator):
    """{name: (attributes, inputs, outputs)} of all cases that the installed onnx has."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx import helper

    with warnings.catch_warnings():  # of other operators' cases, which are made as well
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(operator)
    cases = {}
    for case in found:
        (node,) = case.model.graph.node
        assert node.op_type == operator
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        ((inputs, outputs),) = case.data_sets
        cases[case.name] = attributes, inputs, outputs
    return cases


def geometry_words(kernel_shape, strides=None, pads=None, dilations=1, ceil_mode=0,
                   auto_pad=b"NOTSET"):  # fmt: skip
    """ONNX's attributes in ndpool's words."""
    d = len(kernel_shape)
    padding = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        auto_pad.decode(),
        # ONNX: all befores, then all afters
        tuple(zip(pads[:d], pads[d:], strict=True)) if pads else 0,
    )
    return {"kernel_size": tuple(kernel_shape), "stride": strides or 1, "padding": padding,
            "dilation": dilations, "ceil_mode": bool(ceil_mode)}  # fmt: skip


def test_average_pool():
    cases = node_cases("AveragePool")
    assert len(cases) >= 15
    for name, (attributes, (x,), (expected,)) in cases.items():
        include = bool(attributes.pop("count_include_pad", 0))
        # some outputs are published with four digits
        y = ndpool.avg_pool(x, **geometry_words(**attributes), count_include_pad=include)
        assert y.dtype == expected.dtype, name
        assert np.allclose(y, expected, rtol=1e-5, atol=6e-5), name


def test_lp_pool():
    cases = node_cases("LpPool")
    assert len(cases) >= 8
    for name, (attributes, (x,), (expected,)) in cases.items():
        p = attributes.pop("p", 2)
        y = ndpool.lp_pool(x, p, **geometry_words(**attributes))
        assert y.dtype == expected.dtype, name
        assert np.allclose(y, expected, rtol=1e-5, atol=6e-5), name
