"""How the layers of all kinds are made: sizes by place or by name, and wrong words refused."""

import numpy as np
import pytest

import ndpool

X = np.arange(1.0, 17).reshape(1, 4, 4)
SIZES = {
    "AdaptiveAvgPool": {"output_size": 2},
    "AdaptiveMaxPool": {"output_size": 2},
    "AvgPool": {"kernel_size": 2},
    "BlurPool": {"kernel_size": 3},
    "GeMPool": {"p": 3.0, "kernel_size": 2},
    "GlobalAvgPool": {},
    "GlobalLPPool": {"norm_type": 2},
    "GlobalMaxPool": {},
    "GlobalMinPool": {},
    "GlobalSumPool": {},
    "LPPool": {"norm_type": 2, "kernel_size": 2},
    "MaxBlurPool": {"kernel_size": 2},
    "MaxPool": {"kernel_size": 2},
    "MedianPool": {"kernel_size": 2},
    "MinPool": {"kernel_size": 2},
    "MixedPool": {"alpha": 0.25, "kernel_size": 2},
    "SoftPool": {"kernel_size": 2},
    "SpatialPyramidPool": {"levels": (1, 2)},
    "StochasticPool": {"kernel_size": 2},
    "SumPool": {"kernel_size": 2},
}
LAYERS = pytest.mark.parametrize("name", SIZES)


@LAYERS
def test_sizes_by_name_are_those_by_place(name):
    make, sizes = getattr(ndpool, name), SIZES[name]
    by_place, by_name = make(*sizes.values()), make(**dict(reversed(sizes.items())))
    assert repr(by_name) == repr(by_place)
    if name != "StochasticPool":
        assert np.array_equal(by_name(X), by_place(X))


def test_what_is_learnt_may_be_given_by_name():
    assert ndpool.GeMPool(p=3.0, kernel_size=2).p == 3.0
    layer = ndpool.MixedPool(kernel_size=2, alpha=0.25)
    layer.alpha += 0.5
    assert np.array_equal(layer(X), ndpool.mixed_pool(X, 0.75, 2))


@pytest.mark.parametrize("name", [*SIZES, "FractionalMaxPool", "MaxUnpool", "RoIAlign", "RoIPool"])
@pytest.mark.parametrize("word", ["kernal_size", "return_indices"])
def test_a_word_of_no_use_is_refused_when_the_layer_is_made(name, word):
    sizes = SIZES.get(name, {}).values() or ([] if name.startswith("Global") else [2])
    with pytest.raises(TypeError, match=word):
        getattr(ndpool, name)(*sizes, **{word: True})


def test_too_many_too_few_and_the_same_twice():
    with pytest.raises(TypeError, match=r"AvgPool: expected kernel_size without .* stride=2"):
        ndpool.AvgPool(2, 2)
    with pytest.raises(TypeError, match="kernel_size: expected a value for LPPool, got none"):
        ndpool.LPPool(2)
    with pytest.raises(TypeError, match=r"kernel_size: .* got it twice"):
        ndpool.SumPool(2, kernel_size=3)
    with pytest.raises(TypeError, match="alpha: expected a value for MixedPool, got none"):
        ndpool.MixedPool(kernel_size=2)
