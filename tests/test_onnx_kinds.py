"""The node cases of the ONNX standard for the kinds beside max, with the outputs it publishes."""

import numpy as np
from onnx_cases import node_cases, words

import ndpool


def test_average_pool():
    cases = node_cases("AveragePool")
    assert len(cases) >= 15
    for name, (attributes, (x,), (expected,)) in cases.items():
        attributes = dict(attributes)
        include = {}
        if "count_include_pad" in attributes:
            include["count_include_pad"] = bool(attributes.pop("count_include_pad"))
        # some outputs are published with four digits
        y = ndpool.avg_pool(x, **words(**attributes), divisor="onnx", **include)
        assert y.dtype == expected.dtype, name
        assert np.allclose(y, expected, rtol=1e-5, atol=6e-5), name


def test_lp_pool():
    cases = node_cases("LpPool")
    assert len(cases) >= 8
    for name, (attributes, (x,), (expected,)) in cases.items():
        attributes = dict(attributes)
        p = attributes.pop("p", 2)
        y = ndpool.lp_pool(x, p, **words(**attributes))
        assert y.dtype == expected.dtype, name
        assert np.allclose(y, expected, rtol=1e-5, atol=6e-5), name


def test_global_pools():
    for operator, pool in [
        ("GlobalAveragePool", ndpool.global_avg_pool),
        ("GlobalMaxPool", ndpool.global_max_pool),
    ]:
        cases = node_cases(operator)
        assert len(cases) >= 2
        for name, (_, (x,), (expected,)) in cases.items():
            y = pool(x, axes=tuple(range(2, x.ndim)))
            assert y.dtype == expected.dtype, name
            assert np.allclose(y, expected, rtol=1e-5, atol=1e-6), name
