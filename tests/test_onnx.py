"""The node cases of the ONNX standard for MaxPool, with the outputs that ONNX publishes."""

import warnings
from functools import cache

import numpy as np
import pytest

import ndpool

KNOWN = [
    "1d_default", "2d_ceil", "2d_ceil_output_size_reduce_by_one", "2d_default", "2d_dilations",
    "2d_pads", "2d_precomputed_pads", "2d_precomputed_same_upper", "2d_precomputed_strides",
    "2d_same_lower", "2d_same_upper", "2d_strides", "2d_uint8", "3d_default", "3d_dilations",
    "3d_dilations_use_ref_impl", "3d_dilations_use_ref_impl_large",
    "with_argmax_2d_precomputed_pads", "with_argmax_2d_precomputed_strides",
]  # fmt: skip


@cache
def node_cases():
    """{name: (attributes, inputs, outputs)} of all MaxPool cases that the installed onnx has."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx import helper

    with warnings.catch_warnings():  # of other operators' cases, which are made as well
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases("MaxPool")
    cases = {}
    for case in found:
        (node,) = case.model.graph.node
        assert node.op_type == "MaxPool"
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        ((inputs, outputs),) = case.data_sets
        cases[case.name.removeprefix("test_maxpool_")] = attributes, inputs, outputs
    return cases


def test_all_cases_are_known():
    assert len(KNOWN) == 19
    assert set(KNOWN) <= set(node_cases()), "cases are gone"
    assert set(node_cases()) <= set(KNOWN), "add the new ones"


@pytest.mark.parametrize("name", KNOWN)
def test_node_case(name, engine):
    attributes, (x,), outputs = node_cases()[name]
    y, at = onnx_max_pool(x, engine, **attributes)
    assert y.dtype == outputs[0].dtype
    assert np.array_equal(y, outputs[0])
    if len(outputs) > 1:
        assert at.dtype == outputs[1].dtype
        assert np.array_equal(at, outputs[1])


def onnx_max_pool(
    x, engine, kernel_shape, strides=None, pads=None, dilations=1, ceil_mode=0, storage_order=0,
    auto_pad=b"NOTSET",
):  # fmt: skip
    """ONNX's MaxPool in ndpool's words."""
    d = len(kernel_shape)
    padding = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        auto_pad.decode(),
        # ONNX: all befores, then all afters
        tuple(zip(pads[:d], pads[d:], strict=True)) if pads else 0,
    )
    y, at = ndpool.max_pool(
        x, tuple(kernel_shape), stride=strides or 1, padding=padding, dilation=dilations,
        ceil_mode=bool(ceil_mode), return_indices="tensor", engine=engine,
    )  # fmt: skip
    if storage_order:  # column-major within each plane, the planes as they were
        n, c, *spatial = np.unravel_index(at, x.shape)
        in_plane = np.ravel_multi_index(spatial, x.shape[2:], order="F")
        at = np.ravel_multi_index((n, c), x.shape[:2]) * np.prod(x.shape[2:]) + in_plane
    return y, at
