"""Where the windows stand: kernel, stride, padding, dilation and rounding become output sizes.

A `Geometry` is made once for each combination of shape and arguments, validated then, frozen and
cached. Everything that runs after it trusts it. All arithmetic is on Python integers, so nothing
can overflow before the final check that every size fits 63 bits.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from .errors import PoolError, PoolTypeError, shown

Size = SupportsIndex | Sequence[SupportsIndex]
Padding = SupportsIndex | str | Sequence[SupportsIndex | tuple[SupportsIndex, SupportsIndex]]

_LARGEST = 2**63 - 1
_MOST_AXES = 64  # NumPy's own limit
_PADDING_WORDS = ("valid", "same", "same_lower")


class Geometry(NamedTuple):
    """A validated pooling of an array of `shape`; per-axis tuples follow `axes`, ascending.

    `memo` is where others keep what they derive from it.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]
    y_shape: tuple[int, ...]
    cells: int  # of a window
    index_dtype: np.dtype[Any]
    memo: dict[Any, Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The input's sizes along the pooled axes."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def weights(self) -> tuple[int, ...]:
        """How much one step along each window axis adds to the row-major offset in the window."""
        return row_major(self.kernel)

    def starts(self, number: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where along pooled axis `number` the windows at these places begin; may be in padding."""
        return places * self.stride[number] - self.before[number]

    def ends(self, number: int, places: NDArray[np.int64]) -> NDArray[np.int64] | int:
        """The cell along pooled axis `number` before which all cells of these windows lie."""
        return self.shape[self.axes[number]]

    def first_inside(self, axis: int) -> np.ndarray[Any, Any]:
        """For each output along pooled axis number `axis`: the first tap that is no padding."""
        reach = self.before[axis] - np.arange(self.out[axis]) * self.stride[axis]
        return -(-np.maximum(reach, 0) // self.dilation[axis])  # rounded up

    def taps_inside(self, axis: int) -> NDArray[np.int64]:
        """For each output along pooled axis number `axis`: how many taps are no padding."""
        end = self.sizes[axis]
        inside: NDArray[np.int64] = self._taps_before(axis, end) - self.first_inside(axis)
        return inside

    def taps_counted(self, axis: int) -> NDArray[np.int64]:
        """The same with those in the padding, but without those beyond it, as ceil mode has."""
        return self._taps_before(axis, self.sizes[axis] + self.after[axis])

    def _taps_before(self, axis: int, end: int) -> NDArray[np.int64]:
        room = end + self.before[axis] - np.arange(self.out[axis]) * self.stride[axis]
        taps: NDArray[np.int64] = np.minimum(-(-room // self.dilation[axis]), self.kernel[axis])
        return taps


def geometry(
    shape: Sequence[SupportsIndex],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    axes: Size | None = None,
) -> Geometry:
    """The `Geometry` of these arguments, made and validated at their first use, then remembered.

    Raises PoolError or PoolTypeError that names the argument.
    """
    # Equal keys must mean equal arguments, yet (2, 2) == (2.0, True + 1): so whatever is not a
    # plain value, which the cache tells apart by its type, is turned into plain integers first.
    if type(shape) is not tuple:
        shape = plain("x_shape", shape)
    if type(kernel_size) is not int and not _are_ints(kernel_size):
        kernel_size = plain("kernel_size", kernel_size)
    if stride is not None and type(stride) is not int and not _are_ints(stride):
        stride = plain("stride", stride)
    if type(padding) is not int and type(padding) is not str and not _are_ints(padding):
        padding = plain("padding", padding)
    if type(dilation) is not int and not _are_ints(dilation):
        dilation = plain("dilation", dilation)
    if type(ceil_mode) is not bool:
        ceil_mode = _flag("ceil_mode", ceil_mode)
    if axes is not None and type(axes) is not int and not _are_ints(axes):
        axes = plain("axes", axes)
    key: tuple[Any, ...] = (shape, kernel_size, stride, padding, dilation, ceil_mode, axes)
    return _geometry(*key)


def row_major(sizes: Sequence[int]) -> tuple[int, ...]:
    """How much one step along each axis of an array of these sizes adds to a flat position."""
    return tuple(prod(sizes[axis + 1 :]) for axis in range(len(sizes)))


def plain_shape(argument: str, shape: object) -> tuple[int, ...]:
    """A user's shape as a tuple of integers, none negative."""
    sizes: Any = shape if _are_ints(shape) else plain(argument, shape)
    if isinstance(sizes, int):
        raise PoolTypeError(argument, "a shape: a tuple of integers", shown(shape))
    for size in sizes:
        if not isinstance(size, int):
            raise PoolTypeError(argument, "a tuple of integers", shown(shape))
        if size < 0:
            raise PoolError(argument, "no negative size", shown(shape))
    if prod(sizes) > _LARGEST:
        raise PoolError(argument, "fewer than 2**63 elements", shown(shape))
    return tuple(sizes)


def _are_ints(value: object) -> bool:
    """Whether it is a short tuple of Python's integers, as most arguments are."""
    if type(value) is not tuple or len(value) > _MOST_AXES:
        return False
    for item in value:  # noqa: SIM110 - a third of the time of all(...)
        if type(item) is not int:
            return False
    return True


def plain(argument: str, value: Any, depth: int = 2) -> Any:
    """Integers, and tuples of them, of Python's own type; anything else is refused."""
    if isinstance(value, str) and argument == "padding" and depth == 2:
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        raise PoolTypeError(argument, "an integer", shown(value), "True and False are no sizes")
    try:
        return operator.index(value)
    except TypeError:
        pass
    is_row = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    if not is_row or not depth or getattr(value, "ndim", 1) == 0:
        raise PoolTypeError(argument, "an integer or a tuple of integers", shown(value))
    if len(value) > _MOST_AXES:
        raise PoolError(argument, f"at most {_MOST_AXES} entries", len(value))
    return tuple(plain(argument, item, depth - 1) for item in value)


def _flag(argument: str, value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise PoolTypeError(argument, "True or False", shown(value))


@lru_cache(maxsize=1024, typed=True)
def _geometry(
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    axes: Any,
) -> Geometry:
    axis_list = pooled_axes("kernel_size", len(shape), kernel_size, axes)
    d = len(axis_list)
    kernel = per_axis("kernel_size", kernel_size, d, at_least=1)
    strides = kernel if stride is None else per_axis("stride", stride, d, at_least=1)
    dilations = per_axis("dilation", dilation, d, at_least=1)

    # Arguments are given in the order of `axes`; windows are row-major in the array's own order.
    order = sorted(range(d), key=axis_list.__getitem__)
    axis_list, kernel, strides, dilations = (
        tuple(values[i] for i in order) for values in (axis_list, kernel, strides, dilations)
    )
    sizes = tuple(shape[axis] for axis in axis_list)
    spans = tuple(dil * (k - 1) + 1 for k, dil in zip(kernel, dilations, strict=True))
    pads = _pads(padding, order, sizes, spans, strides)

    out = []
    for axis, n, k, span, s, dil, (before, after) in zip(
        axis_list, sizes, kernel, spans, strides, dilations, pads, strict=True
    ):
        size = _out_size(axis, n, span, s, before, after, ceil_mode)
        _refuse_windows_in_padding(axis, n, k, s, dil, before, size)
        out.append(size)
    # What no window can tell apart is stored as the smallest number that says it.
    strides = tuple(
        min(s, n + before + after)
        for s, n, (before, after) in zip(strides, sizes, pads, strict=True)
    )
    # (Dilations that 32 bits hold stay as they are: where taps lie in padding can be shown.)
    dilations = tuple(
        min(dil, max(2**31, n + before + after)) if k > 1 else 1
        for dil, k, n, (before, after) in zip(dilations, kernel, sizes, pads, strict=True)
    )

    y_shape = list(shape)
    for axis, size in zip(axis_list, out, strict=True):
        y_shape[axis] = size
    cells = prod(kernel)
    if cells > _LARGEST:
        raise PoolError("kernel_size", "fewer than 2**63 cells in a window", kernel)
    # In ceil mode a stride without bounds makes room for a window without bounds.
    if any(dil * (k - 1) > _LARGEST // 2 for dil, k in zip(dilations, kernel, strict=True)):
        raise PoolError("kernel_size", "at most 2**62 cells from a window's first to last", kernel)
    if prod(n + before + after for n, (before, after) in zip(sizes, pads, strict=True)) > _LARGEST:
        raise PoolError("padding", "a padded array of fewer than 2**63 cells", padding)
    if prod(y_shape) > 2**59:  # 16 bytes each is all that addresses can count
        raise PoolError("padding", "an output of at most 2**59 cells", tuple(y_shape))
    return Geometry(
        shape,
        axis_list,
        kernel,
        strides,
        dilations,
        tuple(before for before, _ in pads),
        tuple(after for _, after in pads),
        tuple(out),
        tuple(y_shape),
        cells,
        np.min_scalar_type(cells - 1),
        {"forward": {}, "backward": {}},
    )


def pooled_axes(argument: str, ndim: int, size: Any, axes: Any) -> tuple[int, ...]:
    """Those that `size`, plain integers given as `argument`, is for; in the order it is given."""
    if axes is None:
        d = 2 if isinstance(size, int) else len(size)
        if d > ndim:
            hint = "name the axes to pool with axes=" if isinstance(size, int) else ""
            raise PoolError(argument, f"at most {ndim} pooled axes", d, hint)
        chosen = tuple(range(ndim - d, ndim))
    else:
        asked = (axes,) if isinstance(axes, int) else axes
        for axis in asked:
            if not isinstance(axis, int):
                raise PoolTypeError("axes", "an integer or a tuple of integers", axes)
            if not -ndim <= axis < ndim:
                raise PoolError("axes", f"axes of an array of {ndim} dimensions", axis)
        chosen = tuple(axis % ndim for axis in asked)
        if len(set(chosen)) < len(chosen):
            raise PoolError("axes", "each axis once", asked)
    if not chosen:
        raise PoolError("axes" if axes is not None else argument, "at least one axis", ())
    return chosen


def per_axis(argument: str, value: Any, d: int, at_least: int) -> tuple[int, ...]:
    """Plain integers given as `argument` for d pooled axes: one each, none below `at_least`."""
    values = (value,) * d if isinstance(value, int) else value
    if len(values) != d:
        raise PoolError(argument, f"one integer, or one for each of {d} pooled axes", value)
    for item in values:
        if not isinstance(item, int):
            raise PoolTypeError(argument, "integers", value)
        if item < at_least:
            raise PoolError(argument, f"at least {at_least}", value)
    return tuple(values)


def _pads(
    padding: Any,
    order: Sequence[int],
    sizes: tuple[int, ...],
    spans: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """(before, after) for each pooled axis, in the array's order."""
    d = len(sizes)
    if isinstance(padding, str):
        if padding not in _PADDING_WORDS:
            raise PoolError("padding", "'valid', 'same' or 'same_lower'", repr(padding))
        if padding == "valid":
            return ((0, 0),) * d
        halves = []
        for n, span, s in zip(sizes, spans, strides, strict=True):
            total = max((-(-n // s) - 1) * s + span - n, 0)
            less, more = total // 2, total - total // 2
            halves.append((less, more) if padding == "same" else (more, less))
        return tuple(halves)
    items = (padding,) * d if isinstance(padding, int) else padding
    if len(items) != d:
        hint = f"for one axis write ({items},)" if d == 1 and len(items) == 2 else ""
        raise PoolError("padding", f"one entry, or one for each of {d} pooled axes", padding, hint)
    pairs = []
    for item in items:
        pair = (item, item) if isinstance(item, int) else item
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(p, int) for p in pair):
            raise PoolTypeError("padding", "integers or (before, after) pairs", padding)
        if min(pair) < 0:
            raise PoolError("padding", "at least 0", padding)
        pairs.append((pair[0], pair[1]))
    return tuple(pairs[i] for i in order)


def _out_size(
    axis: int, n: int, span: int, stride: int, before: int, after: int, ceil_mode: bool
) -> int:
    if n == 0:
        raise PoolError("x", f"at least one element along pooled axis {axis}", "none")
    if n + before + after > _LARGEST // 2:
        raise PoolError("padding", "a padded input of at most 2**62 cells", n + before + after)
    room = n + before + after - span
    size = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if size < 1:
        raise PoolError(
            "kernel_size",
            f"a window no longer than the padded input ({n + before + after}) along axis {axis}",
            f"{span} cells from its first to its last",
            "lower kernel_size or dilation, or raise padding",
        )
    # Ceil mode, PyTorch's rule: the last window starts inside the input or its left padding.
    if ceil_mode and (size - 1) * stride >= n + before:
        size -= 1
    return size


def _refuse_windows_in_padding(
    axis: int, n: int, kernel: int, stride: int, dilation: int, before: int, out: int
) -> None:
    """Every window needs a tap inside [0, n); the first that has none is named."""

    def refuse(position: int) -> None:
        raise PoolError(
            "padding",
            "a cell of the input in every window",
            f"only padding in window {position} along axis {axis}",
            "lower padding, or raise kernel_size",
        )

    if before:
        # The first window reaches furthest out: if it gets to the input, they all do ...
        if -(-before // dilation) > kernel - 1:
            refuse(0)
        # ... unless its steps are so long that they can step over it.
        if dilation > n:
            low, high = (before + n) % dilation, (before - 1) % dilation
            ranges = [(low, high)] if low <= high else [(low, dilation - 1), (0, high)]
            over = [_first_multiple(stride % dilation, dilation, *ends) for ends in ranges]
            position = min((o for o in over if o is not None), default=out)
            if position < min(-(-before // stride), out):
                refuse(position)
    if (out - 1) * stride - before >= n:
        refuse(-(-(n + before) // stride))


def _first_multiple(factor: int, modulus: int, low: int, high: int) -> int | None:
    """The smallest m >= 0 with low <= m * factor mod modulus <= high, by Euclid's algorithm."""
    if low == 0:
        return 0
    if factor == 0:
        return None
    m = -(-low // factor)
    if m * factor <= high:
        return m
    # No multiple of `factor` lies in the range: how often must it go round to come into it?
    rounds = _first_multiple(modulus % factor, factor, -high % factor, -low % factor)
    return None if rounds is None else -(-(low + modulus * rounds) // factor)
