"""The words that all kinds share beside the geometry: where, nan_policy, ties, engine, out."""

import inspect
import random
import re
from dataclasses import dataclass, field
from typing import Any

import fuzz_junk
import numpy as np
import pytest
from cases import laid_out, needs_native, same_bits
from test_bad_input import ENGINE_NAMES, FORMS, NO_ARRAYS, OUTS, Opaque
from test_kinds import KINDS, Kind, X, mask_in, refusal

import ndpool


@dataclass
class Whole:
    """A global kind, with `Kind`'s methods."""

    pool: Any
    backward: Any
    layer: Any
    sizes: tuple[Any, ...] = ()
    saves: str = "shape"
    call: dict[str, Any] = field(default_factory=dict)

    def forward(self, x=X, **words):
        return self.pool(x, *self.sizes, **words)

    def gradient(self, dy=None, **words):
        y = self.forward(**mask_in(words))
        saved = {"shape": (X.shape,), "x and y": (X, y)}
        if self.saves == "indices":
            saved["indices"] = (self.forward(return_indices=True, **mask_in(words))[1], X.shape)
        return self.backward(y if dy is None else dy, *saved[self.saves], *self.sizes, **words)

    def through_layer(self, x=X, **words):
        return self.layer(*self.sizes, **words).forward(x)


def whole(name, title, *sizes, saves="shape"):
    functions = (getattr(ndpool, f"global_{name}_pool{end}") for end in ("", "_backward"))
    return Whole(*functions, getattr(ndpool, f"Global{title}Pool"), sizes, saves)


EVERY = {
    **KINDS,
    "max": Kind(ndpool.max_pool, ndpool.max_pool_backward, ndpool.MaxPool, saves="indices"),
    "global max": whole("max", "Max", saves="indices"),
    "global min": whole("min", "Min", saves="indices"),
    "global avg": whole("avg", "Avg"),
    "global sum": whole("sum", "Sum"),
    "global lp": whole("lp", "LP", 2, saves="x and y"),
}
INDEXED = {name: kind for name, kind in EVERY.items() if kind.saves == "indices"}
WINNERS = {
    name: kind
    for name, kind in INDEXED.items()
    if "ties" in inspect.signature(kind.pool).parameters
}
each_kind = pytest.mark.parametrize("kind", EVERY.values(), ids=EVERY)
each_indexed = pytest.mark.parametrize("kind", INDEXED.values(), ids=INDEXED)
each_winner = pytest.mark.parametrize("kind", WINNERS.values(), ids=WINNERS)


def last_ties(kind):
    """Another rule for ties, for kinds that have one."""
    return [{"ties": "last"}] if kind in WINNERS.values() else []


NO_MASKS = [
    *[junk for junk in NO_ARRAYS if junk is not None], X, np.ones(X.shape, np.uint8), 1, 0.5, [1],
    np.ones((3, 5), bool), np.ones((2, *X.shape), bool), np.ones((1, 2, 5, 4), bool), [], "True",
    np.ones((0,), bool), (True, None),
]  # fmt: skip
NO_CHOICES = [
    "", "Omit", "FIRST", "none", "drop", "random", 1, 0, None, True, 2.0, ("omit",), b"first",
    object(), Opaque(), np.array(["first", "omit"]), np.array(2),
]  # fmt: skip


@each_kind
def test_no_masks(kind):
    for junk in NO_MASKS:
        for call in (kind.forward, kind.gradient, kind.through_layer):
            assert refusal(call, where=junk).startswith("where: ")


@each_kind
def test_no_policies(kind):
    for junk in NO_CHOICES:
        for call in (kind.forward, kind.through_layer):
            message = refusal(call, nan_policy=junk)
            assert message.startswith("nan_policy: expected 'propagate', 'omit' or 'raise', got ")
    with pytest.raises(TypeError, match="nan_policy"):  # where says what was left out
        kind.gradient(nan_policy="omit")


@each_winner
def test_no_ties(kind):
    for junk in NO_CHOICES[:2] + NO_CHOICES[3:]:
        for call in (kind.forward, kind.gradient, kind.through_layer):
            message = refusal(call, ties=junk)
            assert message.startswith("ties: expected 'first', 'last', 'split' or 'all', got ")
    for junk in NO_ARRAYS:
        assert refusal(kind.gradient, ties="split", x=junk).startswith("x: ")
    assert refusal(kind.gradient, ties="all", x=X[0]).startswith("x: expected shape ")


@each_indexed
def test_no_index_forms(kind):
    for junk in FORMS:
        for words in ({}, *last_ties(kind), {"where": True}):
            message = refusal(kind.forward, return_indices=junk, **words)
            assert message.startswith("return_indices: expected ")
            assert refusal(kind.gradient, index_form=junk, **words).startswith("index_form: ")


@each_kind
def test_no_engines(kind):
    for junk in ENGINE_NAMES:
        for call in (kind.forward, kind.gradient, kind.through_layer):
            assert refusal(call, engine=junk).startswith("engine: ")


@needs_native
@each_kind
def test_engines_are_equal_to_the_bit(kind):
    for words in ({}, {"where": X % 3 > 0}):
        expected = kind.forward(engine="numpy", **words)
        assert same_bits(kind.forward(engine="native", **words), expected)
        assert same_bits(kind.forward(**words), expected)
        expected = kind.gradient(engine="numpy", **words)
        assert same_bits(kind.gradient(engine="native", **words), expected)


@each_kind
def test_no_outs(kind):
    """Refused, and not written to, whatever is wrong."""
    y, dx = kind.forward(), kind.gradient()
    for call, result in ((kind.forward, y), (kind.gradient, dx)):
        wrong = [
            *[junk for junk in OUTS if np.shape(junk) != y.shape], result[0], result.tolist(),
            result.astype("f8"), result.astype(">f4"), result[..., :-1], np.zeros((1, *y.shape)),
        ]  # fmt: skip
        for junk in wrong:
            before = junk.copy() if isinstance(junk, np.ndarray) else None
            assert refusal(call, out=junk).startswith("out: ")
            assert before is None or np.array_equal(junk, before)
        for words in ({"where": X}, {"engine": "cuda"}, {"stride": 2.5}, {"axes": 7}):
            out = np.full_like(result, -7)
            with pytest.raises((ndpool.PoolError, TypeError)):
                call(out=out, **words)
            assert (out == -7).all()
        read_only = np.zeros_like(result)
        read_only.flags.writeable = False
        assert refusal(call, out=read_only).startswith("out: ")


@each_kind
@pytest.mark.parametrize("layout", ["C", "F", "transposed", "reversed", "gaps", "misaligned"])
def test_out_of_any_layout(kind, layout):
    rng = random.Random(0)
    for words in ({}, {"where": X % 3 > 0}):
        for call in (kind.forward, kind.gradient):
            expected = call(**words)
            out = laid_out(np.zeros_like(expected), layout, rng)
            if not out.flags.writeable:  # made of bytes
                out = np.frombuffer(bytearray(b"?" + expected.tobytes()), expected.dtype, offset=1)
                out = out.reshape(expected.shape)
                out[...] = 0
            assert call(out=out, **words) is out
            assert same_bits(np.ascontiguousarray(out), expected)


@each_kind
def test_out_may_be_an_input(kind):
    size = {} if isinstance(kind, Whole) else {"kernel_size": 3, "stride": 1, "padding": 1}
    x = X.copy()
    expected = kind.forward(x, **size)
    out = x if size else x[..., 1:2, 2:3]
    assert same_bits(kind.forward(x, **size, out=out), expected)
    if kind.saves == "shape" and size:
        dy = X.copy()
        expected = kind.gradient(dy, **size)
        assert same_bits(kind.gradient(dy, **size, out=dy), expected)


@each_indexed
def test_out_beside_indices(kind):
    for words in ({}, *last_ties(kind), {"where": X % 3 > 0}):
        y, indices = kind.forward(return_indices=True, **words)
        out = np.empty_like(y)
        again, at = kind.forward(return_indices=True, out=out, **words)
        assert again is out
        assert same_bits(out, y)
        assert same_bits(at, indices)


@each_winner
def test_a_refused_window_writes_nothing(kind):
    x = np.arange(50).reshape(X.shape)
    out = np.full(kind.forward(x).shape, -7)
    assert refusal(kind.forward, x, where=x > 30, out=out).startswith("where: expected a cell in")
    assert (out == -7).all()


@each_kind
def test_masks_of_one_call(kind):
    """A layer's words are for all its calls, those of a call for this one and its backward."""
    where = X % 3 > 0
    size = () if isinstance(kind, Whole) else (3,)
    plain, masked = (
        kind.layer(*kind.sizes, *size, **kind.call, **words) for words in ({}, {"where": where})
    )
    assert same_bits(plain(X, where=where), masked(X))
    dy = np.ones_like(masked(X))
    dx = masked.backward(dy)
    assert same_bits(plain.backward(dy), dx)
    assert not dx[~where].any()
    out = np.empty_like(dx)
    assert plain.backward(dy, out=out) is out
    assert same_bits(out, dx)
    y = np.empty_like(dy)
    assert plain(X, out=y) is y
    assert not same_bits(plain.backward(dy), dx)
    assert np.array_equal(X, np.arange(50).reshape(X.shape))


@each_kind
def test_an_empty_batch_with_a_mask(kind):
    x = np.zeros((0, 2, 5, 5), np.float32)
    for words in ({"where": np.ones((5, 5), bool)}, {"nan_policy": "omit"}, {"where": False}):
        layer = kind.layer(*kind.sizes, *(() if isinstance(kind, Whole) else (3,)), **words)
        y = layer(x)
        assert y.shape == (0, 2, 1, 1)
        assert layer.backward(y).shape == x.shape


def test_junk():
    """Whatever is put in place of any words: a result, or a refusal that names one of them."""
    shared = ["where", "engine", "out", "axes"]
    geometry = ["kernel_size", "stride", "padding", "dilation", "ceil_mode"]
    special = {
        "avg": ["count_include_pad", "divisor_override", "divisor", "weights"],
        "indices": ["ties", "x", "index_form"],
    }
    refused = 0
    for seed in range(3000):
        rng = random.Random(seed)
        name, kind = rng.choice(list(EVERY.items()))
        names = shared + special.get(name, []) + special.get(kind.saves, [])
        names += [] if isinstance(kind, Whole) else geometry
        call = rng.choice([kind.forward, kind.gradient])
        if call == kind.forward:
            names = ["nan_policy", "return_indices", *names]
            unknown = {"index_form", "x"} | (
                {"return_indices"} if kind.saves != "indices" else set()
            )
            names = [name for name in names if name not in unknown]
        words = {name: fuzz_junk.junk(rng) for name in rng.sample(names, rng.choice([1, 1, 2, 3]))}
        sizes = {"kernel_size": 3, "stride": 2, "padding": 1} | words
        if not isinstance(kind, Whole) and fuzz_junk.too_large(X.shape, sizes):
            continue
        try:
            call(**words)
        except (ndpool.PoolError, TypeError) as error:
            assert re.match(r"(\w+): expected .+, got ", str(error)), (seed, call, words)
            assert error.argument in {*words, "dy", "indices", "x", "x_shape", "y", *sizes}
            refused += 1
        except MemoryError:
            pass
    assert refused > 1500
