"""Each window reduced by the caller's own ufunc or function: sliding, or in blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arguments import as_array
from ..dtypes import sum_dtype
from ..engines.slices import windows_are_fewer
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Padding, Size, geometry
from ..kinds.mechanism import rounded, window_sums
from ..kinds.minimum import min_pool
from ..kinds.words import pooling
from ..pool import max_pool
from .cells import filling
from .fold import by_filled_taps, by_rows, by_taps

Array = NDArray[Any]
Partial = Literal["trim", "pad", "keep", "exact"]
Reduction = np.ufunc | Callable[..., Any]

# Functions of NumPy that are a ufunc's reduce: they need no rows.
_UFUNCS: dict[Any, np.ufunc] = {
    np.max: np.maximum, np.min: np.minimum, np.sum: np.add, np.prod: np.multiply,
    np.any: np.logical_or, np.all: np.logical_and,
}  # fmt: skip
_POOLS: dict[np.ufunc, Callable[..., Array]] = {np.maximum: max_pool, np.minimum: min_pool}


@pooling
def reduce_windows(
    x: ArrayLike,
    reduction: Reduction,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    axes: Size | None = None,
    partial: Partial = "trim",
    fill: Any = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Each window of `x` reduced by a ufunc or function of your own.

    >>> import numpy as np, ndpool
    >>> x = np.array([1, 2, 3, 4, 5])
    >>> ndpool.reduce_windows(x, np.multiply, (2,), partial="keep")
    array([ 2, 12,  5])
    >>> ndpool.reduce_windows(x, np.median, (3,), stride=1)
    array([2., 3., 4.])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        reduction: A NumPy ufunc of two arguments, such as ``np.add`` or one of
            ``np.frompyfunc``: it joins a window's cells as its `reduce` does, in row-major order,
            also where that matters. Or a function of ``(array, axis)`` such as ``np.median``: it
            is called with blocks of windows, one a row, and ``axis=-1``.
        kernel_size: Cells of a window along each pooled axis. An int pools the last two axes,
            a tuple of d the last d.
        stride, padding, dilation, axes: As in `ndpool.max_pool`.
        partial: What becomes of windows that are not wholly inside. "trim" leaves out those that
            reach beyond the end, "keep" reduces the cells that they have, "pad" gives them cells
            of `fill`, and "exact" refuses an axis that windows do not fill. Padding that `padding`
            asks for holds `fill` with "pad", and is no cell of any window otherwise.
        fill: With ``partial="pad"``, a number that x's dtype holds; None is 0.
        dtype: Of the result, as in ``np.ufunc.reduce``: None is what NumPy's `reduce` gives. Only
            for ufuncs.

    Returns:
        y of `max_pool`'s output shape (with "pad" and "keep" as in ceil mode), in the dtype that
        the reduction gives; float16 and bfloat16 are joined in float32 and rounded once. Beside
        the result a ufunc needs no memory with "trim" and "keep", and as much again with "pad".

    {errors}

    Source: ``skimage.measure.block_reduce`` is ``stride=None, partial="pad"`` (its ``cval`` is
    `fill`); xarray's ``coarsen`` has "trim", "exact", and, where it pads, "keep" if its reduction
    leaves NaN out; ``jax.lax.reduce_window`` has padding as here with "trim".
    """
    x, how = as_array("x", x), _partial(partial)
    words: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "axes": axes,
        "ceil_mode": how in ("pad", "keep"),
    }  # fmt: skip
    shapes = geometry(x.shape, kernel_size, **words)
    if how == "exact":
        _refuse_rest(shapes)
    value = _fill(fill, how, x.dtype)
    if not _takes_axis(reduction):
        expected = "a NumPy ufunc, or a function of (array, axis)"
        raise PoolTypeError("reduction", expected, shown(reduction))
    ufunc = _ufunc(reduction)
    if ufunc is None:
        if dtype is not None:
            raise PoolError("dtype", "None, with a function", shown(dtype))
        return by_rows(x, reduction, shapes, value)
    result = _result_dtype(ufunc, x.dtype, dtype)
    if value is None and ufunc in _POOLS and result == x.dtype.newbyteorder("="):
        return _POOLS[ufunc](x, kernel_size, **words).astype(result, copy=False)
    with np.errstate(all="ignore"):  # inf and NaN are joined as they are in C
        return rounded(_folded(x, ufunc, shapes, sum_dtype(result), value), result)


def _folded(x: Array, ufunc: np.ufunc, shapes: Geometry, dtype: np.dtype[Any], fill: Any) -> Array:
    if ufunc is np.add and not fill and dtype.kind in "iuf":
        return window_sums(x, shapes, dtype)
    if windows_are_fewer(shapes):

        def joined(rows: Array, axis: int) -> Any:
            return ufunc.reduce(rows, axis=axis, dtype=dtype)

        return by_rows(x, joined, shapes, fill)
    if fill is None:
        return by_taps(x, ufunc, shapes, dtype)
    return by_filled_taps(x, ufunc, shapes, dtype, fill)


def _takes_axis(reduction: Any) -> bool:
    if not callable(reduction) or isinstance(reduction, type):
        return False
    try:
        inspect.signature(reduction).bind(None, axis=-1)
    except TypeError:
        return isinstance(reduction, np.ufunc)
    except ValueError:  # some compiled functions do not say
        return True
    return True


def _ufunc(reduction: Any) -> np.ufunc | None:
    if isinstance(reduction, np.ufunc):
        return reduction
    try:
        return _UFUNCS.get(reduction)
    except TypeError:  # one that cannot be looked up
        return None


def _result_dtype(ufunc: np.ufunc, cells: np.dtype[Any], asked: Any) -> np.dtype[Any]:
    """What NumPy's own reduce gives; PoolTypeError where it cannot reduce such cells."""
    try:
        found = ufunc.reduce(np.ones((1, 2), cells), axis=1, dtype=asked)
    except (TypeError, ValueError) as error:
        asking = "" if asked is None else f" and dtype {shown(asked)}"
        raise PoolTypeError(
            "reduction", f"a ufunc that reduces {cells}", f"{ufunc.__name__}{asking}", str(error)
        ) from None
    return np.asarray(found).dtype


def _partial(partial: object) -> str:
    expected = "'trim', 'pad', 'keep' or 'exact'"
    if not isinstance(partial, str):
        raise PoolTypeError("partial", expected, shown(partial))
    if partial not in get_args(Partial):
        raise PoolError("partial", expected, shown(partial))
    return partial


def _fill(fill: object, partial: str, dtype: np.dtype[Any]) -> Any:
    if partial == "pad":
        return filling(0 if fill is None else fill, dtype)
    if fill is not None:
        raise PoolError("fill", "None, unless partial='pad'", shown(fill))
    return None


def _refuse_rest(shapes: Geometry) -> None:
    for number, axis in enumerate(shapes.axes):
        stride, dilation = shapes.stride[number], shapes.dilation[number]
        reach = (shapes.out[number] - 1) * stride + (shapes.kernel[number] - 1) * dilation + 1
        room = shapes.sizes[number] + shapes.before[number] + shapes.after[number]
        if reach < room:
            raise PoolError(
                "partial",
                f"windows that fill axis {axis}, with 'exact'",
                f"{room - reach} cells behind the last",
                "say what to do with them: 'trim', 'pad' or 'keep'",
            )
