"""Max-blur pooling: the maxima of all windows, blurred before every stride-th of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

from numpy.typing import ArrayLike, NDArray

from ..choices import one_of
from ..errors import PoolError, shown
from ..geometry import Geometry, Size, plain_shape
from ..indices import IndexForm
from ..pool import max_pool, max_pool_backward
from .blur import MOST, Mode, blur_pool, blur_pool_backward
from .layer import WinnerLayer
from .mechanism import float_dtype, float_result
from .words import GradientWords, Words, opened, opened_gradient, placed, pooling, whole

Array = NDArray[Any]


@overload
def max_blur_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    blur: SupportsIndex = ...,
    blur_mode: Mode = ...,
    return_indices: Literal[False] = ...,
    **words: Unpack[Words],
) -> Array: ...


@overload
def max_blur_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    blur: SupportsIndex = ...,
    blur_mode: Mode = ...,
    return_indices: Literal[True] | IndexForm,
    **words: Unpack[Words],
) -> tuple[Array, Array]: ...


@pooling
def max_blur_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    blur: SupportsIndex = 3,
    blur_mode: Mode = "reflect",
    return_indices: bool | IndexForm = False,
    **words: Unpack[Words],
) -> Array | tuple[Array, Array]:
    """The maxima of windows at every cell, blurred, and then of these one in every `stride`.

    >>> import numpy as np, ndpool
    >>> x = np.array([0, 0, 8, 0, 0, 0])
    >>> ndpool.max_pool(x, (2,)), ndpool.max_pool(x[1:], (2,))   # moved by one: another shape
    (array([0, 8, 0]), array([8, 0]))
    >>> ndpool.max_blur_pool(x, (2,)), ndpool.max_blur_pool(x[1:], (2,))
    (array([4., 6., 0.]), array([8., 2.]))

    Args:
        x: Array of any shape; bool, integers, float16, bfloat16, float32, float64. Not modified.
        {geometry}
        blur: Taps of the blur along each pooled axis, see `ndpool.blur_pool`; 1 is none, which
            makes this `ndpool.max_pool`.
        blur_mode: What the blur sees beyond the first and last maximum, in `numpy.pad`'s words:
            "reflect" (the paper's), "edge", "symmetric", "wrap", "constant" (zeros).
        return_indices: As in `ndpool.max_pool`; they are those of the maxima, with stride 1.

    Returns:
        y of `max_pool`'s output shape, in x's dtype if that is a float (float16 and bfloat16 are
        blurred in float32 and rounded once), else float64; with `return_indices` the pair
        ``(y, indices)``. Padding never wins. NaN and infinities propagate as in sums, and so
        does the NaN of a window without a cell, which for dtypes without NaN is an error.

    {errors}

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
    """
    x, shapes, _ = opened(x, kernel_size, words)
    dense, sparse = steps(shapes, blur, blur_mode, words)
    asked: Any = return_indices  # no overload of max_pool takes it as both
    found: Any = max_pool(x, return_indices=asked, **dense)
    maxima, *indices = found if isinstance(found, tuple) else (found,)
    y = blur_pool(maxima, **sparse)
    return (y, *indices) if indices else y


@pooling
def max_blur_pool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    blur: SupportsIndex = 3,
    blur_mode: Mode = "reflect",
    index_form: IndexForm = "window",
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `max_blur_pool`: through the blur's adjoint to the cells that won.

    >>> import numpy as np, ndpool
    >>> x = np.array([0, 0, 8, 0, 0, 0])
    >>> y, indices = ndpool.max_blur_pool(x, (2,), return_indices=True)
    >>> ndpool.max_blur_pool_backward(np.array([4.0, 4.0, 4.0]), indices, x.shape, (2,))
    array([2., 0., 5., 3., 2., 0.])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        indices: Winners as the forward call returned them. Not modified.
        x_shape: Shape of the forward call's input.
        {geometry}
        blur, blur_mode: As in the forward call.
        index_form: The form of `indices`: "window", "plane" or "tensor", see `ndpool.max_pool`.

    Returns:
        dx of shape `x_shape`, in dy's dtype if that is a float, else float64; float16 and
        bfloat16 are computed in float32 and rounded once.

    {errors}

    Source: see `max_blur_pool`.
    """
    dy, shapes, _ = opened_gradient(dy, plain_shape("x_shape", x_shape), kernel_size, words)
    dense, sparse = steps(shapes, blur, blur_mode, words)
    wide = dy.astype(float_dtype(dy.dtype))
    of_maxima = blur_pool_backward(
        wide, placed(shapes.shape, dense["kernel_size"], dense).y_shape, **sparse
    )
    dx = max_pool_backward(of_maxima, indices, shapes.shape, index_form=index_form, **dense)
    return float_result(dx, dy.dtype)


class MaxBlurPool(WinnerLayer):
    """Max-blur pooling with its backward pass; arguments as in `ndpool.max_blur_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MaxBlurPool((2,))
    >>> layer.forward(np.array([0.0, 0.0, 8.0, 0.0, 0.0, 0.0]))
    array([4., 6., 0.])
    >>> layer.backward(np.array([4.0, 4.0, 4.0]))
    array([2., 0., 5., 3., 2., 0.])

    The winners are kept for backward, and not the input.
    Raises and source: see `ndpool.max_blur_pool`.
    """

    _pool = staticmethod(max_blur_pool)
    _gradient = staticmethod(max_blur_pool_backward)


def steps(
    shapes: Geometry, blur: SupportsIndex, blur_mode: object, words: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of max pooling with stride 1, and those of the blur that follows."""
    padding = []
    for axis in range(len(shapes.axes)):
        span = shapes.dilation[axis] * (shapes.kernel[axis] - 1) + 1
        before, after = shapes.before[axis], shapes.after[axis]
        # in ceil mode the last window to be kept may start later than those of stride 1 do
        last = shapes.sizes[axis] + before + after - span
        beyond = (shapes.out[axis] - 1) * shapes.stride[axis] - last
        padding.append((before, after + max(beyond, 0)))
    dense = {
        **words,  # where, nan_policy and engine are the maxima's
        "kernel_size": shapes.kernel,
        "stride": 1,
        "padding": tuple(padding),
        "dilation": shapes.dilation,
        "axes": shapes.axes,
        "ceil_mode": False,
    }
    sparse = {
        "kernel_size": (_taps(blur),) * len(shapes.axes),
        "stride": shapes.stride,
        "axes": shapes.axes,
        "mode": one_of(Mode, "blur_mode", blur_mode),
    }
    return dense, sparse


def _taps(blur: object) -> int:
    taps = whole("blur", blur)
    if not 1 <= taps <= MOST:
        raise PoolError("blur", f"1 to {MOST} taps", shown(blur))
    return taps
