"""Forward mode, reverse mode and double backward: exact sums, complex steps and PyTorch."""

from cmath import exp

import numpy as np
import oracle
import pytest
from cases import BFLOAT16, same_bits
from kind_cases import cases
from test_bad_input import NO_ARRAYS, refusal

import ndpool
from ndpool.maps.sorts import SORTS

KINDS = {  # name: what it takes before kernel_size
    "avg": (),
    "gem": (3,),
    "lp": (3,),
    "max": (),
    "max_blur": (),
    "median": (),
    "min": (),
    "mixed": (0.25,),
    "soft": (),
    "stochastic": (),
    "sum": (),
}
CALLS = {"stochastic": {"training": False}}  # words beside those of the geometry
SMOOTH = ("gem", "lp", "soft", "stochastic")
POSITIVE = ("gem", "stochastic")
FLAT = ("avg", "max", "min", "sum")
each_kind = pytest.mark.parametrize("name", KINDS)
each_smooth = pytest.mark.parametrize("name", SMOOTH)


def jvp(name, x, tangent, *size, **words):
    return ndpool.jvp(name, x, tangent, *KINDS[name], *size, **CALLS.get(name, {}), **words)


def vjp(name, x, *size, **words):
    return ndpool.vjp(name, x, *KINDS[name], *size, **CALLS.get(name, {}), **words)


def double_backward(name, ddx, dy, x, *size, **words):
    words |= CALLS.get(name, {})
    return ndpool.double_backward(name, ddx, dy, x, *KINDS[name], *size, **words)


def numbers(name, rng, shape):
    """Away from zero, where norms have a kink; positive for kinds of such numbers."""
    x = rng.uniform(0.5, 2, shape)
    return x if name in POSITIVE else x * rng.choice([-1, 1], shape)


def test_every_kind_with_a_backward_has_a_derivative():
    """Those that have none, with the reason."""
    without = {
        "avg_pool_weights": "no kind: the gradient of avg_pool for its weights",
    }
    kinds = {name.removesuffix("_backward") for name in ndpool.__all__ if "_backward" in name}
    assert kinds - {"double"} == set(SORTS) | set(without)
    tested = {f"{name}_pool" for name in KINDS} | set(REGIONS) | {"global_lp_pool"}
    assert tested == set(SORTS)


@each_kind
def test_forward_and_reverse_are_adjoint(name):
    """tangent -> along . dy == tangent . back(dy); y is the function's own."""
    checked = 0
    for case, _ in cases()[:120]:
        rng = np.random.default_rng(case.seed)
        x = numbers(name, rng, case.x.shape)
        tangent = rng.standard_normal(x.shape)
        try:
            y, change = jvp(name, x, tangent, **case.words)
        except ndpool.PoolError as error:  # its maxima have a stride of 1
            assert (name, error.argument) == ("max_blur", "padding")
            continue
        again, pullback = vjp(name, x, **case.words)
        assert same_bits(y, again)
        words = {**case.words, **CALLS.get(name, {})}
        assert same_bits(y, getattr(ndpool, f"{name}_pool")(x, *KINDS[name], **words))
        dy = rng.standard_normal(y.shape)
        dx = pullback(dy)
        assert dx.shape == x.shape
        assert change.dtype == dx.dtype == np.float64
        assert np.isclose((change * dy).sum(), (tangent * dx).sum(), rtol=1e-11, atol=1e-12), case
        checked += x.size > 0
    assert checked > 80


@pytest.mark.parametrize("name", ["max", "min", "sum"])
def test_adjoint_exactly_on_integers(name):
    for case, _ in cases():
        rng = np.random.default_rng(case.seed)
        x, tangent = rng.integers(-9, 10, (2, *case.x.shape))
        y, change = ndpool.jvp(name, x, tangent, **case.words)
        dy = rng.integers(-9, 10, y.shape)
        dx = ndpool.vjp(name, x, **case.words)[1](dy)
        assert change.dtype == dx.dtype == np.int64
        assert (change * dy).sum() == (tangent * dx).sum(), case


@each_kind
def test_the_pullback_is_the_backward_function(name):
    x = np.random.default_rng(0).uniform(0.1, 2, (2, 3, 9, 8))
    words = {"stride": 2, "padding": 1}
    words |= CALLS.get(name, {})
    pool = getattr(ndpool, f"{name}_pool")
    y, pullback = ndpool.vjp(pool, x, *KINDS[name], 3, **words)
    public = [getattr(ndpool, each) for each in ndpool.__all__]
    (layer,) = (each for each in public if getattr(each, "_pool", None) is pool)
    layer = layer(*KINDS[name], 3, **words)
    assert same_bits(layer(x), y)
    for dy in np.random.default_rng(1).standard_normal((2, *y.shape)):
        assert same_bits(pullback(dy), layer.backward(dy))


def sizes(values):
    return [(-1 if v.real < 0 else 1, -v if v.real < 0 else v) for v in values]


def norm(values):
    return sum(v**3 for _, v in sizes(values)) ** (1 / 3)


def mean(values):
    return (sum(v**3 for v in values) / len(values)) ** (1 / 3)


def soft(values):
    return sum(v * exp(v) for v in values) / sum(map(exp, values))


def expected(values):
    return sum(v * v for v in values) / sum(values)


WINDOWS = {  # name: (y of a window's cells, its derivatives on paper), both analytic
    "gem": (mean, lambda values: [(v / mean(values)) ** 2 / len(values) for v in values]),
    "lp": (norm, lambda values: [s * (v / norm(values)) ** 2 for s, v in sizes(values)]),
    "soft": (
        soft, lambda of: [exp(v) / sum(map(exp, of)) * (1 + v - soft(of)) for v in of]
    ),
    "stochastic": (
        expected, lambda values: [(2 * v - expected(values)) / sum(values) for v in values]
    ),
}  # fmt: skip


@each_smooth
def test_smooth_kinds_equal_complex_steps_of_a_window(name):
    """A step of y along the tangent is jvp; one of dx is the second result of double backward."""
    value, slopes = WINDOWS[name]
    step = 1e-30
    for case, sums in cases()[:70]:
        rng = np.random.default_rng(case.seed)
        x = numbers(name, rng, case.x.shape)
        tangent = rng.standard_normal(x.shape)
        y, change = jvp(name, x, tangent, **case.words)
        dy = rng.standard_normal(y.shape)
        for_dy, for_x = double_backward(name, tangent, dy, x, **case.words)
        assert same_bits(for_dy, change)
        moved = (x + 1j * step * tangent).reshape(-1)
        exact_y, exact_x = np.zeros(y.size), np.zeros(x.size)
        for number, cells in enumerate(sums.windows):
            values = moved[cells].tolist()
            exact_y[number] = value(values).imag / step
            for cell, slope in zip(cells, slopes(values), strict=True):
                exact_x[cell] += dy.reshape(-1)[number] * slope.imag / step
        assert np.allclose(change.reshape(-1), exact_y, rtol=1e-11, atol=1e-12), case
        assert np.allclose(for_x.reshape(-1), exact_x, rtol=1e-10, atol=1e-11), case


@pytest.mark.parametrize("name", FLAT)
def test_kinds_that_do_not_bend(name):
    for case, sums in cases()[:100]:
        rng = np.random.default_rng(case.seed)
        x, ddx = rng.integers(-9, 10, (2, *case.x.shape)).astype(np.float64)
        y = getattr(ndpool, f"{name}_pool")(x, **case.words)
        dy = rng.integers(-9, 10, y.shape).astype(np.float64)
        for_dy, for_x = ndpool.double_backward(name, ddx, dy, x, **case.words)
        if name in ("sum", "avg"):
            divide = (lambda v, _: sum(v)) if name == "sum" else (lambda v, n: sum(v) / n)
            exact = oracle.fold(ddx, sums, divide)
        else:
            pick = max if name == "max" else min
            won = [pick(cells, key=lambda c: x.reshape(-1)[c]) for cells in sums.windows]
            exact = ddx.reshape(-1)[won].reshape(y.shape)
        assert np.allclose(for_dy, exact.astype(float), rtol=1e-13, atol=1e-13), case
        assert same_bits(for_x, np.zeros(x.shape)), case


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4])
def test_zeros_are_safe(p):
    """No NaN, and no warning: windows of zeros have no slope that could bend."""
    x = np.zeros((2, 4, 4), np.float32)
    x[1, 0, 0] = 2
    tangent, dy = np.ones_like(x), np.ones((2, 3, 3), np.float32)
    for_dy, for_x = ndpool.double_backward("lp", tangent, dy, x, p, 2, stride=1)
    expected = np.zeros_like(dy)
    expected[1, 0, 0] = 1
    assert same_bits(for_dy, expected)
    bent = np.zeros_like(x)
    if p == 2:  # the second derivative of a Euclidean norm: (1 - x x' / y**2) / y
        bent[1, 0, 1] = bent[1, 1, 0] = bent[1, 1, 1] = 0.5
    assert np.allclose(for_x, bent, rtol=1e-7, atol=1e-50)


@each_kind
@pytest.mark.parametrize("dtype", ["float16", BFLOAT16, "float32", ">f8"], ids=str)
def test_dtypes(name, dtype):
    rng = np.random.default_rng(0)
    x, tangent = rng.uniform(0.5, 2, (2, 3, 6, 6)).astype(dtype)[:, None].repeat(2, axis=1)
    y, change = jvp(name, x, tangent, 2)
    exact = jvp(name, x.astype(float), tangent.astype(float), 2)
    tolerance = 2e-2 if x.dtype.itemsize == 2 else 1e-5
    assert (y.dtype, change.dtype) == (x.dtype, x.dtype)
    assert np.allclose(change.astype(float), exact[1], rtol=tolerance)
    for_dy, for_x = double_backward(name, tangent, y, x, 2)
    assert (for_dy.dtype, for_x.dtype) == (x.dtype, x.dtype)
    dx = vjp(name, x, 2)[1](y)
    assert dx.dtype == x.dtype


@each_kind
def test_shapes_axes_layouts_and_nothing_modified(name):
    for shape in [(7,), (6, 7), (2, 5, 6), (2, 3, 4, 5)]:
        x, tangent = np.random.default_rng(0).uniform(0.5, 2, (2, *shape))
        x.flags.writeable = tangent.flags.writeable = False
        before = x.copy(), tangent.copy()
        for axis in range(len(shape)):
            _, change = jvp(name, x, tangent, 2, stride=1, axes=axis)
            last = (np.moveaxis(array, axis, -1) for array in (x, tangent))
            moved = jvp(name, *last, (2,), stride=1)[1]
            assert np.allclose(change, np.moveaxis(moved, -1, axis), rtol=1e-14)
        whole = jvp(name, x, tangent, shape)[1]
        assert whole.shape == (1,) * len(shape)
        assert np.array_equal(before[0], x)
        assert np.array_equal(before[1], tangent)
    empty = np.ones((0, 2, 5, 5), np.float32)
    y, change = jvp(name, empty, empty, 3)
    assert y.shape == change.shape
    assert y.shape[0] == 0
    for_dy, for_x = double_backward(name, empty, y, empty, 3)
    assert for_dy.shape == y.shape
    assert for_x.shape == empty.shape


def torch_pools():
    """{name: (PyTorch's function of x, ours, the words)}, d from 1 to 3."""
    from torch.nn import functional

    for d in (1, 2, 3):
        words = {"kernel_size": (3, 2, 2)[:d], "stride": (2, 1, 2)[:d], "padding": (1, 1, 0)[:d]}
        max_pool, avg_pool = (getattr(functional, f"{name}_pool{d}d") for name in ("max", "avg"))
        yield "max", d, words, lambda x, f=max_pool, w=words: f(x, **w)
        yield "min", d, words, lambda x, f=max_pool, w=words: -f(-x, **w)
        yield "avg", d, words, lambda x, f=avg_pool, w=words: f(x, **w)
        yield (
            "sum",
            d,
            words,
            lambda x, f=avg_pool, w=words: f(x, **w) * float(np.prod(w["kernel_size"])),
        )
        lp_pool = getattr(functional, f"lp_pool{d}d")
        words = {"kernel_size": (3, 2, 2)[:d], "stride": (2, 1, 2)[:d]}
        plain = [size[0] if d == 1 else size for size in words.values()]
        yield "lp", d, words, lambda x, f=lp_pool, of=plain: f(x, 3.0, *of)
        yield "gem", d, words, lambda x, f=avg_pool, of=plain: f(x**3, *of) ** (1 / 3)
        yield (
            "soft", d, words,
            lambda x, f=avg_pool, of=plain: f(x * x.exp(), *of) / f(x.exp(), *of),
        )  # fmt: skip
        yield "stochastic", d, words, lambda x, f=avg_pool, of=plain: f(x * x, *of) / f(x, *of)
        yield (
            "mixed", d, words,
            lambda x, f=avg_pool, g=max_pool, of=plain: 0.25 * g(x, *of) + 0.75 * f(x, *of),
        )  # fmt: skip


def test_equal_to_torch():
    """Values, forward mode, gradients and double backward in float64."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for name, d, words, theirs in torch_pools():
        rng = np.random.default_rng(d)
        x = rng.uniform(0.5, 2, (2, 3, *(7, 6, 5)[:d]))
        tangent = rng.standard_normal(x.shape)
        y, change = jvp(name, x, tangent, **words)
        dy = rng.standard_normal(y.shape)
        for_dy, for_x = double_backward(name, tangent, dy, x, **words)

        along = torch.autograd.functional.jvp(
            theirs, torch.from_numpy(x), torch.from_numpy(tangent)
        )
        assert np.allclose(y, along[0].numpy(), rtol=1e-12), (name, d)
        assert np.allclose(change, along[1].numpy(), rtol=1e-11, atol=1e-12), (name, d)
        leaf, slopes = (torch.from_numpy(a).requires_grad_() for a in (x, dy))
        (dx,) = torch.autograd.grad(theirs(leaf), leaf, slopes, create_graph=True)
        assert np.allclose(vjp(name, x, **words)[1](dy), dx.detach().numpy(), rtol=1e-11)
        back = torch.autograd.grad(dx, (slopes, leaf), torch.from_numpy(tangent), allow_unused=True)
        assert np.allclose(for_dy, back[0].numpy(), rtol=1e-11, atol=1e-12), (name, d)
        bent = np.zeros_like(x) if back[1] is None else back[1].numpy()
        assert np.allclose(for_x, bent, rtol=1e-10, atol=1e-11), (name, d)


@each_kind
def test_infinities_and_nan_stay_in_their_windows(name):
    """No warning, and no other window's derivative is touched."""
    x = np.linspace(0.5, 2, 12).reshape(2, 6)
    tangent = np.linspace(-1, 1, 12).reshape(2, 6)
    words = {"blur": 1} if name == "max_blur" else {}
    _, usual = jvp(name, x, tangent, 2, **words)
    for bad in (np.nan, np.inf, -np.inf):
        for spoilt in (x, tangent):
            if bad == -np.inf and (name in POSITIVE) and spoilt is x:
                continue
            old, spoilt[0, 2] = spoilt[0, 2], bad
            y, change = jvp(name, x, tangent, 2, **words)
            double_backward(name, tangent, np.ones_like(y), x, 2, **words)
            assert np.array_equal(change[0, [0, 2]], usual[0, [0, 2]])
            spoilt[0, 2] = old


def test_an_infinite_tangent_is_an_infinite_change():
    x, tangent = np.array([[1.0, 2.0]]), np.array([[np.inf, 0.0]])
    for name in ("avg", "gem", "lp", "sum"):
        assert jvp(name, x, tangent, (2,))[1] == np.inf


BOXES = [[0, 0.5, 1, 4.5, 3], [1, 1, 0, 3, 4], [0, 9, 9, 12, 12]]
WINNERS = np.random.default_rng(0).integers(0, 4, (2, 3, 6, 7)).astype(np.uint8)
REGIONS = {  # name: calls of kinds that have no kernel_size, or another geometry
    "adaptive_avg_pool": [((3,), {}), (((2, 4),), {})],
    "adaptive_max_pool": [((3,), {}), (((2, 4),), {})],
    "blur_pool": [((3,), {}), (((2, 5),), {"stride": 1, "mode": "edge"})],
    "fractional_max_pool": [((2,), {"output_size": 3, "rng": 0})],
    "global_avg_pool": [((), {}), ((), {"axes": (0, 2)})],
    "global_max_pool": [((), {}), ((), {"axes": 1})],
    "global_min_pool": [((), {})],
    "global_sum_pool": [((), {})],
    "roi_align": [((BOXES, 2), {}), ((BOXES, 2), {"sampling_ratio": 2, "aligned": False})],
    "roi_max_pool": [((BOXES, 2), {})],
    "spatial_pyramid_pool": [(((1, 2, 3),), {}), (((1, 2),), {"kind": "avg"})],
    "stochastic_pool": [((2,), {"rng": 0}), ((3,), {"rng": 1, "stride": 2})],
    "median_pool": [((2,), {"method": "lower"}), ((3,), {"method": "higher", "padding": 1})],
    "max_blur_pool": [((2,), {"blur": 5, "blur_mode": "edge", "stride": 2, "padding": 1})],
    "max_unpool": [
        ((WINNERS, (2, 3, 12, 14), 2), {}),
        ((WINNERS, (2, 3, 7, 8), 2), {"stride": 1, "repeated": "sum"}),
        ((WINNERS, (2, 3, 7, 8), 2), {"stride": 1, "repeated": "last"}),
    ],
    "mixed_pool": [((np.array([[[0.0]], [[0.5]], [[1.0]]]), 2), {"stride": 1})],
}


@pytest.mark.parametrize("name", REGIONS)
def test_other_geometries_are_adjoint(name):
    rng = np.random.default_rng(0)
    for sizes, words in REGIONS[name]:
        x, tangent = rng.uniform(0.1, 2, (2, 2, 3, 6, 7))
        y, change = ndpool.jvp(name, x, tangent, *sizes, **words)
        again, pullback = ndpool.vjp(name, x, *sizes, **words)
        assert same_bits(y, again)
        dy = rng.standard_normal(y.shape)
        dx = pullback(dy)
        assert np.isclose((change * dy).sum(), (tangent * dx).sum(), rtol=1e-12)
        for_dy, for_x = ndpool.double_backward(name, tangent, dy, x, *sizes, **words)
        assert same_bits(for_dy, change)
        assert same_bits(for_x, np.zeros(x.shape))
        # x itself as a tangent: such kinds are linear as long as the winners are the same
        assert np.allclose(ndpool.jvp(name, x, x, *sizes, **words)[1], y, rtol=1e-12)


EXACT = {  # name: calls of kinds that choose cells or add them up, by halves at most
    **{name: REGIONS[name] for name in REGIONS if "max" in name or "min" in name},
    "global_sum_pool": [((), {}), ((), {"axes": 1})],
    "max_pool": [((3,), {"stride": 2, "padding": 1}), (((2, 3),), {"dilation": 2, "stride": 1})],
    "median_pool": [((2,), {}), ((3,), {"method": "higher"})],
    "min_pool": [((3,), {"stride": 2, "padding": 1})],
    "roi_max_pool": REGIONS["roi_max_pool"],
    "spatial_pyramid_pool": [(((1, 2, 3),), {})],
    "stochastic_pool": [((2,), {"rng": 0})],
    "sum_pool": [((3,), {"stride": 1, "padding": 1})],
}


@pytest.mark.parametrize("name", EXACT)
def test_backward_is_the_exact_quotient_of_differences(name):
    """Of whole numbers that are all different, by a step that changes no winner: nothing rounds."""
    rng, step = np.random.default_rng(0), 2.0**-8
    for sizes, words in EXACT[name]:
        x = 1 + rng.permutation(2 * 3 * 6 * 7).reshape(2, 3, 6, 7).astype(float)
        pool = getattr(ndpool, name)
        y, pullback = ndpool.vjp(name, x, *sizes, **words)
        dy = rng.integers(-9, 10, y.shape).astype(float)
        dx = pullback(dy)
        for place in np.ndindex(x.shape):
            moved = x.copy()
            moved[place] += step
            change = np.where(y == -np.inf, 0, pool(moved, *sizes, **words) - y)
            assert (change * dy).sum() / step == dx[place]


def test_global_norms_are_norms_of_one_window():
    x, ddx = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4, 5))
    dy = np.arange(1.0, 4).reshape(3, 1, 1)
    for_dy, for_x = ndpool.double_backward("global_lp", ddx, dy, x, 3)
    again = ndpool.double_backward("lp", ddx, dy, x, 3, (4, 5))
    assert same_bits(for_dy, again[0])
    assert same_bits(for_x, again[1])


def test_a_maximum_of_samples_goes_back_but_not_along():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
    words = {"mode": "max"}
    y, pullback = ndpool.vjp("roi_align", x, BOXES, 2, **words)
    assert np.isclose((x * pullback(np.ones(y.shape))).sum(), y.sum())
    with pytest.raises(ndpool.PoolError, match=r"^mode: expected 'avg', for a change along"):
        ndpool.jvp("roi_align", x, x, BOXES, 2, **words)


X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)


def test_bad_input():
    y = ndpool.max_pool(X, 3)
    calls = {
        "jvp": lambda pool="max", x=X, a=X, size=3, **words: ndpool.jvp(pool, x, a, size, **words),
        "vjp": lambda pool="max", x=X, a=y, size=3, **words: ndpool.vjp(pool, x, size, **words)[1](
            a
        ),
        "double": lambda pool="max", x=X, a=X, size=3, **words: ndpool.double_backward(
            pool, a, y, x, size, **words
        ),
    }
    for call in calls.values():
        for junk in (
            "nope", "", None, 3, np.max, ndpool.max_pool_backward, ndpool.MaxPool, len, b"max",
            lambda x: x, "avg_pool_weights",
        ):  # fmt: skip
            assert refusal(call, junk).startswith(
                "pool: expected a kind with a derivative: adaptive"
            )
        for junk in NO_ARRAYS:
            assert refusal(call, x=junk).startswith("x: ")
            if junk is not None:
                assert refusal(call, a=junk).startswith(("tangent: ", "dy: ", "ddx: "))
        assert "expected shape" in refusal(call, a=np.ones((1, 2, 4, 5)))
        for junk in (0, 8, None, "3", (3, -1)):
            assert refusal(call, size=junk).startswith("kernel_size: ")
        for word, value in (("ties", "split"), ("nan_policy", "omit"), ("where", X > 3)):
            assert refusal(call, **{word: value}).startswith(f"{word}: expected ")
        for word in ("strides", "return_indices", "out"):
            with pytest.raises(TypeError, match=word):
                call(**{word: True})
    assert "dy: expected shape" in refusal(ndpool.double_backward, "max", X, X, X, 3)
