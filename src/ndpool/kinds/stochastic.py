"""Stochastic pooling: one cell of each window by chance, the likelier the larger it is."""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError
from ..geometry import Geometry, Size
from ..indices import IndexForm, asked_form
from ..pool import max_pool_backward
from .chance import ChanceLayer
from .masks import Mask
from .mechanism import filled, float_dtype, float_result, spread, window_max, window_sums
from .rows import Rows, chosen, in_form, pooled_last, with_nan
from .smooth import Smooth
from .words import (
    GradientWords,
    Seed,
    Words,
    flag,
    generator,
    opened,
    opened_gradient,
    placed,
    pooling,
)

Array = NDArray[Any]


@overload
def stochastic_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    training: bool = ...,
    rng: Seed = ...,
    return_indices: Literal[False] = ...,
    **words: Unpack[Words],
) -> Array: ...


@overload
def stochastic_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    training: bool = ...,
    rng: Seed = ...,
    return_indices: Literal[True] | IndexForm,
    **words: Unpack[Words],
) -> tuple[Array, Array]: ...


@pooling
def stochastic_pool(
    x: ArrayLike,
    kernel_size: Size,
    *,
    training: bool = True,
    rng: Seed = None,
    return_indices: bool | IndexForm = False,
    **words: Unpack[Words],
) -> Array | tuple[Array, Array]:
    """One cell of each window, taken with probability ``x / sum``; or what is to be expected of it.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 3, 0, 0], [0, 0, 0, 7]])
    >>> ndpool.stochastic_pool(x, 2, rng=0, return_indices=True)
    (array([[3, 7]]), array([[1, 3]], dtype=uint8))
    >>> ndpool.stochastic_pool(x, 2, training=False)
    array([[2.5, 7. ]])

    Args:
        x: Array of any shape, none of it negative; bool, integers, float16, bfloat16, float32,
            float64. Not modified.
        {geometry}
        training: True takes cells by chance; False takes the mean of a window's cells, weighted
            by their probabilities.
        rng: Where chance comes from: a seed, a `numpy.random.Generator`, which is used up by one
            number for each window, or None for a new one. A seed gives the same cells for every
            memory layout.
        return_indices: In training, as in `ndpool.max_pool`.

    Returns:
        y of `max_pool`'s output shape. In training of x's dtype, or with `return_indices` the
        pair ``(y, indices)``; else in x's dtype if that is a float (float16 and bfloat16 are
        computed in float32 and rounded once), and float64 for integers and bool. In a window of
        zeros each cell is as likely, in one with infinities each of those, and padding never is.
        In a window with NaN that is it, the first one. A window without a cell is NaN; for
        dtypes without NaN it is an error.

    {errors}

    Source: Zeiler, Fergus, "Stochastic pooling for regularization of deep convolutional neural
    networks", ICLR 2013.
    """
    is_training = flag("training", training)
    form = asked_form("return_indices", return_indices)
    x, shapes, mask = opened(x, kernel_size, words)
    _refuse_negative(filled(x, mask))
    engine = words.get("engine")
    if not is_training:
        if form is not None:
            raise PoolError("return_indices", "False where training is False", return_indices)
        dtype = float_dtype(x.dtype)
        largest, sums, squares = _moments(x.astype(dtype), shapes, mask, engine)
        with np.errstate(all="ignore"):
            return float_result(largest * (squares / sums), x.dtype)
    chances = pooled_last(generator("rng", rng).random(shapes.y_shape), shapes)

    def choose(rows: Rows) -> Array:
        return _drawn(rows, chances[rows.place])[None]

    found, offsets = chosen(x, shapes, mask, 1, choose)
    y = with_nan(found[0], shapes, mask)
    return y if form is None else (y, in_form(offsets[0], shapes, form))


@pooling
def stochastic_pool_backward(
    dy: ArrayLike,
    x: ArrayLike,
    indices: ArrayLike | None,
    kernel_size: Size,
    *,
    index_form: IndexForm = "window",
    **words: Unpack[GradientWords],
) -> Array:
    """The gradient of `stochastic_pool`: to the cells that were taken, or of the expectation.

    >>> import numpy as np, ndpool
    >>> x = np.array([[1, 3, 0, 0], [0, 0, 0, 7]])
    >>> y, indices = ndpool.stochastic_pool(x, 2, rng=0, return_indices=True)
    >>> ndpool.stochastic_pool_backward(np.array([[8.0, 1.0]]), x, indices, 2)
    array([[0., 8., 0., 0.],
           [0., 0., 0., 1.]])
    >>> ndpool.stochastic_pool_backward(np.array([[8.0, 1.0]]), x, None, 2)
    array([[-1.,  7., -1., -1.],
           [-5., -5., -1.,  1.]])

    Args:
        dy: Gradient of the output, of the output's shape; any poolable dtype. Not modified.
        x: The forward call's input, of which only the shape matters in training. Not modified.
        indices: Those that the forward call in training returned; None is the gradient of the
            expectation, ``dy * (2 * x - y) / sum``, which is what it does with training=False.
        {geometry}
        index_form: The form of `indices`: "window", "plane" or "tensor", see `ndpool.max_pool`.

    Returns:
        dx of x's shape: with indices in dy's dtype, summed as by `ndpool.max_pool_backward`; of
        the expectation in dy's dtype if that is a float, else float64, its parts added in the
        order of the outputs. Zeros and infinities are limits in which all of them in a window
        grow alike: cells of a window of zeros get equal parts. Those of one with NaN get NaN.

    {errors}

    Source: see `stochastic_pool`.
    """
    x = as_array("x", x)
    dy, shapes, mask = opened_gradient(dy, x.shape, kernel_size, words)
    if indices is not None:
        return max_pool_backward(dy, indices, x.shape, kernel_size, index_form=index_form, **words)
    _refuse_negative(filled(x, mask))
    dtype = float_dtype(dy.dtype, x.dtype)
    wide = x.astype(dtype)
    largest, sums, squares = _moments(wide, shapes, mask, words.get("engine"))
    dx = spread(dy, shapes, dtype, _slope, wide, largest, sums, squares, mask=mask)
    return float_result(dx, dy.dtype)


class StochasticPool(ChanceLayer):
    """Stochastic pooling with its backward pass; arguments as in `ndpool.stochastic_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.StochasticPool(2, rng=0)
    >>> layer.forward(np.array([[1.0, 3.0], [4.0, 0.0]]))
    array([[4.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[ 0.,  0.],
           [10.,  0.]])
    >>> layer.training = False
    >>> layer.forward(np.array([[1.0, 3.0], [4.0, 0.0]]))
    array([[3.25]])

    `training` may be set between calls. `rng` is one generator for all of them, made of the seed
    that was given. The input is kept for backward, not copied, and after a `forward` in training
    `indices` holds the cells that were taken. Raises and source: see `ndpool.stochastic_pool`.
    """

    _pool = staticmethod(stochastic_pool)
    _gradient = staticmethod(stochastic_pool_backward)
    indices: Array | None

    def _run(self, x: ArrayLike, words: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
        given: Any = {"return_indices": self.training, "training": self.training, **words}
        found = stochastic_pool(x, *self.sizes, rng=self.rng, **given)
        y: Array
        y, self.indices = found if isinstance(found, tuple) else (found, None)
        return y, (x, self.indices, *self.sizes)


def smooth(x: Array, kernel_size: Size, **words: Unpack[Words]) -> Smooth:
    """What the derivatives of the expectation at x are made of; see `Smooth`."""
    wide, shapes = x.astype(float_dtype(x.dtype)), placed(x.shape, kernel_size, words)

    def slopes(cells: Array, largest: Array, *moments: Array) -> tuple[Array, ...]:
        # y is the same for every divisor, so that the largest may be taken not to change
        here, each = _slope(cells, largest, *moments), 1 / np.where(largest == 0, np.inf, largest)
        return here, 0 * here, each + 0 * here, 2 * _shares(cells, largest) * each

    return Smooth(wide, shapes, slopes, _moments(wide, shapes, None, None))


def _slope(cells: Array, largest: Array, sums: Array, squares: Array) -> Array:
    slopes: Array = (2 * _shares(cells, largest) - squares / sums) / sums
    return slopes


def _drawn(rows: Rows, chances: Array) -> Array:
    """The places in the rows that these chances, from 0 to below 1, fall on."""
    cells = np.where(rows.there, rows.cells.astype(np.float64), 0)
    with np.errstate(all="ignore"):
        shares = _shares(cells, cells.max(axis=-1, keepdims=True)) * rows.there
    so_far = shares.cumsum(axis=-1)
    # the first that is passed: never one whose share is 0, as that passes nothing
    passed = so_far > chances[..., None] * so_far[..., -1:]
    is_nan = cells != cells
    taken = np.where(is_nan.any(axis=-1, keepdims=True), is_nan, passed)
    places: Array = taken.argmax(axis=-1)
    return places


def _moments(
    x: Array, shapes: Geometry, mask: Mask | None, engine: str | None
) -> tuple[Array, Array, Array]:
    """Each window's largest cell, the sum of its cells' shares, and of their squares."""
    largest = window_max(x, shapes, mask, engine)
    sums = window_sums(x, shapes, x.dtype, _shares, largest, mask=mask)
    squares = window_sums(x, shapes, x.dtype, lambda *of: _shares(*of) ** 2, largest, mask=mask)
    return largest, sums, squares


def _shares(cells: Array, largest: Array) -> Array:
    """The cells over their window's largest: what they are likely by.

    In a window of zeros all are 1. An infinite one is so much larger than the finite that these
    are 0, and like any other infinite one.
    """
    alike = (largest == 0) | np.isinf(largest)
    return np.where(alike, (cells == largest).astype(cells.dtype), cells / largest)


def _refuse_negative(x: Array) -> None:
    if x.dtype.kind in "bu":
        return
    with np.errstate(invalid="ignore"):
        negative = x < 0
    if negative.any():
        at = tuple(int(i) for i in np.unravel_index(int(negative.argmax()), x.shape))
        raise PoolError("x", "no negative number: cells are probabilities", f"{x[at]} at {at}")
