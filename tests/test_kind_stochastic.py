"""Stochastic pooling against loops with the same chances, its own probabilities, and fractions."""

import random
from fractions import Fraction

import numpy as np
import oracle
import pytest
from cases import DTYPES, LAYOUTS, is_float, laid_out, same_bits
from kind_cases import cases, close, float_of, integers

import ndpool


def drawn(x, sums, seed):
    """The position of each window's cell: the first up to which the sum passes its chance.

    None for a window without a cell.
    """
    values = x.astype(np.float64).reshape(-1).tolist()
    chances = np.random.default_rng(seed).random(sums.y_shape).reshape(-1).tolist()
    taken = []
    for cells, chance in zip(sums.windows, chances, strict=True):
        if not cells:
            taken.append(None)
            continue
        weights = [Fraction(values[at]) for at in cells]
        if not any(weights):
            weights = [Fraction(1)] * len(cells)
        so_far, total = Fraction(0), sum(weights)
        for at, weight in zip(cells, weights, strict=True):
            so_far += weight
            if so_far > Fraction(chance) * total:
                taken.append(at)
                break
    return np.array(taken, object).reshape(sums.y_shape)


def test_drawn_cells_equal_the_oracle():
    for case, sums in cases():
        layout = random.Random(case.seed).choice([each for each in LAYOUTS if each != "broadcast"])
        x = laid_out(integers(case, case.x.shape, 0), layout, random.Random(case.seed))
        before = x.tobytes()
        at = drawn(x, sums, case.seed).astype(np.int64)
        y, found = ndpool.stochastic_pool(x, **case.words, rng=case.seed, return_indices="tensor")
        assert np.array_equal(found, at), case
        assert same_bits(y, x.reshape(-1)[at]), case
        assert same_bits(ndpool.stochastic_pool(x, **case.words, rng=case.seed), y), case

        rng = np.random.default_rng(case.seed)
        _, offsets = ndpool.stochastic_pool(x, **case.words, rng=rng, return_indices=True)
        dy = integers(case, y.shape)
        dx = ndpool.stochastic_pool_backward(dy, x, offsets, **case.words)
        assert same_bits(dx, oracle.max_pool_backward(dy, at.reshape(-1), x.shape)), case
        again = ndpool.stochastic_pool_backward(dy, x, found, **case.words, index_form="tensor")
        assert same_bits(again, dx), case
        assert x.tobytes() == before


def expected_value(values, _):
    total = sum(values)
    return Fraction(sum(v * v for v in values), total) if total else Fraction(0)


def slopes(values, _):
    total = sum(values)
    if not total:
        return [Fraction(1, len(values)) for _ in values]
    y = expected_value(values, _)
    return [(2 * v - y) / total for v in values]


def test_the_expectation_equals_fractions():
    for case, sums in cases()[:250]:
        x = integers(case, case.x.shape, 0)
        whole = x.astype(np.int64)
        y = ndpool.stochastic_pool(x, **case.words, training=False)
        assert y.dtype == float_of(x.dtype), case
        assert close(y, oracle.fold(whole, sums, expected_value)), case
        dy = integers(case, y.shape)
        dx = ndpool.stochastic_pool_backward(dy, x, None, **case.words)
        assert dx.dtype == float_of(dy.dtype), case
        exact = oracle.fold_backward(whole, dy.astype(np.int64), sums, slopes)
        assert close(dx, exact), case


def frequencies(cells, draws=200_000):
    """How often each of these cells of one window is taken."""
    x = np.broadcast_to(np.array(cells), (draws, len(cells)))
    _, indices = ndpool.stochastic_pool(x, (len(cells),), rng=0, return_indices=True)
    return np.bincount(indices.reshape(-1), minlength=len(cells)) / draws


@pytest.mark.parametrize(
    ("cells", "chances"),
    [
        ([1.0, 2.0, 0.0, 5.0], [1 / 8, 2 / 8, 0, 5 / 8]),
        ([0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1e308, 1e308, 5e307], [0.4, 0.4, 0.2]),
        ([5e-324, 5e-324], [0.5, 0.5]),
        ([np.inf, 1.0, np.inf], [0.5, 0, 0.5]),
        ([2**62, 2**62, 2**63 - 2], [0.25, 0.25, 0.5]),
    ],
)
def test_cells_are_taken_as_often_as_they_should_be(cells, chances):
    """Five standard deviations of 200 000 draws are 0.0056 at most."""
    found = frequencies(cells)
    assert np.allclose(found, chances, atol=0.006)
    assert ((found == 0) == (np.array(chances) == 0)).all()


class Same(np.random.Generator):
    """A generator whose chances are all the same."""

    def __init__(self, chance):
        super().__init__(np.random.PCG64(0))
        self.chance = chance

    def random(self, size):
        return np.full(size, self.chance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_least_and_the_highest_chance_take_no_cell_of_probability_0(dtype):
    for least in (1, 3, 10):
        x = np.array([[0, least, 1, 7, 0]], dtype)
        for chance, at in [(0.0, 1), (np.nextafter(1.0, 0.0), 3)]:
            _, indices = ndpool.stochastic_pool(x, (5,), rng=Same(chance), return_indices=True)
            assert indices == at


def test_the_expectation_is_what_is_drawn_on_average():
    x = np.random.default_rng(1).random((1, 4, 4))
    many = ndpool.stochastic_pool(np.repeat(x, 40_000, axis=0), 2, rng=0).mean(axis=0)
    assert np.allclose(many, ndpool.stochastic_pool(x, 2, training=False)[0], atol=0.01)


def test_chance_depends_on_the_seed_alone():
    x = np.random.default_rng(0).random((3, 8, 8))
    once = ndpool.stochastic_pool(x, 2, rng=3)
    assert same_bits(ndpool.stochastic_pool(x, 2, rng=3), once)
    assert same_bits(ndpool.stochastic_pool(x, 2, rng=np.random.default_rng(3)), once)
    assert not np.array_equal(ndpool.stochastic_pool(x, 2, rng=4), once)
    assert not np.array_equal(ndpool.stochastic_pool(x, 2), ndpool.stochastic_pool(x, 2))
    rng = np.random.default_rng(3)
    assert same_bits(ndpool.stochastic_pool(x, 2, rng=rng), once)
    assert not np.array_equal(ndpool.stochastic_pool(x, 2, rng=rng), once)


def test_nan_and_infinities():
    nan, inf = np.nan, np.inf
    x = np.array([[1, nan, nan, 3, inf, 1, inf, inf]])
    y, indices = ndpool.stochastic_pool(x, (2,), rng=0, return_indices=True)
    assert np.array_equal(y, [[nan, nan, inf, inf]], equal_nan=True)
    assert indices[0, :3].tolist() == [1, 0, 0]
    y = ndpool.stochastic_pool(x, (2,), training=False)
    assert np.array_equal(y, [[nan, nan, inf, inf]], equal_nan=True)
    dx = ndpool.stochastic_pool_backward(np.ones((1, 4)), x, None, (2,))
    # inf ** 2 / inf: the limit for a large t of (t * t + 1) / (t + 1), by t and by the 1
    expected = [[nan, nan, nan, nan, 1, -1, 0.5, 0.5]]
    assert np.array_equal(dx, expected, equal_nan=True)


def test_the_largest_and_smallest_do_not_overflow():
    for value in (np.finfo(np.float32).max, np.finfo(np.float32).tiny):
        x = np.full((2, 2), value, np.float32)
        assert ndpool.stochastic_pool(x, 2, training=False) == value
        dx = ndpool.stochastic_pool_backward(np.ones((1, 1), np.float32), x, None, 2)
        assert np.allclose(dx, 0.25, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype):
    x = np.ones((4, 4)).astype(dtype)
    y = ndpool.stochastic_pool(x, 2, rng=0)
    assert y.dtype == dtype
    assert (y == 1).all()
    y = ndpool.stochastic_pool(x, 2, training=False)
    assert y.dtype == float_of(dtype)
    assert (y == 1).all()


@pytest.mark.parametrize("dtype", [d for d in DTYPES if is_float(d) or d.kind == "i"], ids=str)
def test_negative_cells_are_refused(dtype):
    x = np.ones((4, 5)).astype(dtype)
    x[2, 3] = -1
    for call in (
        lambda: ndpool.stochastic_pool(x, 2),
        lambda: ndpool.stochastic_pool(x, 2, training=False),
        lambda: ndpool.stochastic_pool_backward(np.ones((2, 2)), x, None, 2),
    ):
        with pytest.raises(ndpool.PoolError, match=r"^x: expected no negative .* at \(2, 3\)$"):
            call()
    assert ndpool.stochastic_pool(np.full((2, 2), -0.0), 2) == 0


BAD = [
    ("training", 1), ("training", None), ("rng", -1), ("rng", 1.5), ("rng", True), ("rng", "seed"),
    ("rng", np.random.RandomState(0)), ("rng", [1]), ("return_indices", "plain"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_words(name, value):
    with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
        ndpool.stochastic_pool(np.ones((4, 4)), 2, **{name: value})
    if name != "return_indices":
        with pytest.raises((ndpool.PoolError, TypeError), match=f"^{name}: expected .+, got "):
            ndpool.StochasticPool(2, **{name: value})


def test_there_are_no_indices_of_an_expectation():
    with pytest.raises(ndpool.PoolError, match=r"^return_indices: expected False"):
        ndpool.stochastic_pool(np.ones((2, 2)), 2, training=False, return_indices=True)


def test_the_layer_in_training():
    x = np.random.default_rng(0).random((3, 8, 8))
    layer = ndpool.StochasticPool(2, rng=5)
    rng = np.random.default_rng(5)
    for _ in range(2):  # each forward goes on where the last stopped
        y, indices = ndpool.stochastic_pool(x, 2, rng=rng, return_indices=True)
        assert same_bits(layer.forward(x), y)
        assert same_bits(layer.indices, indices)
        expected = ndpool.max_pool_backward(y, indices, x.shape, 2)
        assert same_bits(layer.backward(y), expected)
    layer.training = False
    assert same_bits(layer(x), ndpool.stochastic_pool(x, 2, training=False))
    assert layer.indices is None
    assert same_bits(layer.backward(y), ndpool.stochastic_pool_backward(y, x, None, 2))
