"""What holds for every kind: the same words, the same refusals, layers, nothing modified."""

import inspect
import random
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from cases import laid_out, same_bits
from test_bad_input import GEOMETRY, NO_ARRAYS, X_SHAPES

import ndpool

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
WORDS = ("stride", "padding", "dilation", "ceil_mode", "axes")


def mask_in(words):
    """The mask among these words, if it is one."""
    where = words.get("where")
    is_one = isinstance(where, np.ndarray) and (where.dtype, where.shape) == (bool, X.shape)
    return {"where": where} if is_one else {}


@dataclass
class Kind:
    """A kind's functions, its layer, and what they take beside the geometry words."""

    pool: Any
    backward: Any
    layer: Any
    sizes: tuple[Any, ...] = ()  # before kernel_size
    saves: str = "shape"
    call: dict[str, Any] = field(default_factory=dict)  # of the forward call and the layer
    lowest: int = -4  # of what it pools

    def forward(self, x=X, kernel_size=3, stride=2, padding=1, **words):
        words = {"stride": stride, "padding": padding} | words
        return self.pool(x, *self.sizes, kernel_size, **self.call, **words)

    def gradient(self, dy=None, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
        y = self.forward(**mask_in(words))
        saved = {"shape": (x_shape,), "x and y": (X, y), "x": (X,), "x and None": (X, None)}
        if self.saves == "indices":
            saved["indices"] = (self.forward(return_indices=True, **mask_in(words))[1], x_shape)
        found = self.backward(
            y if dy is None else dy, *saved[self.saves], *self.sizes, kernel_size,
            stride=stride, padding=padding, **words,
        )  # fmt: skip
        return found[0] if isinstance(found, tuple) else found  # without that of a parameter

    def through_layer(self, x=X, kernel_size=3, stride=2, padding=1, **words):
        words = {"stride": stride, "padding": padding} | words
        return self.layer(*self.sizes, kernel_size, **self.call, **words).forward(x)


KINDS = {
    "avg": Kind(ndpool.avg_pool, ndpool.avg_pool_backward, ndpool.AvgPool),
    "gem": Kind(ndpool.gem_pool, ndpool.gem_pool_backward, ndpool.GeMPool, (3,), saves="x"),
    "lp": Kind(ndpool.lp_pool, ndpool.lp_pool_backward, ndpool.LPPool, (2,), saves="x and y"),
    "max blur": Kind(
        ndpool.max_blur_pool, ndpool.max_blur_pool_backward, ndpool.MaxBlurPool, saves="indices"
    ),
    "median": Kind(
        ndpool.median_pool, ndpool.median_pool_backward, ndpool.MedianPool, saves="indices"
    ),
    "min": Kind(ndpool.min_pool, ndpool.min_pool_backward, ndpool.MinPool, saves="indices"),
    "mixed": Kind(
        ndpool.mixed_pool, ndpool.mixed_pool_backward, ndpool.MixedPool, (0.5,), saves="x"
    ),
    "soft": Kind(ndpool.soft_pool, ndpool.soft_pool_backward, ndpool.SoftPool, saves="x"),
    "stochastic": Kind(
        ndpool.stochastic_pool, ndpool.stochastic_pool_backward, ndpool.StochasticPool,
        saves="x and None", call={"training": False}, lowest=0,
    ),
    "sum": Kind(ndpool.sum_pool, ndpool.sum_pool_backward, ndpool.SumPool),
}  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def refusal(call, *data, **words):
    with pytest.raises((ndpool.PoolError, TypeError)) as caught:
        call(*data, **words)
    message = str(caught.value)
    assert re.match(r"\w+: expected .+, got .+", message), message
    return message


@each_kind
@pytest.mark.parametrize("name", GEOMETRY)
def test_bad_geometry(kind, name):
    for value in GEOMETRY[name]:
        for call in (kind.forward, kind.gradient, kind.through_layer):
            if name == "kernel_size" and isinstance(value, type(iter([]))):
                continue  # used up by the first call
            assert refusal(call, **{name: value}).startswith(f"{name}: ")


@each_kind
def test_bad_arrays(kind):
    for junk in NO_ARRAYS:
        assert refusal(kind.forward, junk).startswith("x: ")
        assert refusal(kind.gradient, np.zeros(2) if junk is None else junk).startswith("dy: ")
        assert refusal(kind.through_layer, junk).startswith("x: ")


@each_kind
def test_bad_shapes(kind):
    assert refusal(kind.gradient, np.ones((1, 2, 3, 4))).startswith("dy: expected shape ")
    if kind.saves in ("shape", "indices"):
        for junk in X_SHAPES:
            named = ("x_shape: ", "kernel_size: ", "dy: ", "indices: ")
            assert refusal(kind.gradient, x_shape=junk).startswith(named)


@each_kind
def test_an_unknown_word_is_named(kind):
    for call in (kind.forward, kind.gradient, kind.through_layer):
        with pytest.raises(TypeError, match="strides"):
            call(strides=2)


@each_kind
def test_signatures_show_every_word(kind):
    expected = inspect.signature(ndpool.max_pool).parameters
    for function in (kind.pool, kind.backward):
        ours = inspect.signature(function).parameters
        for name in WORDS:
            assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert ours[name].default == expected[name].default
        assert not any(p.kind is p.VAR_KEYWORD for p in ours.values())


@each_kind
def test_docstrings_are_whole(kind):
    for public in (kind.pool, kind.backward, kind.layer):
        assert ">>> " in public.__doc__
        assert "ource: " in public.__doc__
        assert "{" not in public.__doc__.replace("{(", "")
    for function in (kind.pool, kind.backward):
        for heading in ("Args:\n", "Returns:\n", "Raises:\n", "        kernel_size"):
            assert heading in function.__doc__


@each_kind
def test_layers(kind):
    words = {"stride": 2, "padding": 1}
    layer = kind.layer(*kind.sizes, 3, **kind.call, **words)
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(X)
    y = layer(X)
    assert np.array_equal(y, kind.forward())
    dy = np.arange(y.size, dtype=y.dtype).reshape(y.shape)
    for _ in range(2):
        assert np.array_equal(layer.backward(dy), kind.gradient(dy))
    shown = repr(layer)
    assert shown.startswith(f"{kind.layer.__name__}({', '.join(map(repr, (*kind.sizes, 3)))}")
    again = eval(shown, {kind.layer.__name__: kind.layer})
    assert np.array_equal(again(X), y)


@each_kind
@pytest.mark.parametrize("shape", [(7,), (6, 7), (2, 5, 6), (2, 3, 4, 5)])
def test_every_dimension_and_any_axes(kind, shape):
    """Pooling axes in the middle is pooling the last axes of the transposed array."""
    x = np.random.default_rng(0).integers(kind.lowest, 5, shape).astype(np.float64)
    for axis in range(len(shape)):
        y = kind.forward(x, 2, 1, 1, axes=axis)
        moved = kind.forward(np.moveaxis(x, axis, -1).copy(), (2,), 1, 1)
        assert np.array_equal(y, np.moveaxis(moved, -1, axis))
    everything = kind.forward(x, shape, None, 0)
    assert everything.shape == (1,) * len(shape)


@each_kind
def test_nothing_is_modified_and_read_only_is_accepted(kind):
    x = X.copy()
    x.flags.writeable = False
    y = kind.forward(x)
    y.flags.writeable = False
    kind.gradient(y)
    assert np.array_equal(x, X)


@each_kind
@pytest.mark.parametrize("layout", ["F", "transposed", "reversed", "gaps", "misaligned"])
def test_bits_do_not_depend_on_the_layout(kind, layout):
    rng = random.Random(0)
    x = np.abs(np.random.default_rng(0).standard_normal((2, 3, 20, 20))).astype(np.float32)
    again = laid_out(x, layout, rng)
    for size, words in ((20, {}), (3, {}), ((2, 9), {"axes": (0, 2)})):
        layers = [kind.layer(*kind.sizes, size, **words, **kind.call) for _ in range(2)]
        y = layers[0](x)
        assert same_bits(layers[1](again), y)
        assert same_bits(layers[1].backward(laid_out(y, layout, rng)), layers[0].backward(y))


@each_kind
def test_empty_batch(kind):
    x = np.zeros((0, 2, 5, 5), np.float32)
    for size in (3, 5):
        layer = kind.layer(*kind.sizes, size, **kind.call)
        y = layer(x)
        assert y.shape == (0, 2, 1, 1)
        assert layer.backward(y).shape == x.shape
