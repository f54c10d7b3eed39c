"""Fractional max pooling: windows so placed that the input shrinks by a fraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import any_array, as_array
from ..choices import one_of
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Size, per_axis, plain, plain_shape
from ..indices import to_positions
from .by_name import NamedLayer
from .pooled import Positions, asked_positions, pooled_max, pooled_max_backward
from .regions import OutputSize, Regions, ascending, asked_axes, asked_sizes, is_row
from .sequences import Draw, given, graham
from .shifted import max_in_shifted
from .words import Seed, finite, flag, generator, pooling

Array = NDArray[Any]
Ratio = float | Sequence[float]
Drawn = Draw | Sequence[Sequence[SupportsIndex]]


@overload
def fractional_max_pool(
    x: ArrayLike,
    kernel_size: Size | None = ...,
    *,
    output_size: OutputSize | None = ...,
    output_ratio: Ratio | None = ...,
    sequence: Drawn | None = ...,
    overlapping: bool = ...,
    samples: ArrayLike | None = ...,
    rng: Seed = ...,
    axes: Size | None = ...,
    return_indices: Literal[False] = ...,
) -> Array: ...


@overload
def fractional_max_pool(
    x: ArrayLike,
    kernel_size: Size | None = ...,
    *,
    output_size: OutputSize | None = ...,
    output_ratio: Ratio | None = ...,
    sequence: Drawn | None = ...,
    overlapping: bool = ...,
    samples: ArrayLike | None = ...,
    rng: Seed = ...,
    axes: Size | None = ...,
    return_indices: Literal[True] | Positions,
) -> tuple[Array, Array]: ...


@pooling
def fractional_max_pool(
    x: ArrayLike,
    kernel_size: Size | None = None,
    *,
    output_size: OutputSize | None = None,
    output_ratio: Ratio | None = None,
    sequence: Drawn | None = None,
    overlapping: bool = False,
    samples: ArrayLike | None = None,
    rng: Seed = None,
    axes: Size | None = None,
    return_indices: bool | Positions = False,
) -> Array | tuple[Array, Array]:
    """The maximum of each of `output_size` regions whose sizes and places are drawn by chance.

    >>> import numpy as np, ndpool
    >>> x = np.array([3, 1, 4, 1, 5])
    >>> ndpool.fractional_max_pool(x, output_size=(3,), rng=0)
    array([3, 4, 5])
    >>> ndpool.fractional_max_pool(x, sequence=[[0, 2, 3, 5]], return_indices=True)
    (array([3, 4, 5]), array([0, 2, 4]))
    >>> ndpool.fractional_max_pool(x, (2,), output_size=(3,), samples=[0.5])
    array([3, 4, 5])

    Without `kernel_size` the regions are Graham's: an ascending sequence is drawn for each axis,
    and a region goes from each of its numbers to the next. With it they are PyTorch's: windows of
    that size, placed in each plane by a number of its own.

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        kernel_size: None, or the size of PyTorch's windows along each pooled axis.
        output_size: The output's size, as in `adaptive_max_pool`; at most the input's.
        output_ratio: Instead of it: the output's size over the input's, above 0 and at most 1, a
            number or one for each pooled axis; rounded down, to 1 at the least.
        sequence: How Graham's sequences are drawn: "pseudorandom", by ``ceil(a * (i + u))`` with
            one u for an axis, which is the default; "random", the steps between its numbers
            shuffled; or the sequences themselves, one for each pooled axis, which say the
            output's size, too.
        overlapping: Whether one of Graham's regions has the next one's first cell, too.
        samples: Numbers u from 0 to below 1 for PyTorch's windows, (batch axes, pooled axes in
            their order in the array) or what broadcasts to that; float32 ones are worked with in
            float32. None draws them from `rng`.
        rng: Where chance comes from: a seed, a `numpy.random.Generator`, or None for a new one.
        axes: The axes to pool, instead of the last ones; all others are batch.
        return_indices: True or "plane", or "tensor": int64 positions of the winners as in
            `ndpool.max_pool`.

    Returns:
        y of x's dtype, or with `return_indices` the pair ``(y, indices)``. Ties and NaN are as in
        `ndpool.max_pool`.

    {errors}

    Source: Graham, "Fractional max-pooling", arXiv:1412.6071, 2014. His sequences go from 1 to n;
    the last cell is then in no disjoint region. Here they go on to behind it, as TensorFlow's do,
    except for overlapping regions, to which the last cell belongs anyway. TensorFlow draws those
    like the others, too: pass the sequences that it returns. ``torch.nn.FractionalMaxPool2d``
    has its ``_random_samples`` for the last axis first, its 3-d form for the first axis first.
    """
    x = as_array("x", x)
    overlaps = flag("overlapping", overlapping)
    asked = asked_positions(return_indices)
    if kernel_size is not None:
        for name, value in (("sequence", sequence), ("overlapping", overlaps or None)):
            if value is not None:
                raise PoolError(name, "none beside kernel_size", shown(value))
        pooled, out, kernel = _sizes(x.shape, kernel_size, output_size, output_ratio, axes)
        y, at = max_in_shifted(x, pooled, out, kernel, _samples(samples, x.shape, pooled, rng))
        return y if asked is None else (y, _in_form(at, _anywhere(x.shape, pooled, out), asked))
    if samples is not None:
        raise PoolError("samples", "none without kernel_size", shown(samples))
    regions = _regions(x.shape, output_size, output_ratio, sequence, overlaps, axes, rng)
    found: Array | tuple[Array, Array] = pooled_max(x, regions, asked or False)
    return found


@pooling
def fractional_max_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size | None = None,
    *,
    output_size: OutputSize | None = None,
    output_ratio: Ratio | None = None,
    axes: Size | None = None,
    index_form: Positions = "plane",
) -> Array:
    """The gradient of `fractional_max_pool`: each `dy` goes to the cell that won its region.

    >>> import numpy as np, ndpool
    >>> x = np.array([3, 1, 4, 1, 5])
    >>> y, indices = ndpool.fractional_max_pool(x, output_size=(3,), rng=0, return_indices=True)
    >>> ndpool.fractional_max_pool_backward([1, 2, 3], indices, x.shape, output_size=(3,))
    array([1, 0, 2, 0, 3])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them, which need not be told where the
            regions stood. Not modified.
        x_shape: Shape of the forward call's input.
        kernel_size, output_size, output_ratio, axes: As in the forward call; for one with
            sequences of its own, the output's size.
        index_form: The form of `indices`: "plane" or "tensor".

    Returns:
        dx of shape `x_shape` and dy's dtype, summed as by `ndpool.max_pool_backward`.

    {errors}

    Source: see `ndpool.max_pool_backward`.
    """
    dy, shape = as_array("dy", dy), plain_shape("x_shape", x_shape)
    pooled, out, _ = _sizes(shape, kernel_size, output_size, output_ratio, axes)
    form = one_of(Positions, "index_form", index_form)
    return pooled_max_backward(dy, indices, _anywhere(shape, pooled, out), form)


class FractionalMaxPool(NamedLayer):
    """Fractional max pooling with its backward pass; see `ndpool.fractional_max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.FractionalMaxPool(output_ratio=(0.6,), rng=0)
    >>> layer.forward(np.array([3, 1, 4, 1, 5]))
    array([3, 4, 5])
    >>> layer.backward(np.array([1, 2, 3]))
    array([1, 0, 2, 0, 3])

    Each `forward` draws new regions from `rng`, one generator for all, made of the seed that was
    given. It keeps the winners and the input's shape. Raises and source: see
    `ndpool.fractional_max_pool`.
    """

    _pool = staticmethod(fractional_max_pool)
    _gradient = staticmethod(fractional_max_pool_backward)
    _named = ("kernel_size",)

    def __init__(self, *kernel_size: Any, rng: Seed = None, **words: Any) -> None:
        super().__init__(*kernel_size, **words)
        self.seed, self.rng = rng, generator("rng", rng)

    def _shown(self) -> list[tuple[str, Any]]:
        return [*super()._shown(), ("rng", self.seed)]

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        return super()._run(x, {"rng": self.rng, **words})

    def _words_of_gradient(self, x: ArrayLike, words: dict[str, Any]) -> dict[str, Any]:
        left = super()._words_of_gradient(x, words)
        if is_row(sequence := words.get("sequence")):
            left["output_size"] = tuple(len(row) - 1 for row in sequence)
        for word in ("sequence", "overlapping", "samples", "rng"):
            left.pop(word, None)
        return left


Sizes = tuple[int, ...]


def _sizes(
    shape: Sizes, kernel_size: Any, output_size: Any, output_ratio: Any, axes: Any
) -> tuple[Sizes, Sizes, Sizes]:
    """The pooled axes, ascending, and along each the output's size and the kernel's (or 1)."""
    name, asked = "output_size", output_size
    if (output_size is None) == (output_ratio is None):
        got = "neither" if output_size is None else "both"
        raise PoolError(name, "either this or output_ratio", got)
    if output_ratio is not None:
        name, asked = "output_ratio", output_ratio
    kernel = 1 if kernel_size is None else plain("kernel_size", kernel_size)
    # whichever is a row says how many axes there are
    rows = kernel if is_row(kernel) and not is_row(asked) else asked
    pooled = asked_axes("kernel_size" if rows is kernel else name, shape, rows, axes)
    if name == "output_ratio":
        asked = _by_ratio(shape, pooled, output_ratio)
    out = asked_sizes(name, shape, asked, pooled)
    kernels = per_axis("kernel_size", kernel, len(pooled), at_least=1)
    for axis, size, k in zip(pooled, out, kernels, strict=True):
        if size + k - 1 > shape[axis]:
            most = f"at most {shape[axis] - k + 1} along axis {axis}"
            raise PoolError(name, f"{most} ({shape[axis]} cells, kernel_size {k})", size)
    pooled, out, kernels = ascending(pooled, out, kernels)
    return pooled, out, kernels


def _by_ratio(shape: Sizes, pooled: Sizes, ratio: Any) -> Sizes:
    ratios = list(ratio) if is_row(ratio) else [ratio] * len(pooled)
    if len(ratios) != len(pooled):
        raise PoolError(
            "output_ratio", f"one number, or one for each of {len(pooled)} pooled axes", ratio
        )
    sizes = []
    for axis, item in zip(pooled, ratios, strict=True):
        number = finite("output_ratio", item)
        if not 0 < number <= 1:
            raise PoolError("output_ratio", "above 0 and at most 1", shown(item))
        sizes.append(max(int(shape[axis] * number), 1))
    return tuple(sizes)


def _regions(
    shape: Sizes, output_size: Any, output_ratio: Any, sequence: Any, overlapping: bool,
    axes: Any, rng: Seed,
) -> Regions:  # fmt: skip
    """Graham's: between the numbers of sequences that are drawn or given."""
    if is_row(sequence):
        for name, value in (("output_size", output_size), ("output_ratio", output_ratio)):
            if value is not None:
                raise PoolError(name, "none beside sequences", shown(value))
        pooled = asked_axes("sequence", shape, sequence, axes)
        if len(pooled) != len(sequence):
            raise PoolError("sequence", f"one for each of {len(pooled)} axes", len(sequence))
        pooled, rows = ascending(pooled, list(sequence))
        return given(rows, shape, pooled, overlapping)
    draw = "pseudorandom" if sequence is None else one_of(Draw, "sequence", sequence)
    pooled, out, _ = _sizes(shape, None, output_size, output_ratio, axes)
    return graham(draw, shape, pooled, out, overlapping, generator("rng", rng))


def _samples(samples: Any, shape: Sizes, pooled: Sizes, rng: Seed) -> Array:
    """u for each plane and pooled axis: float32 or float64."""
    batch = tuple(n for axis, n in enumerate(shape) if axis not in pooled)
    whole = (*batch, len(pooled))
    if samples is None:
        return generator("rng", rng).random(whole)
    array = any_array("samples", samples)
    if array.dtype.char not in "efd":
        raise PoolTypeError("samples", "floats", f"dtype {array.dtype}")
    array = array.astype(np.float64 if array.dtype.char == "d" else np.float32)
    if not ((array >= 0) & (array < 1)).all():
        raise PoolError("samples", "numbers from 0 to below 1", shown(samples))
    try:
        return np.broadcast_to(array, whole)
    except ValueError:
        raise PoolError("samples", f"shape {whole}", f"shape {array.shape}") from None


def _anywhere(shape: Sizes, pooled: Sizes, out: Sizes) -> Regions:
    """Regions that may have their winner in any cell: offsets there are positions in the plane."""
    begin = tuple(np.zeros(size, np.int64) for size in out)
    end = tuple(np.full(size, shape[axis]) for axis, size in zip(pooled, out, strict=True))
    return Regions(shape, pooled, begin, end)


def _in_form(at: Array, regions: Regions, form: Positions) -> Array:
    if form == "plane":
        return at
    positions = np.empty(at.shape, np.int64)
    to_positions(at, regions, form, positions)
    return positions
