"""Fractional max pooling: what its sequences promise, plain loops over its regions, PyTorch."""

import random
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import oracle
import pytest
from cases import DTYPES, same_bits
from region_cases import array, as_asked, boxes, plane, winners
from test_bad_input import GEOMETRY, NO_ARRAYS, refusal

import ndpool
from ndpool.kinds.sequences import graham

CASES = 200
DRAWS = ["pseudorandom", "random"]


def edges_of(regions, number):
    """The sequence that these regions lie between."""
    begin, end = regions.begin[number].tolist(), regions.end[number].tolist()
    return [*begin, end[-1]], begin, end


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("overlapping", [False, True])
def test_sequences_are_grahams(draw, overlapping):
    """From the first cell to the last by steps of the two integers about n / out."""
    for n, out in product(range(1 + overlapping, 40), repeat=2):
        length = n - overlapping
        if out > length:
            continue
        rng = np.random.default_rng(n * 100 + out)
        regions = graham(draw, (n,), (0,), (out,), overlapping, rng)
        _, begin, end = edges_of(regions, 0)
        assert begin[0] == 0
        assert end[-1] == n
        # disjoint regions end where the next begins, overlapping ones one cell later
        assert end[:-1] == [b + overlapping for b in begin[1:]]
        steps = [b - a for a, b in pairwise([*begin, length])]
        assert set(steps) <= {length // out, -(-length // out)}
        if draw == "pseudorandom":
            assert is_pseudorandom(begin, n - overlapping)


def is_pseudorandom(begin, n):
    """Whether one u gives them all: e = ceil(a * (i + u)) - 1, so that e < a * (i + u) <= e + 1."""
    a = Fraction(n, len(begin))
    bounds = [(e / a - i, (e + 1) / a - i) for i, e in enumerate(begin) if i]
    low, high = (max(b[0] for b in bounds), min(b[1] for b in bounds)) if bounds else (0, 1)
    return low < high and high > 0


def test_every_sequence_is_drawn():
    """7 cells to 4: one step of 1 among three of 2, wherever it is."""
    for draw in DRAWS:
        seen = {
            tuple(graham(draw, (7,), (0,), (4,), False, np.random.default_rng(seed)).begin[0])
            for seed in range(100)
        }
        assert seen == {(0, 1, 3, 5), (0, 2, 3, 5), (0, 2, 4, 5), (0, 2, 4, 6)}
    # 8 to 5: "random" shuffles two steps of 1 and three of 2 freely, "pseudorandom" does not
    every = {
        tuple(int(e) for e in np.cumsum([0, *(1 if i in ones else 2 for i in range(4))]))
        for ones in combinations(range(5), 2)
    }
    expected = {"random": every, "pseudorandom": {e for e in every if is_pseudorandom(e, 8)}}
    assert len(expected["pseudorandom"]) < len(every) == 10
    for draw in DRAWS:
        assert expected[draw] == {
            tuple(graham(draw, (8,), (0,), (5,), False, np.random.default_rng(seed)).begin[0])
            for seed in range(300)
        }


def sequences(rng, shape, axes):
    """Ascending rows of numbers, and the cells of the regions between them, disjoint or not."""
    rows = [sorted(rng.sample(range(shape[axis] + 1), rng.randint(2, shape[axis] + 1)))
            for axis in axes]  # fmt: skip
    overlapping = rng.random() < 0.5
    cells = [
        [[c for c in range(a, b + overlapping) if c < shape[axis]] for a, b in pairwise(row)]
        for axis, row in zip(axes, rows, strict=True)
    ]
    return rows, overlapping, cells


def test_sequences_of_the_users_equal_the_oracle():
    for seed in range(CASES):
        rng = random.Random(seed)
        x, axes = array(rng, rng.choice([1, 2, 2, 3, 4]), side=6)
        before = x.tobytes()
        rows, overlapping, cells = sequences(rng, x.shape, axes)
        sums = boxes(x.shape, axes, cells)
        expected = winners(x, sums)
        given, words = as_asked(rng, x.ndim, axes, rows)
        words |= {"sequence": given, "overlapping": overlapping}
        y, at = ndpool.fractional_max_pool(x, **words, return_indices="tensor")
        assert same_bits(y, x.reshape(-1)[expected]), seed
        assert same_bits(at, expected), seed
        in_plane = ndpool.fractional_max_pool(x, **words, return_indices=True)[1]
        assert same_bits(in_plane, plane(expected, x.shape, axes)), seed
        assert same_bits(ndpool.fractional_max_pool(x, **words), y), seed
        dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(x.dtype)
        exact = oracle.max_pool_backward(dy, expected.reshape(-1), x.shape)
        out = {"output_size": [y.shape[axis] for axis in axes], "axes": axes}
        for form, indices in [("plane", in_plane), ("tensor", at)]:
            dx = ndpool.fractional_max_pool_backward(dy, indices, x.shape, **out, index_form=form)
            assert same_bits(dx, exact), seed
        layer = ndpool.FractionalMaxPool(**words)
        assert same_bits(layer(x), y)
        assert same_bits(layer.backward(dy), exact)
        assert x.tobytes() == before


def test_drawn_regions_equal_given_ones():
    for seed in range(CASES):
        rng = random.Random(seed)
        draw, overlapping = rng.choice(DRAWS), rng.random() < 0.5
        shape = (2, rng.randint(3, 12), rng.randint(3, 12))
        x = np.random.default_rng(seed).standard_normal(shape)
        ratio = rng.uniform(0.1, 0.8 if overlapping else 1)
        out = tuple(max(int(n * ratio), 1) for n in shape[1:])
        regions = graham(draw, shape, (1, 2), out, overlapping, np.random.default_rng(seed))
        rows = [edges_of(regions, number)[0] for number in (0, 1)]
        expected = ndpool.fractional_max_pool(x, sequence=rows, overlapping=overlapping)
        words = {"sequence": draw, "overlapping": overlapping, "rng": seed}
        assert np.array_equal(ndpool.fractional_max_pool(x, output_size=out, **words), expected)
        assert np.array_equal(ndpool.fractional_max_pool(x, output_ratio=ratio, **words), expected)


def test_tensorflow_example():
    """Its documentation's: 20 5 16 3 7 by 0, 2, 4, where 16 is used twice."""
    x = np.array([20, 5, 16, 3, 7])
    y = ndpool.fractional_max_pool(x, sequence=[[0, 2, 4]], overlapping=True)
    assert y.tolist() == [20, 16]
    # its last number is the length of the axis, whether or not the regions overlap
    y = ndpool.fractional_max_pool(x, sequence=[[0, 1, 3, 5]], overlapping=True)
    assert y.tolist() == [20, 16, 7]


def starts(n, k, out, u):
    """Where PyTorch's windows stand, one at a time, in u's precision."""
    number = type(u)
    found = []
    for i in range(out - 1):
        a = number(n - k) / number(out - 1)
        found.append(int((number(i) + u) * a) - int(u * a))
    return [*found, n - k]


def in_torchs_windows(x, axes, kernel, out, samples):
    """(y, tensor positions): the windows of each plane by plain loops, as boxes of one plane."""
    batch = [axis for axis in range(x.ndim) if axis not in axes]
    y_shape = list(x.shape)
    for axis, size in zip(axes, out, strict=True):
        y_shape[axis] = size
    at = np.zeros(y_shape, np.int64)
    every = np.arange(x.size).reshape(x.shape)
    for place in np.ndindex(*(x.shape[axis] for axis in batch)):
        here = [slice(None)] * x.ndim
        for axis, number in zip(batch, place, strict=True):
            here[axis] = number
        one = x[tuple(here)]
        cells = [
            [list(range(s, s + k)) for s in starts(n, k, o, u)]
            for n, k, o, u in zip(one.shape, kernel, out, samples[place], strict=True)
        ]
        sums = boxes(one.shape, tuple(range(one.ndim)), cells)
        at[tuple(here)] = every[tuple(here)].reshape(-1)[winners(one, sums)]
    return x.reshape(-1)[at], at


def test_torchs_windows_equal_the_oracle():
    for seed in range(CASES):
        rng = random.Random(seed)
        x, axes = array(rng, rng.choice([1, 2, 2, 3, 4]), side=6)
        before = x.tobytes()
        kernel = [rng.randint(1, x.shape[axis]) for axis in axes]
        out = [rng.randint(1, x.shape[a] - k + 1) for a, k in zip(axes, kernel, strict=True)]
        batch = [n for axis, n in enumerate(x.shape) if axis not in axes]
        dtype = rng.choice([np.float32, np.float64])
        samples = np.random.default_rng(seed).random((*batch, len(axes)), dtype)
        expected, cells = in_torchs_windows(x, axes, kernel, out, samples)
        words = {"output_size": out, "axes": axes, "samples": samples}
        y, at = ndpool.fractional_max_pool(x, kernel, **words, return_indices="tensor")
        assert same_bits(y, expected), seed
        assert same_bits(at, cells), seed
        in_plane = ndpool.fractional_max_pool(x, kernel, **words, return_indices="plane")[1]
        assert same_bits(in_plane, plane(cells, x.shape, axes)), seed
        dy = np.random.default_rng(seed).integers(0, 4, y.shape).astype(x.dtype)
        dx = ndpool.fractional_max_pool_backward(
            dy, in_plane, x.shape, kernel, output_size=out, axes=axes
        )
        assert same_bits(dx, oracle.max_pool_backward(dy, cells.reshape(-1), x.shape)), seed
        assert x.tobytes() == before


@pytest.mark.parametrize("d", [2, 3])
def test_random_cases_equal_torch(d):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pool = getattr(torch.nn.functional, f"fractional_max_pool{d}d")
    for seed in range(100):
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        dtype = rng.choice([np.float32, np.float64])
        kernel = tuple(rng.randint(1, 4) for _ in range(d))
        sizes = [rng.randint(k + 1, k + 9) for k in kernel]
        x = numbers.standard_normal((2, 3, *sizes)).astype(dtype)
        if rng.random() < 0.5:
            # (in 3-d it asks for one cell more than its windows need)
            most = [n - k + (d == 2) for n, k in zip(sizes, kernel, strict=True)]
            out = {"output_size": tuple(rng.randint(1, m) for m in most)}
        else:
            ratios = [rng.uniform(1 / n, (n - k) / n) for n, k in zip(sizes, kernel, strict=True)]
            out = {"output_ratio": tuple(ratios)}
        u = numbers.random((2, 3, d), dtype)
        # PyTorch has the last axis' numbers first in 2-d, and last in 3-d
        theirs_u = torch.from_numpy(np.ascontiguousarray(u[..., ::-1]) if d == 2 else u)
        tensor = torch.from_numpy(x).requires_grad_()
        theirs, theirs_at = pool(
            tensor, kernel, **out, return_indices=True, _random_samples=theirs_u
        )
        ours, at = ndpool.fractional_max_pool(x, kernel, **out, samples=u, return_indices=True)
        assert same_bits(ours, theirs.detach().numpy()), seed
        assert same_bits(at, theirs_at.numpy()), seed
        dy = numbers.integers(-4, 5, ours.shape).astype(dtype)
        theirs.backward(torch.from_numpy(dy))
        dx = ndpool.fractional_max_pool_backward(dy, at, x.shape, kernel, **out)
        assert same_bits(dx, tensor.grad.numpy() + dtype(0)), seed


def test_seeds_generators_and_layers():
    x = np.random.default_rng(0).standard_normal((3, 4, 30, 31))
    for words in ({"output_size": 20}, {"kernel_size": 2, "output_size": 20}):
        same = [ndpool.fractional_max_pool(x, **words, rng=7) for _ in range(2)]
        assert np.array_equal(*same)
        rng = np.random.default_rng(7)
        drawn = [ndpool.fractional_max_pool(x, **words, rng=rng) for _ in range(3)]
        assert np.array_equal(drawn[0], same[0])
        assert not np.array_equal(drawn[1], drawn[0])
        layer = ndpool.FractionalMaxPool(**words, rng=7)
        for y in drawn:
            assert np.array_equal(layer(x), y)
        dx = layer.backward(np.ones_like(y))
        assert dx.shape == x.shape
        assert dx.sum() == y.size
        assert np.array_equal(dx, layer.backward(np.ones_like(y)))
        again = eval(repr(layer), {"FractionalMaxPool": ndpool.FractionalMaxPool})
        assert np.array_equal(again(x), drawn[0])
        assert not np.array_equal(*(ndpool.fractional_max_pool(x, **words) for _ in range(2)))
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        ndpool.FractionalMaxPool(output_size=2).backward(x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_empty_batch_and_dtypes(dtype):
    for words in ({"output_size": (3, 4)}, {"kernel_size": 2, "output_size": (3, 4)}):
        layer = ndpool.FractionalMaxPool(**words, rng=0)
        for batch in (0, 2):
            x = np.ones((batch, 5, 7)).astype(dtype)
            y = layer(x)
            assert (y.shape, y.dtype) == ((batch, 3, 4), dtype)
            dx = layer.backward(y)
            assert (dx.shape, dx.dtype) == (x.shape, dtype)


def test_the_first_nan_wins():
    x = np.array([1, np.nan, 5, np.nan])
    for words in ({"sequence": [[0, 4]]}, {"kernel_size": (4,), "output_size": (1,)}):
        y, at = ndpool.fractional_max_pool(x, **words, return_indices=True)
        assert np.isnan(y).all()
        assert at.tolist() == [1]


X = np.random.default_rng(0).standard_normal((1, 2, 5, 6))
BAD = [
    ("output_size", {}), ("output_size", {"output_size": 2, "output_ratio": 0.5}),
    ("output_size", {"output_size": 6}), ("output_size", {"output_size": 0}),
    ("output_size", {"output_size": 5, "overlapping": True}),
    ("output_size", {"output_size": 2.0}), ("output_size", {"output_size": "2"}),
    ("output_size", {"output_size": 5, "kernel_size": 2}),
    ("output_size", {"output_size": (2, 2, 2), "axes": (2, 3)}),
    ("output_size", {"output_size": 2**70}), ("output_size", {"output_size": (1,) * 5}),
    ("output_ratio", {"output_ratio": 0}), ("output_ratio", {"output_ratio": 1.5}),
    ("output_ratio", {"output_ratio": float("nan")}), ("output_ratio", {"output_ratio": "half"}),
    ("output_ratio", {"output_ratio": (0.5, True)}), ("output_ratio", {"output_ratio": 1j}),
    ("output_ratio", {"output_ratio": (0.5,), "axes": (2, 3)}),
    ("output_ratio", {"output_ratio": 0.9, "kernel_size": 3}),
    ("kernel_size", {"kernel_size": 0, "output_size": 2}),
    ("kernel_size", {"kernel_size": 2.0, "output_size": 2}),
    ("kernel_size", {"kernel_size": "2", "output_size": 2}),
    ("kernel_size", {"kernel_size": (2, 2, 2), "output_size": (2, 2)}),
    ("output_size", {"kernel_size": (7, 2), "output_size": 1}),
    ("sequence", {"sequence": "chance", "output_size": 2}),
    ("sequence", {"sequence": 3, "output_size": 2}),
    ("sequence", {"sequence": [[0, 2], 3]}), ("sequence", {"sequence": [[0, 2], [0.0, 2]]}),
    ("sequence", {"sequence": [[0, 2], [0]]}), ("sequence", {"sequence": [[0, 2], [2, 2]]}),
    ("sequence", {"sequence": [[0, 2], [-1, 2]]}), ("sequence", {"sequence": [[0, 6], [0, 2]]}),
    ("sequence", {"sequence": [[0, 2]], "axes": (2, 3)}),
    ("sequence", {"sequence": [[0, 2]] * 5}),
    ("sequence", {"sequence": "random", "kernel_size": 2, "output_size": 2}),
    ("output_size", {"sequence": [[0, 2], [0, 2]], "output_size": 1}),
    ("output_ratio", {"sequence": [[0, 2], [0, 2]], "output_ratio": 0.5}),
    ("overlapping", {"overlapping": 1, "output_size": 2}),
    ("overlapping", {"overlapping": True, "output_size": 2, "kernel_size": 2}),
    ("samples", {"samples": [0.5, 0.5], "output_size": 2}),
    ("samples", {"samples": [0.5, 1.0], "output_size": 2, "kernel_size": 2}),
    ("samples", {"samples": [0.5, np.nan], "output_size": 2, "kernel_size": 2}),
    ("samples", {"samples": [0.5] * 3, "output_size": 2, "kernel_size": 2}),
    ("samples", {"samples": [0, 0], "output_size": 2, "kernel_size": 2}),
    ("samples", {"samples": "u", "output_size": 2, "kernel_size": 2}),
    ("rng", {"rng": "seed", "output_size": 2}), ("rng", {"rng": -1, "output_size": 2}),
    ("rng", {"rng": 1.5, "kernel_size": 2, "output_size": 2}),
    ("return_indices", {"return_indices": "window", "output_size": 2}),
    ("return_indices", {"return_indices": 1, "output_size": 2}),
    *[("axes", {"axes": junk, "output_size": 2}) for junk in GEOMETRY["axes"]],
]  # fmt: skip


@pytest.mark.parametrize(("name", "words"), BAD)
def test_bad_words(name, words):
    assert refusal(ndpool.fractional_max_pool, X, **words).startswith(f"{name}: ")
    if "return_indices" not in words:
        made = lambda: ndpool.FractionalMaxPool(**words).forward(X)  # noqa: E731
        assert refusal(made).startswith(f"{name}: ")


def test_bad_arrays():
    for junk in NO_ARRAYS:
        assert refusal(ndpool.fractional_max_pool, junk, output_size=2).startswith("x: ")
    for words in ({"output_size": 2}, {"kernel_size": 1, "output_size": 2}):
        assert "pooled axis 1" in refusal(ndpool.fractional_max_pool, np.ones((3, 0, 4)), **words)
        y, at = ndpool.fractional_max_pool(X, **words, return_indices=True)
        backward = ndpool.fractional_max_pool_backward
        assert refusal(backward, y[0], at, X.shape, **words).startswith("dy: ")
        assert refusal(backward, y, at[0], X.shape, **words).startswith("indices: ")
        assert refusal(backward, y, at.astype(np.int32), X.shape, **words).startswith("indices: ")
        form = {"index_form": "window"}
        assert refusal(backward, y, at, X.shape, **words, **form).startswith("index_form: ")
        for bad in (-1, 30, 2**62):
            at[0, 1, 1, 0] = bad
            assert f"{bad} at (0, 1, 1, 0)" in refusal(backward, y, at, X.shape, **words)
