"""The pooling functions. Each makes a geometry, chooses an engine, and hands over the arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import engines
from .arguments import as_array, as_target, delivered
from .choices import NanPolicy, Ties
from .engines import native
from .errors import PoolError
from .geometry import Geometry, Padding, Size, geometry, plain_shape
from .indices import (
    IndexForm,
    asked_form,
    checked_form,
    checked_indices,
    first_outside,
    offsets_at_the_end,
    refuse_index,
    to_offsets,
    to_positions,
)

Array = NDArray[Any]

# Compared by `is`, as words written in a program are one object: an array may have come in their
# place. Any other string of these letters takes the longer way to the same result.
_FIRST: Ties = "first"
_PROPAGATE: NanPolicy = "propagate"


@overload
def max_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    axes: Size | None = ...,
    where: ArrayLike | None = ...,
    nan_policy: NanPolicy = ...,
    ties: Ties = ...,
    return_indices: Literal[False] = ...,
    out: Array | None = ...,
    engine: str | None = ...,
) -> Array: ...


@overload
def max_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    axes: Size | None = ...,
    where: ArrayLike | None = ...,
    nan_policy: NanPolicy = ...,
    ties: Ties = ...,
    return_indices: Literal[True] | IndexForm,
    out: Array | None = ...,
    engine: str | None = ...,
) -> tuple[Array, Array]: ...


def max_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    axes: Size | None = None,
    where: ArrayLike | None = None,
    nan_policy: NanPolicy = "propagate",
    ties: Ties = "first",
    return_indices: bool | IndexForm = False,
    out: Array | None = None,
    engine: str | None = None,
) -> Array | tuple[Array, Array]:
    """The maximum of each window of `x`, and on request which cell it came from.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> ndpool.max_pool(x, 2)
    array([[5, 9]])
    >>> ndpool.max_pool(x, 2, return_indices=True)[1]
    array([[1, 2]], dtype=uint8)

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        kernel_size: Cells of a window along each pooled axis. An int pools the last two axes,
            a tuple of d the last d.
        stride: Cells from one window to the next; None is `kernel_size`.
        padding: Cells added around the input that never win: an int, one for each axis,
            ``(before, after)`` pairs, "valid" (none), "same" (out = ceil(n / stride), the odd
            cell at the end) or "same_lower" (at the start).
        dilation: Cells from one tap of a window to the next.
        ceil_mode: Round output sizes up instead of down; the last window must then start inside
            the input or its left padding.
        axes: The axes to pool, instead of the last ones; all others are batch.
        where: Bools that broadcast to x's shape; a cell where they are False is looked at no more
            than padding is.
        nan_policy: "propagate"; "omit": NaNs are cells that `where` has False for; or "raise".
        ties: Which of equal cells wins, the "first" in row-major order or the "last". With "split"
            and "all" it is the first, but `max_pool_backward` divides the gradient among them
            equally, or gives all of it to each. NaNs are equal to each other, as 0.0 and -0.0 are.
        return_indices: True or "window" for each winner's row-major offset in its window, in the
            smallest unsigned dtype; "plane" for int64 positions over the pooled axes (PyTorch's
            form); "tensor" for int64 positions in the whole array (ONNX's).
        out: Array of the result's shape and dtype to write to. May overlap `x`.
        engine: "native" or "numpy"; None is NDPOOL_ENGINE, or native wherever it is able.

    Returns:
        y, of x's dtype and, along each pooled axis,
        ``floor((n + before + after - dilation * (k - 1) - 1) / stride) + 1`` long;
        with `return_indices` the pair ``(y, indices)``. NaN wins over all else. A window whose
        cells `where` or `nan_policy` left none of is NaN; its index is that of one of its cells
        inside x.

    Raises:
        PoolError: A value that no pooling can be done with; the message names the argument. Also a
            window without a cell where x has no NaN: an integer or bool dtype.
        TypeError: An argument of the wrong type.

    Source: Yamaguchi, Sakamoto, Akabane, Fujimoto, "A neural network for speaker-independent
    isolated word recognition", ICSLP 1990; argument names and ceil mode after PyTorch's
    ``torch.nn.MaxPool2d``.
    """
    is_plain = ties is _FIRST and nan_policy is _PROPAGATE and where is None
    if is_plain and engine is None and out is None:
        done: Array | tuple[Array, Array] | None = native.forward_again(
            x, kernel_size, stride, padding, dilation, ceil_mode, axes, return_indices
        )
        if done is not None:
            return done
    x = as_array("x", x)
    words = (kernel_size, stride, padding, dilation, ceil_mode, axes)
    shapes = geometry(x.shape, *words)
    if not is_plain:
        form = asked_form("return_indices", return_indices)
        from .kinds import maximum  # here, as most programs have no use for it

        y, offsets = maximum.winners(x, shapes, engine, where, nan_policy, ties)
        y = delivered(y, out)
        return y if form is None else (y, _in_form(offsets, shapes, form))
    run = engines.choose(engine, x.dtype, shapes)
    y = native.empty(shapes.y_shape, x.dtype) if out is None else as_target(out, shapes.y_shape, x)
    form = None if return_indices is False else asked_form("return_indices", return_indices)
    if run is native and engine is None and form in (None, "window"):
        native.keep_forward(x, shapes, *words, return_indices)
    if form is None:
        run.max_pool(x, shapes, y, None)
        return delivered(y, out)
    if form == "window":
        indices = native.empty(shapes.y_shape, shapes.index_dtype)
        run.max_pool(x, shapes, y, indices)
    else:
        indices = np.empty(shapes.y_shape, np.int64)
        offsets = offsets_at_the_end(indices, shapes)
        run.max_pool(x, shapes, y, offsets)
        to_positions(offsets, shapes, form, indices)
    return delivered(y, out), indices


def max_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    axes: Size | None = None,
    index_form: IndexForm = "window",
    where: ArrayLike | None = None,
    ties: Ties = "first",
    x: ArrayLike | None = None,
    out: Array | None = None,
    engine: str | None = None,
) -> Array:
    """The gradient of `max_pool`: each `dy` goes to the cell that won its window.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2], [3, 4, 9]])
    >>> y, indices = ndpool.max_pool(x, 2, stride=1, return_indices=True)
    >>> ndpool.max_pool_backward(np.array([[10, 1]]), indices, x.shape, 2, stride=1)
    array([[ 0, 10,  0],
           [ 0,  0,  1]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        kernel_size, stride, padding, dilation, ceil_mode, axes: As in the forward call.
        index_form: The form of `indices`: "window", "plane" or "tensor", see `max_pool`.
        where: As in the forward call; after ``nan_policy="omit"`` False for each NaN, too.
        ties: As in the forward call.
        x: The forward call's input, which "split" and "all" need to find equal cells. Not modified.
        out: Array of the result's shape and dtype to write to. May overlap any other.
        engine: As in `max_pool`.

    Returns:
        dx of shape `x_shape` and dy's dtype (float64 for integers and bool that are split). Where
        windows overlap, a cell gets the sum over the windows it won, added in the order of the
        outputs (float16 and bfloat16 are summed in float32 and rounded once; integers wrap around;
        bools are or-ed). The result is the same
        to the bit for any engine and number of threads. What belongs to a window without a cell
        goes nowhere.

    Raises:
        PoolError: Shapes that do not fit together, or an index that is no cell of its window
            inside the input, or not one that `where` has; the message names the argument.
        TypeError: An argument of the wrong type or dtype.

    Source: Scherer, Mueller, Behnke, "Evaluation of pooling operations in convolutional
    architectures for object recognition", ICANN 2010.
    """
    words = (kernel_size, stride, padding, dilation, ceil_mode, axes)
    is_plain = ties is _FIRST and where is None
    if is_plain and engine is None and out is None:
        done: Array | None = native.backward_again(dy, indices, x_shape, *words, index_form)
        if done is not None:
            return done
    dy = as_array("dy", dy)
    plain_x_shape = plain_shape("x_shape", x_shape)
    shapes = geometry(plain_x_shape, *words)
    if dy.shape != shapes.y_shape:
        raise PoolError("dy", f"shape {shapes.y_shape}", f"shape {dy.shape}")
    form = checked_form("index_form", index_form)
    winners = checked_indices(indices, shapes, form)
    if form != "window":
        positions, winners = winners, np.empty(shapes.y_shape, shapes.index_dtype)
        to_offsets(positions, shapes, form, winners)
    if not is_plain:
        from .kinds import maximum

        given = None if x is None else as_array("x", x)
        dx = maximum.gradient(dy, winners, shapes, engine, where, ties, given)
        return delivered(dx, out)
    run = engines.choose(engine, dy.dtype, shapes, backward=True)
    if run is native and engine is None and form == "window":
        native.keep_backward(dy, shapes, x_shape, *words, index_form)
    return delivered(run.max_pool_backward(dy, winners, shapes), out)


def _in_form(offsets: Array, shapes: Geometry, form: IndexForm) -> Array:
    """Offsets in the window, none outside, as indices of `form`."""
    if form == "window":
        return offsets
    positions = np.empty(shapes.y_shape, np.int64)
    to_positions(offsets, shapes, form, positions)
    return positions


def convert_indices(
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    from_: IndexForm = "window",
    to: IndexForm = "plane",
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    axes: Size | None = None,
) -> Array:
    """Winners in another form: "window", "plane" (PyTorch's) or "tensor" (ONNX's).

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> y, indices = ndpool.max_pool(x, 2, return_indices=True)
    >>> ndpool.convert_indices(indices, x.shape, 2, to="plane")
    array([[1, 6]])

    Args:
        indices: Winners of shape y.shape, in the form and dtype that `from_` says.
        x_shape: Shape of the input that was pooled.
        from_, to: "window" (offset in the window, smallest unsigned dtype), "plane" (int64
            position over the pooled axes) or "tensor" (int64 position in the whole array).
        kernel_size, stride, padding, dilation, ceil_mode, axes: As in the forward call.

    Returns:
        A new array of the same shape. Every form gives back every other without loss.

    Raises:
        PoolError: An index that is no cell of its window inside the input; others as `max_pool`.
        TypeError: An argument of the wrong type or dtype.

    Source: "plane" is the form of ``torch.nn.MaxPool2d(return_indices=True)``, "tensor" that of
    the ONNX operator MaxPool with ``storage_order=0``.
    """
    source, target = checked_form("from_", from_), checked_form("to", to)
    x_shape = plain_shape("x_shape", x_shape)
    shapes = geometry(x_shape, kernel_size, stride, padding, dilation, ceil_mode, axes)
    given = checked_indices(indices, shapes, source)
    if source == "window" and (position := first_outside(given, shapes)) is not None:
        refuse_index(given, shapes, position)
    result = np.empty(shapes.y_shape, shapes.index_dtype if target == "window" else np.int64)
    offsets = result if target == "window" else offsets_at_the_end(result, shapes)
    if source == "window":
        offsets[...] = given
    else:
        to_offsets(given, shapes, source, offsets)
    if target != "window":
        to_positions(offsets, shapes, target, result)
    return result
