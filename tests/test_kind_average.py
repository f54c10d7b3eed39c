"""Average pooling against loops over exact fractions, and PyTorch."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import DTYPES, FLOATS, laid_out, same_bits
from kind_cases import cases, close, float_of, integers
from test_kind_masks import mask_for

import ndpool


def divided_by(words):
    """The oracle's rule for these arguments: (values, counted) -> divisor."""
    if words.get("divisor_override") is not None:
        return lambda values, counted: words["divisor_override"]
    if words.get("count_include_pad", True):
        return lambda values, counted: counted
    return lambda values, counted: len(values)


def test_random_cases_equal_the_oracle():
    for case, sums in cases():
        rng = random.Random(case.seed)
        words = rng.choice([{}, {}, {"count_include_pad": False}, {"divisor_override": 7}])
        divisor = divided_by(words)
        x = laid_out(integers(case, case.x.shape), "gaps", rng)
        before = x.tobytes()
        y = ndpool.avg_pool(x, **case.words, **words)
        exact = oracle.fold(
            x.astype(np.int64), sums, lambda v, n, divisor=divisor: Fraction(sum(v), divisor(v, n))
        )
        assert y.dtype == float_of(x.dtype), case
        # integers sum exactly: there is one rounding, that of the division (two for 2-byte floats)
        wide = np.float32 if y.itemsize == 2 else y.dtype
        rounded = exact.astype(np.float64).astype(wide).astype(y.dtype)
        assert same_bits(y, rounded), case

        dy = integers(case, y.shape)
        before_dy = dy.tobytes()
        dx = ndpool.avg_pool_backward(dy, x.shape, **case.words, **words)
        exact = oracle.fold_backward(
            x.astype(np.int64), dy.astype(np.int64), sums,
            lambda v, n, divisor=divisor: [Fraction(1, divisor(v, n))] * len(v),
        )  # fmt: skip
        assert dx.dtype == float_of(dy.dtype), case
        assert close(dx, exact), case
        assert (x.tobytes(), dy.tobytes()) == (before, before_dy)


def test_any_values_equal_the_oracle():
    """NaN, infinities, signed zeros: as Python's floats have them.

    Not the largest: whether their sums overflow depends on the order, which test_sums.py is about.
    """
    for case, sums in cases():
        if case.x.dtype != np.float64 or (np.isfinite(case.x) & (np.abs(case.x) > 1e300)).any():
            continue
        y = ndpool.avg_pool(case.x, **case.words)
        assert close(y, oracle.fold(case.x, sums, lambda v, n: sum(v) / n)), case


def test_it_is_adjoint():
    """(A x) . dy == x . (A^T dy)."""
    for case, _ in cases()[:200]:
        rng = np.random.default_rng(case.seed)
        x = rng.standard_normal(case.x.shape)
        y = ndpool.avg_pool(x, **case.words, count_include_pad=False)
        dy = rng.standard_normal(y.shape)
        dx = ndpool.avg_pool_backward(dy, x.shape, **case.words, count_include_pad=False)
        assert np.isclose((y * dy).sum(), (x * dx).sum(), rtol=1e-10, atol=1e-10), case
        assert np.isclose(dx.sum(), dy.sum(), rtol=1e-10, atol=1e-10), case


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    x = np.array([[1, 0, 1, 1], [1, 1, 0, 0]]).astype(dtype)
    y = ndpool.avg_pool(x, 2)
    assert y.dtype == float_of(dtype)
    assert y.tolist() == [[0.75, 0.5]]
    dx = ndpool.avg_pool_backward(np.ones((1, 2)).astype(dtype), x.shape, 2)
    assert dx.dtype == float_of(dtype)
    assert (dx == 0.25).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_two_byte_floats_are_summed_in_float32(dtype):
    """2049 ones are 2048 in float16 and 256 in bfloat16."""
    x = np.ones((3, 2049)).astype(dtype)
    assert (ndpool.avg_pool(x, (2049,)) == 1).all()
    assert (ndpool.avg_pool(x, (1025,), stride=1) == 1).all()


def test_integers_do_not_wrap():
    x = np.full((2, 2), 255, np.uint8)
    assert ndpool.avg_pool(x, 2).tolist() == [[255.0]]


def test_empty_batch_and_global_windows():
    assert ndpool.avg_pool(np.ones((0, 3, 4, 4), np.float32), 2).shape == (0, 3, 2, 2)
    assert ndpool.avg_pool(np.ones((0, 3, 4, 4), np.float32), 4).shape == (0, 3, 1, 1)
    assert ndpool.avg_pool_backward(np.ones((0, 3, 1, 1)), (0, 3, 4, 4), 4).shape == (0, 3, 4, 4)
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3))
    y = ndpool.avg_pool(x, (9, 8), axes=(1, 2))
    assert np.allclose(y, x.mean(axis=(1, 2), keepdims=True), rtol=1e-14, atol=0)


def test_bits_do_not_depend_on_the_layout():
    rng = random.Random(0)
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 40)).astype(np.float32)
    for words in ({"kernel_size": 40}, {"kernel_size": 3}, {"kernel_size": 9, "axes": (0, 2)}):
        words = words | ({"kernel_size": (2, 9)} if "axes" in words else {})
        expected = ndpool.avg_pool(x, **words)
        for layout in ("F", "transposed", "reversed", "gaps", "misaligned"):
            assert same_bits(ndpool.avg_pool(laid_out(x, layout, rng), **words), expected)


BAD = [
    ("count_include_pad", 1), ("count_include_pad", "yes"),
    ("divisor_override", 0), ("divisor_override", -1), ("divisor_override", 2.0),
    ("divisor_override", True), ("divisor_override", "2"), ("divisor_override", np.arange(2)),
    ("divisor_override", 2**70), ("divisor", "numpy"), ("divisor", None), ("divisor", 2),
    ("weights", np.ones(3)), ("weights", 1j), ("weights", "2"), ("weights", np.ones((2, 4, 4))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_words(name, value):
    for call in (
        lambda: ndpool.avg_pool(np.ones((4, 4)), 2, **{name: value}),
        lambda: ndpool.avg_pool_backward(np.ones((2, 2)), (4, 4), 2, **{name: value}),
        lambda: ndpool.AvgPool(2, **{name: value}).forward(np.ones((4, 4))),
    ):
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            call()


CONTRADICTIONS = [
    ("count_include_pad", {"count_include_pad": True, "divisor": "tensorflow"}),
    ("count_include_pad", {"count_include_pad": True, "weights": 2}),
    ("divisor_override", {"divisor_override": 2, "divisor": "tensorflow"}),
    ("divisor_override", {"divisor_override": 2, "divisor": "onnx"}),
    ("divisor_override", {"divisor_override": 2, "weights": 2}),
]


@pytest.mark.parametrize(("name", "words"), CONTRADICTIONS)
def test_contradictions(name, words):
    for call in (
        lambda: ndpool.avg_pool(np.ones((4, 4)), 2, **words),
        lambda: ndpool.avg_pool_backward(np.ones((2, 2)), (4, 4), 2, **words),
    ):
        with pytest.raises(ndpool.PoolError, match=f"^{name}: expected .+, got "):
            call()


def test_rules_by_name():
    """The two that differ by their default, and the one that never counts padding."""
    for case, _ in cases()[:150]:

        def pool(case=case, **words):
            return ndpool.avg_pool(case.x, **case.words, **words)

        assert same_bits(pool(divisor="torch"), pool(count_include_pad=True))
        assert same_bits(pool(divisor="onnx"), pool(count_include_pad=False))
        assert same_bits(pool(divisor="onnx", count_include_pad=True), pool())
        assert same_bits(pool(divisor="tensorflow"), pool(count_include_pad=False))


def test_tensorflow_divides_as_keras_does_on_jax():
    """The sum of a "SAME" window over the sum of ones in it."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    import jax.numpy as jnp

    for seed in range(20):
        rng = random.Random(seed)
        x = np.random.default_rng(seed).standard_normal((2, rng.randint(3, 9), rng.randint(3, 9)))
        kernel, stride = rng.randint(1, 4), rng.randint(1, 3)

        def sums(array, kernel=kernel, stride=stride):
            return jax.lax.reduce_window(
                array, 0.0, jax.lax.add, (1, kernel, kernel), (1, stride, stride), "SAME"
            )

        x = x.astype(np.float32)
        expected = np.asarray(sums(jnp.asarray(x)) / sums(jnp.ones(x.shape)))
        y = ndpool.avg_pool(x, kernel, stride=stride, padding="same", divisor="tensorflow")
        assert np.allclose(y, expected, rtol=2e-6, atol=1e-6)


def by_onnx_runtime(x, opset, **attributes):
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = make.make_graph(
        [make.make_node("AveragePool", ["x"], ["y"], **attributes)], "one node",
        [make.make_tensor_value_info("x", kind, x.shape)],
        [make.make_tensor_value_info("y", kind, None)],
    )  # fmt: skip
    opsets = [make.make_opsetid("", opset)]
    model = make.make_model(graph, opset_imports=opsets, ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def test_onnx_runtime_divides_by_onnxs_rule():
    for seed in range(60):
        rng = random.Random(seed)
        kernel, stride = rng.randint(2, 4), rng.randint(1, 3)
        pads = [rng.randint(0, kernel - 1) for _ in range(4)]
        x = np.random.default_rng(seed).random((1, 2, 7, rng.randint(4, 9))).astype(np.float32)
        counted = rng.choice([{}, {"count_include_pad": 0}, {"count_include_pad": 1}])
        theirs = by_onnx_runtime(
            x,
            22,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=pads,
            ceil_mode=1,
            **counted,
        )
        words = {name: bool(value) for name, value in counted.items()}
        ours = ndpool.avg_pool(
            x, kernel, stride=stride, padding=((pads[0], pads[2]), (pads[1], pads[3])),
            ceil_mode=True, divisor="onnx", **words,
        )  # fmt: skip
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6), (seed, counted)


def weighted(values, weights):
    """The exact weighted mean of one window; None without one."""
    total = sum(weights)
    return (
        Fraction(sum(v * w for v, w in zip(values, weights, strict=True)), total) if total else None
    )


def test_weights_equal_the_oracle():
    for case, sums in cases():
        rng = random.Random(case.seed)
        where = None if rng.random() < 0.5 else mask_for(case)
        if where is not None:
            sums = oracle.without(sums, np.broadcast_to(where, case.x.shape))
        shape = tuple(1 if rng.random() < 0.3 else n for n in case.x.shape)
        weights = np.random.default_rng(case.seed).integers(-1, 4, shape)
        weights = weights.astype(rng.choice([np.int8, np.float32, np.float64]))
        each = np.broadcast_to(weights, case.x.shape).astype(int).reshape(-1).tolist()
        x = integers(case, case.x.shape)
        y = ndpool.avg_pool(x, **case.words, weights=weights, where=where)
        assert y.dtype == float_of(x.dtype), case
        values = x.astype(int).reshape(-1).tolist()
        exact = [
            weighted([values[at] for at in cells], [each[at] for at in cells])
            for cells in sums.windows
        ]
        nan = float("nan")
        assert close(
            y, np.array([nan if e is None else e for e in exact], object).reshape(y.shape)
        ), case

        dy = integers(case, y.shape)
        dx = ndpool.avg_pool_backward(dy, x.shape, **case.words, weights=weights, where=where)
        slopes = [Fraction(0)] * x.size
        for cells, part in zip(sums.windows, dy.astype(int).reshape(-1).tolist(), strict=True):
            total = sum(each[at] for at in cells)
            for at in cells:
                slopes[at] += Fraction(part * each[at], total) if total else 0
        assert close(dx, np.array(slopes, object).reshape(x.shape)), case


def test_gradients_for_weights_are_those_of_the_quotient():
    """Exact fractions: of sum(w x) / sum(w) by each w, summed where w is broadcast."""
    checked = 0
    for case, sums in cases():
        if case.x.dtype != np.float64 or not case.x.size:
            continue
        rng = random.Random(case.seed)
        where = mask_for(case)
        sums = oracle.without(sums, np.broadcast_to(where, case.x.shape))
        shape = tuple(1 if rng.random() < 0.4 else n for n in case.x.shape)
        shape = shape[rng.choice([0, 1]) :]
        weights = np.random.default_rng(case.seed).integers(0, 4, shape).astype(np.float64)
        number = np.broadcast_to(np.arange(weights.size).reshape(shape), case.x.shape).reshape(-1)
        each = np.broadcast_to(weights, case.x.shape).astype(int).reshape(-1).tolist()
        x = integers(case, case.x.shape)
        values = x.astype(int).reshape(-1).tolist()
        y = ndpool.avg_pool(x, **case.words, weights=weights, where=where)
        dy = integers(case, y.shape)
        words = dict(case.words)
        size = words.pop("kernel_size")
        dw = ndpool.avg_pool_weights_backward(dy, x, y, weights, size, **words, where=where)
        exact = [Fraction(0)] * weights.size
        for cells, part in zip(sums.windows, dy.astype(int).reshape(-1).tolist(), strict=True):
            total = sum(each[at] for at in cells)
            above = sum(each[at] * values[at] for at in cells)
            for at in cells if total else []:
                exact[number[at]] += part * Fraction(values[at] * total - above, total**2)
        assert close(dw, np.array(exact, object).reshape(shape)), case
        checked += 1
    assert checked > 20


def test_bad_arguments_of_the_gradient_for_weights():
    good = {"dy": np.ones((2, 2)), "x": np.ones((4, 4)), "y": np.ones((2, 2)), "weights": 2.0,
            "kernel_size": 2}  # fmt: skip
    assert ndpool.avg_pool_weights_backward(**good) == 0
    for name, bad in [
        ("dy", np.ones((2, 3))), ("y", np.ones(2)), ("weights", np.ones(3)), ("weights", None),
        ("weights", 1j), ("x", 1j), ("y", "no"), ("where", np.ones(4)), ("kernel_size", 0),
        ("stride", 0), ("out", 3), ("out", np.ones(1)), ("engine", "cuda"), ("divisor", "onnx"),
    ]:  # fmt: skip
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            ndpool.avg_pool_weights_backward(**good | {name: bad})


def test_weights_are_as_numpys():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((3, 8, 9)), rng.random((8, 9))
    y = ndpool.avg_pool(x, (8, 9), weights=weights)
    expected = np.average(x, axis=(1, 2), weights=weights)
    assert np.allclose(y[:, 0, 0], expected, rtol=1e-13)


def test_random_cases_equal_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functions = {d: getattr(torch.nn.functional, f"avg_pool{d}d") for d in (1, 2, 3)}
    checked = 0
    for seed in range(400):
        rng = random.Random(seed)
        d = rng.choice([1, 2, 2, 3])
        kernel = [rng.randint(1, 5) for _ in range(d)]
        words = {
            "kernel_size": tuple(kernel),
            "stride": tuple(rng.randint(1, 4) for _ in range(d)),
            "padding": tuple(rng.randint(0, k // 2) for k in kernel),
            "ceil_mode": rng.random() < 0.5,
            "count_include_pad": rng.random() < 0.5,
        }
        if d > 1 and rng.random() < 0.3:
            words["divisor_override"] = rng.randint(1, 9)
        shape = (2, 2, *(rng.randint(k, k + 6) for k in kernel))
        x = np.random.default_rng(seed).standard_normal(shape)
        theirs_x = torch.from_numpy(x).requires_grad_()
        theirs = functions[d](theirs_x, **words)
        try:
            ours = ndpool.avg_pool(x, **words)
        except ndpool.PoolError as error:
            assert "only padding" in str(error)
            continue
        assert np.allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-13), (seed, words)
        dy = np.random.default_rng(seed).standard_normal(ours.shape)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.avg_pool_backward(dy, x.shape, **words)
        assert np.allclose(dx, theirs_x.grad.numpy(), rtol=1e-12, atol=1e-13), (seed, words)
        checked += 1
    assert checked > 350


def test_weights_too_small_for_a_gradient_give_no_warning():
    x, weights = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1e-320, 1e-320])
    y = ndpool.avg_pool(x, (2,), weights=weights)
    # true: two infinite gradients of opposite signs for each weight
    dw = ndpool.avg_pool_weights_backward(np.ones((2, 1)), x, y, weights, (2,))
    assert np.isnan(dw).all()
