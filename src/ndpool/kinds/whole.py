"""Global pooling: one window, as large as the pooled axes themselves."""

from __future__ import annotations

from typing import Any, Literal, overload

from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError
from ..geometry import Size, geometry
from ..indices import IndexForm
from ..pool import max_pool
from .average import avg_pool
from .words import pooling

Array = NDArray[Any]


@overload
def global_max_pool(
    x: ArrayLike,
    *,
    axes: Size | None = ...,
    return_indices: Literal[False] = ...,
    engine: str | None = ...,
) -> Array: ...


@overload
def global_max_pool(
    x: ArrayLike,
    *,
    axes: Size | None = ...,
    return_indices: Literal[True] | IndexForm,
    engine: str | None = ...,
) -> tuple[Array, Array]: ...


@pooling
def global_max_pool(
    x: ArrayLike,
    *,
    axes: Size | None = None,
    return_indices: bool | IndexForm = False,
    engine: str | None = None,
) -> Array | tuple[Array, Array]:
    """The maximum over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_max_pool(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[9]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        axes: The axes to pool; None is the last two. All others are batch.
        return_indices, engine: As in `ndpool.max_pool`.

    Returns:
        What `max_pool` returns for a window of the pooled axes' sizes; its gradient is
        `max_pool_backward` with that ``kernel_size`` and these `axes`.

    {errors}

    Source: see `ndpool.max_pool`; GlobalMaxPool of the ONNX standard.
    """
    x = as_array("x", x)
    pooled, sizes = _whole(x, axes)
    asked: Any = return_indices  # no overload of max_pool takes it as both
    found: Array | tuple[Array, Array]
    found = max_pool(x, sizes, axes=pooled, return_indices=asked, engine=engine)
    return found


@pooling
def global_avg_pool(x: ArrayLike, *, axes: Size | None = None) -> Array:
    """The mean over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_avg_pool(np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]))
    array([[4.]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        axes: The axes to pool; None is the last two. All others are batch.

    Returns:
        What `avg_pool` returns for a window of the pooled axes' sizes; its gradient is
        `avg_pool_backward` with that ``kernel_size`` and these `axes`.

    {errors}

    Source: Lin, Chen, Yan, "Network in network", ICLR 2014.
    """
    x = as_array("x", x)
    pooled, sizes = _whole(x, axes)
    return avg_pool(x, sizes, axes=pooled)


def _whole(x: Array, axes: Size | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The pooled axes, ascending, and the array's sizes along them."""
    if axes is None:
        if x.ndim < 2:
            raise PoolError("x", "an array of two dimensions or more", x.ndim, "or name the axes")
        axes = (-2, -1)
    # windows of one cell are right for any array: they say which axes are meant, or what is wrong
    pooled = geometry(x.shape, 1, axes=axes).axes
    return pooled, tuple(x.shape[axis] for axis in pooled)
