"""Layers: a forward and a backward that share what must be remembered between them."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .choices import NanPolicy, Ties
from .geometry import Padding, Size
from .kinds.layer import WinnerLayer
from .pool import max_pool, max_pool_backward

Array = NDArray[Any]


class MaxPool(WinnerLayer):
    """Max pooling with its backward pass; arguments as in `ndpool.max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MaxPool(2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    array([[5.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[ 0., 10.],
           [ 0.,  0.]])

    After `forward`, `indices` holds the winners (offsets in the window, y's shape) and `x_shape`
    the input's shape; the input itself is kept, not copied, for `ties` "split" and "all" alone.
    `backward` belongs to the last `forward` and
    may be called more than once; it raises PoolError before the first.

    Source: see `ndpool.max_pool`.
    """

    _pool = staticmethod(max_pool)
    _gradient = staticmethod(max_pool_backward)

    def __init__(
        self,
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
        engine: str | None = None,
    ) -> None:
        super().__init__(
            kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode,
            axes=axes, where=where, nan_policy=nan_policy, ties=ties, engine=engine,
        )  # fmt: skip
        self.kernel_size = kernel_size

    @property
    def indices(self) -> Array:
        """The winners of the last forward call, as offsets in the window."""
        indices: Array = self.saved[0]
        return indices

    @property
    def x_shape(self) -> tuple[int, ...]:
        """The shape of the last forward call's input."""
        shape: tuple[int, ...] = self.saved[1]
        return shape
