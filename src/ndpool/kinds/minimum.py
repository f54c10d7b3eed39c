"""Min pooling: max pooling of the values in the opposite order, by whichever engine serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..choices import Ties
from ..geometry import Size, plain_shape
from ..indices import IndexForm
from ..layers import MaxPool
from ..pool import max_pool, max_pool_backward
from .words import GradientWords, Words, checked, pooling

Array = NDArray[Any]


@overload
def min_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    return_indices: Literal[False] = ...,
    ties: Ties = ...,
    **words: Unpack[Words],
) -> Array: ...


@overload
def min_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    return_indices: Literal[True] | IndexForm,
    ties: Ties = ...,
    **words: Unpack[Words],
) -> tuple[Array, Array]: ...


@pooling
def min_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    return_indices: bool | IndexForm = False,
    ties: Ties = "first",
    **words: Unpack[Words],
) -> Array | tuple[Array, Array]:
    """The minimum of each window of `x`, and on request which cell it came from.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> ndpool.min_pool(x, 2, return_indices=True)
    (array([[1, 0]]), array([[0, 1]], dtype=uint8))

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        return_indices, ties: As in `ndpool.max_pool`.

    Returns:
        y of `max_pool`'s output shape and x's dtype; with `return_indices` the pair
        ``(y, indices)``. Ties, NaN, padding and windows without a cell are as in `max_pool`: of
        equal cells the first wins, NaN wins over all else, padding never does.

    {errors}

    Source: erosion by a flat window, Serra, "Image analysis and mathematical morphology", 1982.
    """
    x = as_array("x", x)
    checked(words, Words)
    asked: Any = return_indices  # no overload of max_pool takes it as both
    found: Any = max_pool(_reversed(x), kernel_size, return_indices=asked, ties=ties, **words)
    return (_reversed(found[0]), found[1]) if isinstance(found, tuple) else _reversed(found)


@pooling
def min_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    ties: Ties = "first",
    x: ArrayLike | None = None,
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `min_pool`: each `dy` goes to the cell that won its window.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2], [3, 4, 9]])
    >>> y, indices = ndpool.min_pool(x, 2, stride=1, return_indices=True)
    >>> ndpool.min_pool_backward(np.array([[10, 1]]), indices, x.shape, 2, stride=1)
    array([[10,  0,  1],
           [ 0,  0,  0]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}
        index_form, ties, x: As in `ndpool.max_pool_backward`.

    Returns:
        dx of shape `x_shape` and dy's dtype, summed as by `ndpool.max_pool_backward`.

    {errors}

    Source: see `ndpool.max_pool_backward`, which it is: winners are winners.
    """
    shape = plain_shape("x_shape", x_shape)
    checked(words, GradientWords)
    return max_pool_backward(
        dy, indices, shape, kernel_size, index_form=index_form, ties=ties, x=x, **words
    )


class MinPool(MaxPool):
    """Min pooling with its backward pass; arguments as in `ndpool.min_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MinPool(2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    array([[1.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[10.,  0.],
           [ 0.,  0.]])

    What it remembers is as in `ndpool.MaxPool`. Raises and source: see `ndpool.min_pool`.
    """

    _pool = staticmethod(min_pool)
    _gradient = staticmethod(min_pool_backward)


def _reversed(values: Array) -> Array:
    """A copy whose order is the opposite; twice is the same bits again, NaN's and zeros' too."""
    flipped: Array = ~values if values.dtype.kind in "biu" else np.negative(values)
    return flipped.astype(values.dtype, copy=False)  # big-endian again, if it was
