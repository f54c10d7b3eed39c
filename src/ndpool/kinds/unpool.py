"""Max unpooling: each value goes to where the winner of its window stood, zero elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import engines
from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import Geometry, Size, plain_shape
from ..indices import IndexForm, position_blocks
from ..maps.winners import checked_offsets, gathered
from .layer import Layer
from .words import GeometryWords, fitting, placed, pooling

Array = NDArray[Any]
Repeated = Literal["error", "sum", "last"]


@pooling
def max_unpool(
    y: ArrayLike,
    indices: ArrayLike,
    x_shape: Sequence[SupportsIndex],
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    repeated: Repeated = "error",
    **words: Unpack[GeometryWords],
) -> Array:
    """Max pooling undone: each value of `y` at its winner's place, zero elsewhere.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 5, 2, 0], [3, 4, 9, 7]])
    >>> y, indices = ndpool.max_pool(x, 2, return_indices=True)
    >>> ndpool.max_unpool(y, indices, x.shape, 2)
    array([[0, 5, 0, 0],
           [0, 0, 9, 0]])

    Args:
        y: Array of the pooled shape, often another than was pooled; any poolable dtype. Not
            modified.
        indices: Winners as `max_pool` returned them, of y's shape. Not modified.
        x_shape: Shape of the array that was pooled, and of the result.
        {geometry}
        index_form: The form of `indices`: "window", "plane" or "tensor", see `max_pool`.
        repeated: What to do where windows overlap and a cell won several. "error" refuses it;
            "sum" adds the values as `max_pool_backward` does; "last" takes that of the last
            window, row-major.

    Returns:
        x of shape `x_shape` and y's dtype; with "error" and "last" y's own bits.

    {errors}

    Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    ``torch.nn.MaxUnpool2d`` takes "plane" indices, and of repeated ones any value, another each
    time; its ``output_size`` is the end of `x_shape`, by default
    ``(out - 1) * stride + kernel_size - 2 * padding``. ONNX's MaxUnpool takes "tensor" indices of
    that default shape, and adds zeros at the end of each axis up to its ``output_shape``.
    """
    y = as_array("y", y)
    shapes = placed(plain_shape("x_shape", x_shape), kernel_size, words)
    fitting("y", y, shapes.y_shape)
    policy = _policy(repeated)
    offsets = checked_offsets(indices, shapes, index_form)
    if policy == "last":
        return _last(y, offsets, shapes)
    if policy == "sum":
        return _summed(y, offsets, shapes)
    _refuse_repeated(offsets, shapes)
    # The sum of one value and zeros has the value's bits if they are added as an integer's.
    bits = y.view(f"u{y.dtype.itemsize}")
    return _summed(bits, offsets, shapes).view(y.dtype)


@pooling
def max_unpool_backward(
    dy: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    repeated: Repeated = "error",
    **words: Unpack[GeometryWords],
) -> Array:
    """The gradient of `max_unpool`: each of its values gets that of the cell it was put to.

    >>> import numpy as np, ndpool
    >>> dy = np.array([[10, 20, 30, 40], [50, 60, 70, 80]])
    >>> ndpool.max_unpool_backward(dy, np.array([[1, 2]], np.uint8), 2)
    array([[20, 70]])

    Args:
        dy: Gradient of the output, of the shape `x_shape` of the forward call; any poolable dtype.
            Not modified.
        indices: As in the forward call.
        {geometry}
        index_form, repeated: As in the forward call. With "last" the values that were not the last
            of their cell get 0.

    Returns:
        The gradient of the values that were put, of the shape of `indices` and dy's dtype.

    {errors}

    Source: see `max_unpool`.
    """
    dy, policy = as_array("dy", dy), _policy(repeated)
    shapes = placed(dy.shape, kernel_size, words)
    offsets = checked_offsets(indices, shapes, index_form)
    gradient = gathered(dy, offsets, shapes)
    if policy == "last":
        # which window each cell took its value from, and so whether a window was that one
        number = np.arange(offsets.size, dtype=np.int64).reshape(shapes.y_shape)
        taken = gathered(_last(number, offsets, shapes), offsets, shapes)
        gradient[taken != number] = 0
    return gradient


class MaxUnpool(Layer):
    """Max unpooling with its backward pass; arguments as in `ndpool.max_unpool`.

    >>> import numpy as np, ndpool
    >>> pool, unpool = ndpool.MaxPool(2), ndpool.MaxUnpool(2)
    >>> y = pool.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    >>> unpool.forward(y, pool.indices, pool.x_shape)
    array([[0., 5.],
           [0., 0.]])
    >>> unpool.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2.]])

    `forward` takes the values, the winners and the shape that was pooled; the winners are kept, not
    copied. Raises and source: see `ndpool.max_unpool`.
    """

    _pool = staticmethod(max_unpool)
    _gradient = staticmethod(max_unpool_backward)
    _arrays = 3

    def __call__(  # type: ignore[override]
        self, y: ArrayLike, indices: ArrayLike, x_shape: Sequence[SupportsIndex]
    ) -> Array:
        """The same as `forward`."""
        return self.forward(y, indices, x_shape)

    def forward(  # type: ignore[override]
        self, y: ArrayLike, indices: ArrayLike, x_shape: Sequence[SupportsIndex]
    ) -> Array:
        """x of shape `x_shape`; remembers where the values went."""
        x = max_unpool(y, indices, x_shape, *self.sizes, **self.options)
        self.saved, self.words = (indices, *self.sizes), self.options
        return x


def _summed(y: Array, offsets: Array, shapes: Geometry) -> Array:
    run = engines.choose(None, y.dtype, shapes, backward=True)
    return run.max_pool_backward(y, offsets, shapes)


def _last(y: Array, offsets: Array, shapes: Geometry) -> Array:
    flat = np.zeros(shapes.shape, y.dtype).reshape(-1)
    for block, at in position_blocks(offsets, shapes, "tensor"):
        # One axis, so that NumPy goes in this order: of repeated places the last value stays.
        flat[at.reshape(-1)] = y[block].reshape(-1)
    return flat.reshape(shapes.shape)


def _refuse_repeated(offsets: Array, shapes: Geometry) -> None:
    spans = (d * (k - 1) + 1 for k, d in zip(shapes.kernel, shapes.dilation, strict=True))
    if all(s >= span for s, span in zip(shapes.stride, spans, strict=True)):
        return  # no two windows share a cell
    counts = _summed(np.broadcast_to(np.int32(1), shapes.y_shape), offsets, shapes)
    if counts.size and counts.max() > 1:
        cell = tuple(int(i) for i in np.unravel_index(counts.argmax(), shapes.shape))
        raise PoolError(
            "indices",
            "each cell at most once",
            f"cell {cell} {counts.max()} times",
            "say what to do with repeated='sum' or repeated='last'",
        )


def _policy(repeated: object) -> str:
    expected = "'error', 'sum' or 'last'"
    if not isinstance(repeated, str):
        raise PoolTypeError("repeated", expected, shown(repeated))
    if repeated not in get_args(Repeated):
        raise PoolError("repeated", expected, shown(repeated))
    return repeated
