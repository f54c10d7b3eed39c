"""Max unpooling against plain loops, ONNX's node cases and PyTorch."""

import random
import re

import numpy as np
import oracle
import pytest
from cases import DTYPES, LAYOUTS, laid_out, same_bits, values
from kind_cases import cases
from onnx_cases import node_cases, words
from test_bad_input import GEOMETRY, NO_ARRAYS, X_SHAPES, refusal

import ndpool

X = np.arange(50, dtype=np.float32).reshape(1, 2, 5, 5)
Y, INDICES = ndpool.max_pool(X, 3, stride=2, padding=1, return_indices=True)


def put(y, cells, x_shape):
    """Every value at its cell, the last one stays; and the number of the window it came from."""
    x, from_window = np.zeros(int(np.prod(x_shape)), y.dtype), {}
    for number, cell in enumerate(cells):
        x[cell] = y.reshape(-1)[number]
        from_window[cell] = number
    return x.reshape(x_shape), from_window


def test_random_cases_equal_the_oracle():
    repeats = 0
    for case, _ in cases():
        rng = random.Random(case.seed)
        cells, shape = case.expected.cells, case.x.shape
        y = values(np.random.default_rng(case.seed), rng.choice(["random", "nan", "zeros"]),
                   case.expected.y.shape, case.x.dtype)  # fmt: skip
        y = laid_out(y, rng.choice([layout for layout in LAYOUTS if layout != "broadcast"]), rng)
        form = rng.choice(["window", "plane", "tensor"])
        at = ndpool.max_pool(case.x, **case.words, return_indices=form)[1]
        before = y.tobytes(), at.tobytes()
        call = {**case.words, "index_form": form}
        expected, from_window = put(y, cells, shape)
        assert same_bits(ndpool.max_unpool(y, at, shape, **call, repeated="last"), expected), case
        if len(from_window) == len(cells):
            assert same_bits(ndpool.max_unpool(y, at, shape, **call), expected), case
        else:
            repeats += 1
            with pytest.raises(ndpool.PoolError, match=r"^indices: expected each cell at most onc"):
                ndpool.max_unpool(y, at, shape, **call)
        total = ndpool.max_unpool(y, at, shape, **call, repeated="sum")
        exact = oracle.max_pool_backward(y, cells, shape)  # the sum of two NaNs is either of them
        assert same_bits(total[total == total], exact[exact == exact]), case
        assert np.array_equal(total != total, exact != exact), case

        dy = values(np.random.default_rng(case.seed), "random", shape, case.x.dtype)
        taken = dy.reshape(-1)[cells].reshape(y.shape)
        for policy in ("error", "sum"):
            back = ndpool.max_unpool_backward(dy, at, **call, repeated=policy)
            assert same_bits(back, taken), case
        is_last = [from_window[cell] == number for number, cell in enumerate(cells)]
        taken[~np.array(is_last, bool).reshape(y.shape)] = 0
        back = ndpool.max_unpool_backward(dy, at, **call, repeated="last")
        assert same_bits(back, taken), case
        assert (y.tobytes(), at.tobytes()) == before
    assert 50 < repeats < len(cases()) - 50


def test_the_repeated_cell_is_named():
    x = np.array([[0, 1, 9, 1, 0, 1]])
    y, at = ndpool.max_pool(x, (3,), stride=1, return_indices=True)
    with pytest.raises(ndpool.PoolError, match=r"^indices: .+ got cell \(0, 2\) 3 times; .+'sum'"):
        ndpool.max_unpool(y, at, x.shape, (3,), stride=1)


def test_it_is_adjoint():
    """(A y) . dx == y . (A^T dx), exactly."""
    for case, _ in cases():
        rng = np.random.default_rng(case.seed)
        at = ndpool.max_pool(case.x, **case.words, return_indices=True)[1]
        y, dx = rng.integers(-9, 10, at.shape), rng.integers(-9, 10, case.x.shape)
        for policy in ("sum", "last"):
            x = ndpool.max_unpool(y, at, case.x.shape, **case.words, repeated=policy)
            dy = ndpool.max_unpool_backward(dx, at, **case.words, repeated=policy)
            assert (x * dx).sum() == (y * dy).sum(), case


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_pooling_undone_and_pooled_again(dtype):
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 6)).astype(dtype)
    y, at = ndpool.max_pool(x, 2, return_indices=True)
    back = ndpool.max_unpool(y, at, x.shape, 2)
    assert back.dtype == dtype
    assert np.array_equal(ndpool.max_pool(back, 2), y)
    assert np.array_equal(back, np.where(back == 0, back, x))


@pytest.mark.parametrize("shape", [(7,), (6, 7), (2, 5, 6), (2, 3, 4, 5)])
def test_every_dimension_and_any_axes(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    for axis in range(len(shape)):
        y, at = ndpool.max_pool(x, 2, axes=axis, return_indices=True)
        back = ndpool.max_unpool(y, at, shape, 2, axes=axis)
        moved = ndpool.max_unpool(
            np.moveaxis(y, axis, -1), np.moveaxis(at, axis, -1),
            np.moveaxis(x, axis, -1).shape, (2,),
        )  # fmt: skip
        assert np.array_equal(back, np.moveaxis(moved, -1, axis))


def test_empty_batch():
    x = np.zeros((0, 2, 5, 5), np.float32)
    for size in (2, 5):
        y, at = ndpool.max_pool(x, size, stride=1, return_indices=True)
        for policy in ("error", "sum", "last"):
            layer = ndpool.MaxUnpool(size, stride=1, repeated=policy)
            assert layer(y, at, x.shape).shape == x.shape
            assert layer.backward(x).shape == y.shape


def test_layer():
    layer = ndpool.MaxUnpool(3, stride=2, padding=1)
    with pytest.raises(ndpool.PoolError, match=r"^backward: expected a forward call"):
        layer.backward(X)
    x = layer(Y, INDICES, X.shape)
    assert np.array_equal(x, np.where(np.isin(X, Y), X, 0))
    assert np.array_equal(layer.backward(X), Y)
    again = eval(repr(layer), {"MaxUnpool": ndpool.MaxUnpool})
    assert np.array_equal(again(Y, INDICES, X.shape), x)


def forward(y=Y, indices=INDICES, x_shape=X.shape, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.max_unpool(
        y, indices, x_shape, kernel_size, stride=stride, padding=padding, **words
    )


def backward(dy=X, indices=INDICES, kernel_size=3, stride=2, padding=1, **words):
    return ndpool.max_unpool_backward(
        dy, indices, kernel_size, stride=stride, padding=padding, **words
    )


@pytest.mark.parametrize("name", GEOMETRY)
def test_bad_geometry(name):
    for value in GEOMETRY[name]:
        for call in (forward, backward):
            if name != "kernel_size" or not isinstance(value, type(iter([]))):
                assert refusal(call, **{name: value}).startswith(f"{name}: ")


def test_bad_arrays():
    for junk in NO_ARRAYS:
        assert refusal(forward, junk).startswith("y: ")
        assert refusal(backward, np.array(1 + 2j) if junk is None else junk).startswith("dy: ")
    for call in (forward, backward):
        for junk in (INDICES[0], INDICES.astype(float), INDICES.astype("i8"), None, "text"):
            assert refusal(call, indices=junk).startswith("indices: ")
        assert "9 at (0, 0, 0, 0)" in refusal(call, indices=np.full_like(INDICES, 9))
        for junk in ("first", "", None, 1, ("sum",), np.array(["sum"] * 2)):
            assert refusal(call, repeated=junk).startswith("repeated: expected 'error', 'sum' or ")
        assert refusal(call, index_form="flat").startswith("index_form: ")
        with pytest.raises(TypeError, match="strides"):
            call(strides=2)
    for junk in X_SHAPES:
        assert re.match("x_shape: |kernel_size: |y: |indices: ", refusal(forward, x_shape=junk))
    assert refusal(forward, Y[0]) == "y: expected shape (1, 2, 3, 3), got shape (2, 3, 3)"


def test_onnx():
    """With `output_shape` ONNX's indices still are positions in the default shape."""
    cases = node_cases("MaxUnpool")
    assert len(cases) >= 2
    for name, (attributes, (y, at, *asked), (expected,)) in cases.items():
        call = words(**attributes)
        k, s = call["kernel_size"], call["stride"]
        sizes = [(n - 1) * step + span for n, step, span in zip(y.shape[2:], s, k, strict=True)]
        x = ndpool.max_unpool(y, at, (*y.shape[:2], *sizes), **call, index_form="tensor")
        for output_shape in asked:
            x = np.pad(x, [(0, n - m) for n, m in zip(output_shape, x.shape, strict=True)])
        assert same_bits(x, expected), name


def test_random_cases_equal_torch():
    """Whatever pooling PyTorch has, of any size in: its `output_size` is the end of x_shape."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from test_torch import torch_case

    checked = {1: 0, 2: 0, 3: 0}
    for case in filter(None, map(torch_case, range(600))):
        x, d, geometry = case
        if set(geometry["dilation"]) != {1}:
            continue
        y, at = ndpool.max_pool(x, **geometry, return_indices="plane")
        y = np.random.default_rng(0).standard_normal(y.shape)
        layer = getattr(torch.nn, f"MaxUnpool{d}d")(
            geometry["kernel_size"], geometry["stride"], geometry["padding"]
        )
        theirs_y = torch.from_numpy(y).requires_grad_()
        try:
            theirs = layer(theirs_y, torch.from_numpy(at), output_size=x.shape)
        except (ValueError, RuntimeError) as error:  # it allows less than a stride of difference
            assert "output_size" in str(error)
            continue
        if any(len(set(plane)) < len(plane) for plane in at.reshape(x.shape[0] * x.shape[1], -1)):
            continue  # theirs is any of the repeated
        ours = ndpool.max_unpool(y, at, x.shape, **geometry, index_form="plane")
        assert np.array_equal(ours, theirs.detach().numpy()), geometry
        dx = np.random.default_rng(1).standard_normal(x.shape)
        theirs.backward(torch.from_numpy(dx))
        dy = ndpool.max_unpool_backward(dx, at, **geometry, index_form="plane")
        assert np.array_equal(dy, theirs_y.grad.numpy()), geometry
        checked[d] += 1
    assert min(checked.values()) > 4, checked
