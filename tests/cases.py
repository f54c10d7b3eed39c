"""Random poolings for the tests: every dtype, layout, kind of value and geometry, from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np
import oracle
import pytest

from ndpool.engines import native

NO_NATIVE = f"native engine: {native.missing}"
needs_native = pytest.mark.skipif(bool(native.missing), reason=NO_NATIVE)
ENGINES = ["numpy", pytest.param("native", marks=needs_native)]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
INTEGERS = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)]
BIG_ENDIAN = [np.dtype(name) for name in (">i2", ">u4", ">i8", ">f2", ">f4", ">f8")]
DTYPES = [np.dtype(bool), *INTEGERS, *FLOATS]

LAYOUTS = ["C", "F", "transposed", "reversed", "gaps", "broadcast", "read-only", "misaligned"]
REGIMES = ["random", "ties", "nan", "infinite", "lowest", "zeros", "extreme"]


def is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind not in "biu"


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in shape, dtype and every bit; any NaN of a 2-byte float equals any other."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.tobytes() == b.tobytes():
        return True
    if a.dtype.itemsize != 2 or not is_float(a.dtype):
        return False
    plain = [np.where(v != v, np.float32(0), v.astype(np.float32)) for v in (a, b)]
    return bool(np.array_equal(a != a, b != b)) and plain[0].tobytes() == plain[1].tobytes()


def index_dtype(cells: int) -> np.dtype[Any]:
    """The smallest unsigned dtype that holds 0 ... cells - 1."""
    for dtype in (np.uint8, np.uint16, np.uint32):
        if cells <= 2 ** (8 * np.dtype(dtype).itemsize):
            return np.dtype(dtype)
    return np.dtype(np.uint64)


def values(rng: np.random.Generator, regime: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A C-contiguous array. A regime that the dtype does not know becomes "ties"."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.zeros(shape, bool) if regime == "lowest" else rng.integers(0, 2, shape) > 0
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if regime == "random":
            return rng.integers(
                info.min, info.max, shape, endpoint=True, dtype=_native(dtype)
            ).astype(dtype)
        if regime == "lowest":
            return np.full(shape, info.min, dtype)
        if regime == "extreme":  # neighbours that float64 cannot tell apart
            high = info.max - rng.integers(0, 3, shape, dtype=_native(dtype))
            return np.where(rng.random(shape) < 0.3, info.min, high).astype(dtype)
        return rng.integers(0, 3, shape).astype(dtype)
    if regime == "lowest":
        return np.full(shape, -np.inf).astype(dtype)
    if regime == "zeros":
        return rng.choice(np.array([0.0, -0.0, -1.0]), shape).astype(dtype)
    if regime == "infinite":
        return rng.choice(np.array([np.inf, -np.inf, 0.0, -2.0]), shape).astype(dtype)
    if regime == "extreme":  # the largest, the smallest, and the denormal between
        info = ml_dtypes.finfo(dtype) if dtype == BFLOAT16 else np.finfo(dtype)
        some = [info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
        return rng.choice(np.array(some).astype(dtype), shape)
    if regime == "ties":
        return rng.integers(-1, 2, shape).astype(dtype)
    x = rng.standard_normal(shape).astype(dtype)
    if regime == "nan":
        nans = np.full(shape, np.nan).astype(dtype)
        if dtype.itemsize > 2:  # each NaN another one
            bits = nans.view(dtype.str.replace("f", "u"))
            bits |= rng.integers(0, 2**20, shape, dtype=np.uint32).astype(bits.dtype)
            bits ^= (rng.integers(0, 2, shape, dtype=np.uint64) << (8 * dtype.itemsize - 1)).astype(
                bits.dtype
            )
        share = rng.choice([0.1, 0.5, 1.0])
        x = np.where(rng.random(shape) < share, nans, x)
    return x


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("=")


def laid_out(x: np.ndarray, layout: str, rng: random.Random) -> np.ndarray:
    """The same values under other strides; "broadcast" repeats the first slice of one axis."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "transposed":
        order = rng.sample(range(x.ndim), x.ndim)
        return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    if layout == "reversed":
        flip = tuple(slice(None, None, rng.choice([1, -1])) for _ in x.shape)
        return np.ascontiguousarray(x[flip])[flip]
    if layout == "gaps":
        steps = [rng.choice([1, 2, 3]) for _ in x.shape]
        wide = np.ones([n * step for n, step in zip(x.shape, steps, strict=True)], x.dtype)
        view = wide[tuple(slice(None, None, step) for step in steps)]
        view[...] = x
        return view
    if layout == "broadcast":
        axis = rng.randrange(x.ndim)
        return np.broadcast_to(x[(slice(None),) * axis + (slice(0, 1),)], x.shape)
    if layout == "misaligned":
        return np.frombuffer(b"?" + x.tobytes(), x.dtype, offset=1).reshape(x.shape)
    x = np.array(x)
    x.flags.writeable = layout != "read-only"
    return x


@dataclass(frozen=True)
class Case:
    """A pooling in full (per-axis tuples ascending with `axes`), and one way to ask for it."""

    seed: int
    x: np.ndarray
    axes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    ceil_mode: bool
    words: dict[str, Any]
    about: str

    @cached_property
    def expected(self) -> oracle.Pooled:
        return oracle.max_pool(
            self.x, self.axes, self.kernel, self.stride, self.dilation, self.pads, self.ceil_mode
        )

    @property
    def is_possible(self) -> bool:
        """Whether the oracle can do it."""
        try:
            return self.expected is not None
        except oracle.Impossible:
            return False

    @property
    def plane_cells(self) -> np.ndarray:
        """The winners' positions over the pooled axes alone."""
        shape = self.x.shape
        at = np.unravel_index(np.array(self.expected.cells, np.int64), shape)
        pooled = [at[axis] for axis in self.axes]
        flat = np.ravel_multi_index(pooled, [shape[axis] for axis in self.axes])
        return flat.reshape(self.expected.y.shape).astype(np.int64)

    @property
    def tensor_cells(self) -> np.ndarray:
        return np.array(self.expected.cells, np.int64).reshape(self.expected.y.shape)

    def __repr__(self) -> str:
        return f"random_case({self.seed}): {self.x.dtype} {self.x.shape} {self.about} {self.words}"


_LARGEST_SIDE = {1: 14, 2: 8, 3: 5, 4: 4}
_LARGEST_KERNEL = {1: 9, 2: 5, 3: 4, 4: 3}


def random_case(seed: int) -> Case:
    """The case of this seed, possible or not."""
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    d, batch = rng.choice([1, 2, 2, 3, 4]), rng.randrange(4)
    axes = tuple(sorted(rng.sample(range(d + batch), d)))
    shape = [rng.choice([1, 1, 2, 3]) for _ in range(d + batch)]
    if batch and rng.random() < 0.02:
        shape = [0] * (d + batch)
    kernel, stride, dilation, pads = [], [], [], []
    for axis in axes:
        shape[axis] = n = rng.randint(1, _LARGEST_SIDE[d])
        k = rng.randint(1, min(_LARGEST_KERNEL[d], 2 * n))
        dil = rng.choice([1, 1, 1, 2, 3])
        reach = min(dil * (k - 1), n) + (rng.random() < 0.04)  # sometimes too far
        pad = (rng.randint(0, reach), rng.randint(0, reach)) if rng.random() < 0.7 else (0, 0)
        if rng.random() < 0.96:  # otherwise the window may be too long
            dil = min(dil, max((n + sum(pad) - 1) // max(k - 1, 1), 1))
            k = min(k, (n + sum(pad) - 1) // dil + 1)
        kernel.append(k)
        stride.append(rng.choice([k, 1, 1, 2, 2, 3, 4]))
        dilation.append(dil)
        pads.append(pad)
    ceil_mode = rng.random() < 0.3
    dtype = rng.choice(BIG_ENDIAN if rng.random() < 0.1 else DTYPES)
    regime, layout = rng.choice(REGIMES), rng.choice(LAYOUTS)
    x = laid_out(values(array_rng, regime, tuple(shape), dtype), layout, rng)
    return Case(
        seed, x, axes, tuple(kernel), tuple(stride), tuple(dilation), tuple(pads), ceil_mode,
        _words(rng, x.ndim, axes, kernel, stride, dilation, pads, ceil_mode), f"{regime} {layout}",
    )  # fmt: skip


def _words(rng, ndim, axes, kernel, stride, dilation, pads, ceil_mode) -> dict[str, Any]:
    """The arguments in one of the ways they may be written."""

    def written(items):
        if len(set(items)) == 1 and rng.random() < 0.7 and not isinstance(items[0], tuple):
            return items[0]
        return rng.choice([tuple, list])(items)

    d = len(axes)
    is_last = axes == tuple(range(ndim - d, ndim))
    words = {}
    if is_last and rng.random() < 0.8:
        words["kernel_size"] = written(kernel) if d == 2 else tuple(kernel)
    else:
        order = rng.sample(range(d), d)
        axes, kernel, stride, dilation, pads = (
            [items[i] for i in order] for items in (axes, kernel, stride, dilation, pads)
        )
        words["axes"] = written([axis - ndim * (rng.random() < 0.3) for axis in axes])
        words["kernel_size"] = written(kernel)
    if stride != kernel or rng.random() < 0.5:
        words["stride"] = written(stride)
    if set(dilation) != {1} or rng.random() < 0.2:
        words["dilation"] = written(dilation)
    if all(before == after for before, after in pads):
        if any(before for before, _ in pads) or rng.random() < 0.3:
            words["padding"] = written([before for before, _ in pads])
    else:
        words["padding"] = written(pads)
    if ceil_mode or rng.random() < 0.1:
        words["ceil_mode"] = ceil_mode
    return words
