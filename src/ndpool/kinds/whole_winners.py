"""Global max and min pooling, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

from numpy.typing import ArrayLike, NDArray

from ..choices import Ties
from ..indices import IndexForm
from ..pool import max_pool, max_pool_backward
from .layer import WinnerLayer
from .minimum import min_pool, min_pool_backward
from .whole import window_of, window_of_shape
from .words import WholeGradientWords, WholeWords, pooling

Array = NDArray[Any]


@overload
def global_max_pool(
    x: ArrayLike,
    *,
    return_indices: Literal[False] = ...,
    ties: Ties = ...,
    **words: Unpack[WholeWords],
) -> Array: ...


@overload
def global_max_pool(
    x: ArrayLike,
    *,
    return_indices: Literal[True] | IndexForm,
    ties: Ties = ...,
    **words: Unpack[WholeWords],
) -> tuple[Array, Array]: ...


@pooling
def global_max_pool(
    x: ArrayLike,
    *,
    return_indices: bool | IndexForm = False,
    ties: Ties = "first",
    **words: Unpack[WholeWords],
) -> Array | tuple[Array, Array]:
    """The maximum over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_max_pool(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[9]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        return_indices, ties: As in `ndpool.max_pool`.
        {axes}

    Returns:
        What `max_pool` returns for a window of the pooled axes' sizes.

    {errors}

    Source: see `ndpool.max_pool`; GlobalMaxPool of the ONNX standard.
    """
    size, given = window_of(x, words)
    asked: Any = return_indices  # no overload of max_pool takes it as both
    found: Array | tuple[Array, Array]
    found = max_pool(x, size, return_indices=asked, ties=ties, **given)
    return found


@pooling
def global_max_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    *,
    index_form: IndexForm = "window",
    ties: Ties = "first",
    x: ArrayLike | None = None,
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `global_max_pool`: each `dy` goes to the cell that won.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2], [3, 4, 9]])
    >>> y, indices = ndpool.global_max_pool(x, return_indices=True)
    >>> ndpool.global_max_pool_backward(np.array([[7]]), indices, x.shape)
    array([[0, 0, 0],
           [0, 0, 7]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        index_form, ties, x: As in `ndpool.max_pool_backward`.
        {axes}

    Returns:
        dx of shape `x_shape`, as `max_pool_backward` returns it.

    {errors}

    Source: see `ndpool.max_pool_backward`.
    """
    size, given = window_of_shape(x_shape, words)
    return max_pool_backward(
        dy, indices, x_shape, size, index_form=index_form, ties=ties, x=x, **given
    )


class GlobalMaxPool(WinnerLayer):
    """Global max pooling with its backward pass; arguments as in `ndpool.global_max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GlobalMaxPool()
    >>> layer.forward(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[9]])
    >>> layer.backward(np.array([[7]]))
    array([[0, 0, 0],
           [0, 0, 7]])

    What it remembers is as in `ndpool.MaxPool`. Raises and source: see `ndpool.global_max_pool`.
    """

    _pool = staticmethod(global_max_pool)
    _gradient = staticmethod(global_max_pool_backward)


@overload
def global_min_pool(
    x: ArrayLike,
    *,
    return_indices: Literal[False] = ...,
    ties: Ties = ...,
    **words: Unpack[WholeWords],
) -> Array: ...


@overload
def global_min_pool(
    x: ArrayLike,
    *,
    return_indices: Literal[True] | IndexForm,
    ties: Ties = ...,
    **words: Unpack[WholeWords],
) -> tuple[Array, Array]: ...


@pooling
def global_min_pool(
    x: ArrayLike,
    *,
    return_indices: bool | IndexForm = False,
    ties: Ties = "first",
    **words: Unpack[WholeWords],
) -> Array | tuple[Array, Array]:
    """The minimum over the pooled axes, which stay with one cell each.

    >>> import numpy as np, ndpool
    >>> ndpool.global_min_pool(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[1]])

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        return_indices, ties: As in `ndpool.max_pool`.
        {axes}

    Returns:
        What `min_pool` returns for a window of the pooled axes' sizes.

    {errors}

    Source: see `ndpool.min_pool`.
    """
    size, given = window_of(x, words)
    asked: Any = return_indices  # no overload of min_pool takes it as both
    found: Array | tuple[Array, Array]
    found = min_pool(x, size, return_indices=asked, ties=ties, **given)
    return found


@pooling
def global_min_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    *,
    index_form: IndexForm = "window",
    ties: Ties = "first",
    x: ArrayLike | None = None,
    **words: Unpack[WholeGradientWords],
) -> Array:
    """The gradient of `global_min_pool`: each `dy` goes to the cell that won.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2], [3, 4, 9]])
    >>> y, indices = ndpool.global_min_pool(x, return_indices=True)
    >>> ndpool.global_min_pool_backward(np.array([[7]]), indices, x.shape)
    array([[7, 0, 0],
           [0, 0, 0]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        index_form, ties, x: As in `ndpool.max_pool_backward`.
        {axes}

    Returns:
        dx of shape `x_shape`, as `min_pool_backward` returns it.

    {errors}

    Source: see `ndpool.max_pool_backward`.
    """
    size, given = window_of_shape(x_shape, words)
    return min_pool_backward(
        dy, indices, x_shape, size, index_form=index_form, ties=ties, x=x, **given
    )


class GlobalMinPool(WinnerLayer):
    """Global min pooling with its backward pass; arguments as in `ndpool.global_min_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.GlobalMinPool()
    >>> layer.forward(np.array([[1, 5, 2], [3, 4, 9]]))
    array([[1]])
    >>> layer.backward(np.array([[7]]))
    array([[7, 0, 0],
           [0, 0, 0]])

    What it remembers is as in `ndpool.MaxPool`. Raises and source: see `ndpool.global_min_pool`.
    """

    _pool = staticmethod(global_min_pool)
    _gradient = staticmethod(global_min_pool_backward)
