"""The engine that hands arrays to the C++ kernels, where they were built."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import sum_dtype
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry
from ..indices import refuse_index
from . import numpy as numpy_engine

Array = NDArray[Any]

missing = ""  # why there are no kernels; empty where there are
try:
    import ndpool._native as _native
except ModuleNotFoundError:
    missing = "the C++ kernels were not built: at installation there was no compiler that could"
except ImportError as error:
    missing = f"the C++ kernels do not load: {error}"

# dtype.char -> number of the kernel, in the order of `Kind` in src/kernels/work.h
_KINDS = {char: kind for kind, char in enumerate("?bBhHiIqQeEfd")} | {"l": 7, "L": 8}
THREADS_VARIABLE = "NDPOOL_NUM_THREADS"
MEMORY_VARIABLE = "NDPOOL_KEPT_MEMORY"
_MOST_KEPT = 2048  # MiB, where the machine has eight times as much
# How often max_pool may look at a cell because it is in several tiles. Axis by axis that is once,
# but takes memory between the axes: for _FEW_CELLS, or for any number beyond _MANY_REPEATS.
_REPEATS, _MANY_REPEATS, _FEW_CELLS = 2, 8, 1 << 16
_FEW_COPIED = 1 << 15  # cells of an array whose copy takes less than the way through Python

# A new array, not filled; its memory is kept when it is let go, see `set_kept_memory`.
empty = np.empty if missing else _native.empty


def serves(dtype: np.dtype[Any], geometry: Geometry, backward: bool = False) -> bool:
    """Whether the kernels can do this geometry and dtype."""
    served: dict[str, bool] = geometry.memo["backward" if backward else "forward"]
    known = served.get(dtype.char)
    if known is None:
        known = served[dtype.char] = _serves(dtype.char, geometry, backward)
    return known and dtype.isnative


def serves_sums(dtype: np.dtype[Any], geometry: Geometry, backward: bool = False) -> bool:
    """Whether they can sum over its windows, or spread back (`backward`)."""
    return bool(_steps(dtype, geometry, backward)) and dtype.isnative


def _steps(dtype: np.dtype[Any], geometry: Geometry, backward: bool) -> tuple[Geometry, ...]:
    """The geometries to sum over one after the other: this one, or one axis of it at a time.

    None where the kernels cannot. An axis at a time needs less memory, so windows may be larger.
    """
    known: dict[Any, tuple[Geometry, ...]] = geometry.memo.setdefault("sums", {})
    steps = known.get((dtype.char, backward))
    if steps is None:
        steps = (geometry,)
        if not _sums_at_once(dtype, geometry, backward):
            wide, steps = sum_dtype(dtype), tuple(_axis_by_axis(geometry, backward, backward))
            if not all(_sums_at_once(wide, step, backward) for step in steps):
                steps = ()
        known[dtype.char, backward] = steps
    return steps


def _sums_at_once(dtype: np.dtype[Any], geometry: Geometry, backward: bool) -> bool:
    if not _pooling(dtype.char, geometry):
        return False
    return bool(geometry.memo["native"].serves_sums(_KINDS[dtype.char], backward))


def _axis_by_axis(geometry: Geometry, backward: bool, last_first: bool) -> Iterator[Geometry]:
    """For each axis the geometry of its windows, of what the steps before it gave."""
    g = geometry
    shape = list(g.y_shape if backward else g.shape)
    numbers = range(len(g.axes))
    for number in reversed(numbers) if last_first else numbers:
        axis, before = g.axes[number], tuple(shape)
        shape[axis] = (g.shape if backward else g.y_shape)[axis]
        x_shape, y_shape = (tuple(shape), before) if backward else (before, tuple(shape))
        along = slice(number, number + 1)
        yield Geometry(
            x_shape, g.axes[along], g.kernel[along], g.stride[along], g.dilation[along],
            g.before[along], g.after[along], g.out[along], y_shape, g.kernel[number],
            np.min_scalar_type(g.kernel[number] - 1), {"forward": {}, "backward": {}},
        )  # fmt: skip


def _serves(char: str, geometry: Geometry, backward: bool) -> bool:
    if geometry.cells == 1 and not backward and math.prod(geometry.shape) > _FEW_COPIED:
        return False  # NumPy copies all at once, the kernels plane by plane
    if not _pooling(char, geometry):
        return False
    if backward:
        char = _counts(geometry).char if char == "?" else char
        return bool(geometry.memo["native"].serves_backward(_KINDS[char]))
    pooling, kind = geometry.memo["native"], _KINDS[char]
    repeats = pooling.repeats(kind)
    at_once = bool(repeats < math.inf)
    if repeats <= _REPEATS or len(geometry.axes) == 1:
        return at_once
    steps = tuple(_axis_by_axis(geometry, backward=False, last_first=True))
    if not all(step.cells == 1 or _serves(char, step, False) for step in steps):
        return at_once
    cells = max(math.prod(step.y_shape) for step in steps[:-1])
    geometry.memo.setdefault("steps", {})[char] = {
        False: steps if cells <= _FEW_CELLS or repeats > _MANY_REPEATS else (),
        True: steps if repeats > _MANY_REPEATS else (),
    }
    return True


def _max_steps(dtype: np.dtype[Any], geometry: Geometry, winners: bool) -> tuple[Geometry, ...]:
    """The geometries to pool with one after the other, if that is better than at once."""
    known: dict[str, dict[bool, tuple[Geometry, ...]]] | None = geometry.memo.get("steps")
    return known[dtype.char][winners] if known and dtype.char in known else ()


def _pooling(char: str, geometry: Geometry) -> bool:
    """Whether the kernels know dtypes and arrays such as these; makes what they need for it."""
    g = geometry
    if missing or char not in _KINDS:
        return False
    if len(g.axes) > _native.MOST_AXES or len(g.shape) > _native.MOST_DIMENSIONS:
        return False
    pooling = g.memo.get("native")
    if pooling is None:
        pooling = g.memo["native"] = _native.Pooling(
            g.shape, g.axes, g.kernel, g.stride, g.dilation, g.before, g.y_shape
        )
    return True


def keep_forward(x: Array, geometry: Geometry, *arguments: object) -> None:
    """Let `forward_again` know what max_pool does with these `arguments` and an array like x."""
    winners = arguments[-1] is not False
    if _max_steps(x.dtype, geometry, winners):
        return
    _native.keep_forward(x, *arguments, geometry.memo["native"], _KINDS[x.dtype.char], winners)


def keep_backward(dy: Array, geometry: Geometry, *arguments: object) -> None:
    """Let `backward_again` know what max_pool_backward does with these and an array like dy."""
    if dy.dtype.char == "?":
        return
    _native.keep_backward(dy, *arguments, geometry.memo["native"], _KINDS[dy.dtype.char], True)


def max_pool(x: Array, geometry: Geometry, y: Array, indices: Array | None) -> None:
    """Fill `y` and `indices`, which are C-contiguous; x may have any strides."""
    if steps := _max_steps(x.dtype, geometry, indices is not None):
        return _axes_in_turn(x, steps, y, indices)
    pooling, kind = geometry.memo["native"], _KINDS[x.dtype.char]
    done = pooling.forward(x, y, indices, kind)
    if not done and geometry.cells == 1:
        return numpy_engine.max_pool(x, geometry, y, indices)
    if not done:  # its elements stand as no kernel reads them
        done = pooling.forward(x.copy(), y, indices, kind)
    assert done, geometry


def _axes_in_turn(x: Array, steps: tuple[Geometry, ...], y: Array, indices: Array | None) -> None:
    """The best of the best along each axis, the last axis first: so the first of equals wins."""
    cells = 1  # of a window so far
    for number, step in enumerate(steps, 1):
        to = y if number == len(steps) else empty(step.y_shape, x.dtype)
        taps = None if indices is None else empty(step.y_shape, step.index_dtype)
        (numpy_engine.max_pool if step.cells == 1 else max_pool)(x, step, to, taps)
        if taps is not None and number == 1:
            offsets = taps
        elif taps is not None:
            (axis,), shape = step.axes, [1] * to.ndim
            shape[axis] = -1
            starts = np.arange(step.out[0], dtype=np.intp) * step.stride[0] - step.before[0]
            rows = starts.reshape(shape) + taps.astype(np.intp) * step.dilation[0]
            offsets = np.take_along_axis(offsets, rows, axis) + taps * np.uint32(cells)
        x, cells = to, cells * step.cells
    if indices is not None:
        indices[...] = offsets


def _counts(geometry: Geometry) -> np.dtype[Any]:
    """What counts the windows that a cell is in: no more of them than they have cells."""
    return np.min_scalar_type(geometry.cells)


def max_pool_backward(dy: Array, indices: Array, geometry: Geometry) -> Array:
    """dx of `geometry.shape`; dy may have any strides."""
    if dy.dtype.char == "?":  # a sum of these is whether any is true
        ones = np.minimum(dy.view(np.uint8), np.uint8(1)).astype(_counts(geometry), copy=False)
        any_true: Array = max_pool_backward(ones, indices, geometry) != 0
        return any_true
    pooling, kind = geometry.memo["native"], _KINDS[dy.dtype.char]
    dx: Array = empty(geometry.shape, dy.dtype)
    if not indices.flags.c_contiguous:
        indices = indices.copy()
    bad = pooling.backward(dy, indices, dx, kind)
    if bad == _native.NOT_TAKEN:
        bad = pooling.backward(dy.copy(), indices, dx, kind)
    if bad >= 0:
        refuse_index(indices, geometry, bad)
    return dx


def _unknown(*arguments: object) -> Any:
    return None


# What these arguments of max_pool and max_pool_backward gave, if such a call was made before: else
# None, as for anything out of the ordinary.
forward_again = _unknown if missing else _native.forward_again
backward_again = _unknown if missing else _native.backward_again


def window_sums(
    x: Array, geometry: Geometry, divisors: Array | None = None, powers: int = 0
) -> Array:
    """As the numpy engine's, to the bit; divisors have one value along every batch axis."""
    steps = _steps(x.dtype, geometry, False)
    if len(steps) == 1:
        return _sums(x, geometry, divisors, powers, False)
    sums = x.astype(sum_dtype(x.dtype), copy=False)
    for step in steps:
        sums, powers = _sums(sums, step, None, powers, False), 0
    with np.errstate(all="ignore"):
        return (sums if divisors is None else sums / divisors).astype(x.dtype, copy=False)


def spread(dy: Array, geometry: Geometry, divisors: Array | None = None) -> Array:
    """As the numpy engine's, to the bit; divisors have one value along every batch axis."""
    steps = _steps(dy.dtype, geometry, True)
    if len(steps) == 1:
        return _sums(dy, geometry, divisors, 0, True)
    with np.errstate(all="ignore"):
        sums = dy.astype(sum_dtype(dy.dtype), copy=False)
        sums = sums if divisors is None else sums / divisors
        for step in steps:
            sums = _sums(sums, step, None, 0, True)
        return sums.astype(dy.dtype, copy=False)


def _sums(
    source: Array, geometry: Geometry, divisors: Array | None, powers: int, backward: bool
) -> Array:
    result: Array = empty(geometry.shape if backward else geometry.y_shape, source.dtype)
    pooling, kind, by = geometry.memo["native"], _KINDS[source.dtype.char], 0.0
    if divisors is not None and divisors.size == 1:
        by, divisors = float(divisors.item()), None
    elif divisors is not None:
        shape = [1] * len(geometry.shape)
        for axis, out in zip(geometry.axes, geometry.out, strict=True):
            shape[axis] = out
        divisors = np.ascontiguousarray(np.broadcast_to(divisors, shape)).reshape(geometry.out)
    if not pooling.sums(source, result, divisors, by, powers, kind, backward):
        pooling.sums(source.copy(), result, divisors, by, powers, kind, backward)
    return result


def instruction_set() -> str:
    """The widest vectors that this machine and build have, as in "AVX-512"."""
    return "none" if missing else str(_native.instruction_set())


def num_threads() -> int:
    """The most threads a call may use."""
    return 1 if missing else int(_native.num_threads())


def set_num_threads(threads: int) -> None:
    """Set the most threads a call may use, 1 or more; calls of little work use fewer.

    The default is NDPOOL_NUM_THREADS, or the number of CPUs this process may run on.
    """
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise PoolTypeError("threads", "an integer", shown(threads))
    if not 1 <= threads <= 1024:
        raise PoolError("threads", "1 to 1024", shown(threads))
    if not missing:
        _native.set_num_threads(int(threads))


def set_kept_memory(mebibytes: int) -> None:
    """Set how much memory of results that were let go is kept for the next ones, in MiB; 0 or more.

    Memory fresh from the system has to be filled with zeros first, page by page, which doubles the
    time of a large gradient. What is kept (only blocks of 4 MiB and more, the longest unused are
    given back first) is marked as free for the system to take back when memory runs short, but for
    the last 64 MiB. The default is NDPOOL_KEPT_MEMORY, or an eighth of the machine's memory, at
    most 2048 MiB.
    """
    if isinstance(mebibytes, bool) or not isinstance(mebibytes, (int, np.integer)):
        raise PoolTypeError("mebibytes", "an integer", shown(mebibytes))
    if not 0 <= mebibytes < 2**40:
        raise PoolError("mebibytes", "0 to 2**40 - 1", shown(mebibytes))
    if not missing:
        _native.set_kept_memory(int(mebibytes) << 20)


def _at_start(variable: str, least: int, most: int, otherwise: str) -> int | None:
    """The integer in an environment variable; None, with a warning, if it is anything else."""
    asked = os.environ.get(variable, "")
    if asked.isdecimal() and least <= int(asked) <= most:
        return int(asked)
    if asked:
        warnings.warn(
            f"{variable}: expected {least} to {most}, got {asked!r}; {otherwise}",
            RuntimeWarning,
            stacklevel=1,
        )
    return None


def _threads_at_start() -> int:
    asked = _at_start(THREADS_VARIABLE, 1, 1024, "using all processors")
    if asked is not None:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _kept_memory_at_start() -> int:
    asked = _at_start(MEMORY_VARIABLE, 0, 2**40 - 1, "using the default")
    if asked is not None:
        return asked
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    except (AttributeError, ValueError, OSError):  # a system that does not say
        return 0
    return min(_MOST_KEPT, max(0, memory // 8))


if not missing:
    set_num_threads(_threads_at_start())
    set_kept_memory(_kept_memory_at_start())
