"""Gather by winners and scatter by winners: the derivative of max pooling and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..geometry import Geometry, Size, plain_shape
from ..indices import IndexForm, as_offsets, first_outside, position_blocks, refuse_index
from ..kinds.words import GeometryWords, placed, pooling
from ..pool import max_pool_backward

Array = NDArray[Any]


@pooling
def gather_winners(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    **words: Unpack[GeometryWords],
) -> Array:
    """What stands in `x` where the winners of another array's windows stood.

    >>> import numpy as np, ndpool
    >>> y, indices = ndpool.max_pool(np.array([[1, 5, 2, 0], [3, 4, 9, 7]]), 2, return_indices=True)
    >>> ndpool.gather_winners(np.array([[10, 20, 30, 40], [50, 60, 70, 80]]), indices, 2)
    array([[20, 70]])

    Args:
        x: Array of the shape that was pooled; any poolable dtype. Not modified.
        indices: Winners as `max_pool` or `min_pool` returned them. Not modified.
        {geometry}
        index_form: The form of `indices`: "window", "plane" or "tensor", see `max_pool`.

    Returns:
        y of the shape of `indices` and x's dtype, bit for bit. It is linear in x: for a change of
        the pooled array it is the change of max pooling's output.

    {errors}

    Source: the forward mode of Wengert, "A simple automatic derivative evaluation program",
    Communications of the ACM 7(8), 1964; its adjoint is `scatter_winners`.
    """
    x = as_array("x", x)
    shapes = placed(x.shape, kernel_size, words)
    return gathered(x, checked_offsets(indices, shapes, index_form), shapes)


@pooling
def scatter_winners(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    engine: str | None = None,
    **words: Unpack[GeometryWords],
) -> Array:
    """The adjoint of `gather_winners`: adds each `dy` to the cell that won its window.

    >>> import numpy as np, ndpool
    >>> ndpool.scatter_winners(np.array([[10, 1]]), np.array([[1, 2]], np.uint8), (2, 4), 2)
    array([[ 0, 10,  0,  0],
           [ 0,  0,  1,  0]])

    Args:
        dy: Array of the output's shape; any poolable dtype. Not modified.
        indices: Winners as `max_pool` or `min_pool` returned them. Not modified.
        x_shape: Shape of the array that was pooled.
        {geometry}
        index_form, engine: As in `ndpool.max_pool_backward`.

    Returns:
        dx of shape `x_shape` and dy's dtype, summed as by `ndpool.max_pool_backward`, which it is.

    {errors}

    Source: see `ndpool.max_pool_backward`.
    """
    placed(plain_shape("x_shape", x_shape), kernel_size, words)
    return max_pool_backward(
        dy, indices, x_shape, kernel_size, index_form=index_form, engine=engine, **words
    )


def checked_offsets(indices: object, shapes: Geometry, form: object) -> Array:
    """Winners of any form as offsets in their windows, each a cell of the input."""
    offsets = as_offsets(indices, shapes, form)
    if (position := first_outside(offsets, shapes)) is not None:
        refuse_index(offsets, shapes, position)
    return offsets


def gathered(x: Array, offsets: Array, shapes: Geometry) -> Array:
    """The winners' cells of x, in an array of y's shape; `offsets` have been checked."""
    y, flat = np.empty(shapes.y_shape, x.dtype), x.reshape(-1)
    for block, at in position_blocks(offsets, shapes, "tensor"):
        y[block] = flat[at]
    return y
