"""Equal to PyTorch wherever PyTorch can do the case: values, positions, gradients."""

import random

import numpy as np
import oracle
import pytest
from cases import values

import ndpool

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CASES = 540
TORCH_POOL = {d: getattr(torch.nn.functional, f"max_pool{d}d") for d in (1, 2, 3)}


def torch_case(seed):
    """(x, d, words) of a pooling that PyTorch can do: padding up to half the kernel.

    None where a window lies wholly in padding: PyTorch makes up a winner there, ndpool refuses.
    """
    rng = random.Random(seed)
    d = rng.choice([1, 2, 2, 3])
    kernel = [rng.randint(1, 5) for _ in range(d)]
    dilation = [rng.choice([1, 1, 2, 3]) for _ in range(d)]
    padding = [rng.randint(0, k // 2) for k in kernel]
    stride = [rng.randint(1, 4) for _ in range(d)]
    ceil_mode = rng.random() < 0.5
    shape = [rng.randint(1, 3), rng.randint(1, 3)]
    for k, s, dil, pad in zip(kernel, stride, dilation, padding, strict=True):
        # in ceil mode a first window may already hang over the end
        least = dil * (k - 1) + 1 - 2 * pad - (s - 1 if ceil_mode else 0)
        shape.append(max(least, 1) + rng.randint(0, 6))
    axes = tuple(range(2, 2 + d))
    try:
        oracle.all_windows(
            shape, axes, kernel, stride, dilation, [(p, p) for p in padding], ceil_mode
        )
    except oracle.Impossible as error:
        assert "wholly in padding" in str(error)
        return None
    regime = rng.choice(["random", "random", "ties", "nan", "infinite", "lowest"])
    dtype = rng.choice([np.float32, np.float64])
    x = values(np.random.default_rng(seed), regime, tuple(shape), dtype)
    words = {"kernel_size": tuple(kernel), "stride": tuple(stride), "padding": tuple(padding),
             "dilation": tuple(dilation), "ceil_mode": ceil_mode}  # fmt: skip
    return x, d, words


def test_random_cases_equal_torch(engine):
    checked = {1: 0, 2: 0, 3: 0}
    for seed, case in enumerate(filter(None, map(torch_case, range(CASES)))):
        x, d, words = case
        ours, ours_at = ndpool.max_pool(x, **words, return_indices="plane", engine=engine)
        theirs, theirs_at = torch_forward(x, d, words)
        about = (seed, x.shape, words)
        assert ours.dtype == theirs.dtype, about
        assert np.array_equal(ours, theirs, equal_nan=True), about
        assert ours_at.dtype == theirs_at.dtype == np.int64, about
        # PyTorch takes the last NaN of a window, ndpool the first
        assert np.array_equal(ours_at[ours == ours], theirs_at[ours == ours]), about

        # an exact gradient, and none where a NaN won
        dy = np.random.default_rng(seed).integers(-3, 4, ours.shape).astype(x.dtype)
        dy[ours != ours] = 0
        dx = ndpool.max_pool_backward(
            dy, ours_at, x.shape, **words, index_form="plane", engine=engine
        )
        assert np.array_equal(dx, torch_gradient(x, d, words, dy)), about
        checked[d] += 1
    assert min(checked.values()) > 90
    assert sum(checked.values()) > 500


def torch_forward(x, d, words):
    y, at = TORCH_POOL[d](torch.from_numpy(x), **words, return_indices=True)
    return y.numpy(), at.numpy()


def torch_gradient(x, d, words, dy):
    x = torch.from_numpy(x).requires_grad_()
    TORCH_POOL[d](x, **words, return_indices=True)[0].backward(torch.from_numpy(dy))
    return x.grad.numpy()


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("kernel", range(1, 6))
def test_ceil_mode_sizes(size, kernel):
    """Every size that PyTorch gives, and a refusal where it gives none."""
    x = np.arange(size, dtype=np.float32)[None, None]
    for stride in range(1, 6):
        for padding in range(kernel // 2 + 1):
            words = {"kernel_size": (kernel,), "stride": stride, "padding": padding}
            for ceil_mode in (False, True):
                try:
                    theirs = torch_forward(x, 1, words | {"ceil_mode": ceil_mode})[0]
                except RuntimeError:
                    with pytest.raises(ndpool.PoolError, match=r"^kernel_size: "):
                        ndpool.max_pool(x, **words, ceil_mode=ceil_mode)
                else:
                    ours = ndpool.max_pool(x, **words, ceil_mode=ceil_mode)
                    assert np.array_equal(ours, theirs), (words, ceil_mode)


def test_gradient_of_nan_free_integers():
    """PyTorch pools integers too."""
    x = np.random.default_rng(0).integers(-3, 4, (2, 3, 9, 9))
    y, at = ndpool.max_pool(x, 3, stride=2, padding=1, return_indices="plane")
    theirs, theirs_at = torch_forward(x, 2, {"kernel_size": 3, "stride": 2, "padding": 1})
    assert np.array_equal(y, theirs)
    assert np.array_equal(at, theirs_at)
