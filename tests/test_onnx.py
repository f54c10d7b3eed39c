"""The node cases of the ONNX standard for MaxPool, with the outputs that ONNX publishes."""

import numpy as np
import pytest
from onnx_cases import node_cases, words

import ndpool

KNOWN = [
    "1d_default", "2d_ceil", "2d_ceil_output_size_reduce_by_one", "2d_default", "2d_dilations",
    "2d_pads", "2d_precomputed_pads", "2d_precomputed_same_upper", "2d_precomputed_strides",
    "2d_same_lower", "2d_same_upper", "2d_strides", "2d_uint8", "3d_default", "3d_dilations",
    "3d_dilations_use_ref_impl", "3d_dilations_use_ref_impl_large",
    "with_argmax_2d_precomputed_pads", "with_argmax_2d_precomputed_strides",
]  # fmt: skip


def max_pool_cases():
    """{name: (attributes, inputs, outputs)} of all MaxPool cases that the installed onnx has."""
    cases = node_cases("MaxPool")
    return {name.removeprefix("test_maxpool_"): case for name, case in cases.items()}


def test_all_cases_are_known():
    assert len(KNOWN) == 19
    assert set(KNOWN) <= set(max_pool_cases()), "cases are gone"
    assert set(max_pool_cases()) <= set(KNOWN), "add the new ones"


@pytest.mark.parametrize("name", KNOWN)
def test_node_case(name, engine):
    attributes, (x,), outputs = max_pool_cases()[name]
    y, at = onnx_max_pool(x, engine, **attributes)
    assert y.dtype == outputs[0].dtype
    assert np.array_equal(y, outputs[0])
    if len(outputs) > 1:
        assert at.dtype == outputs[1].dtype
        assert np.array_equal(at, outputs[1])


def onnx_max_pool(x, engine, storage_order=0, **attributes):
    """ONNX's MaxPool in ndpool's words."""
    y, at = ndpool.max_pool(x, **words(**attributes), return_indices="tensor", engine=engine)
    if storage_order:  # column-major within each plane, the planes as they were
        n, c, *spatial = np.unravel_index(at, x.shape)
        in_plane = np.ravel_multi_index(spatial, x.shape[2:], order="F")
        at = np.ravel_multi_index((n, c), x.shape[:2]) * np.prod(x.shape[2:]) + in_plane
    return y, at
