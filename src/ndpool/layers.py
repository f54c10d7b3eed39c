"""Layers: a forward and a backward that share what must be remembered between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import PoolError
from .geometry import Padding, Size
from .pool import max_pool, max_pool_backward

Array = NDArray[Any]


class MaxPool:
    """Max pooling with its backward pass; arguments as in `ndpool.max_pool`.

    >>> import numpy as np, ndpool
    >>> layer = ndpool.MaxPool(2)
    >>> layer.forward(np.array([[1.0, 5.0], [3.0, 4.0]]))
    array([[5.]])
    >>> layer.backward(np.array([[10.0]]))
    array([[ 0., 10.],
           [ 0.,  0.]])

    After `forward`, `indices` holds the winners (offsets in the window, y's shape) and `x_shape`
    the input's shape; the input itself is not kept. `backward` belongs to the last `forward` and
    may be called more than once; it raises PoolError before the first.

    Source: see `ndpool.max_pool`.
    """

    indices: Array
    x_shape: tuple[int, ...]
    _pool: ClassVar[Callable[..., Any]] = staticmethod(max_pool)

    def __init__(
        self,
        kernel_size: Size,
        *,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        axes: Size | None = None,
        engine: str | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.options: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "ceil_mode": ceil_mode,
            "axes": axes,
            "engine": engine,
        }

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self.options.items() if value is not None]
        return f"{type(self).__name__}({', '.join([repr(self.kernel_size), *words])})"

    def __call__(self, x: ArrayLike) -> Array:
        """The same as `forward`."""
        return self.forward(x)

    def forward(self, x: ArrayLike) -> Array:
        """y of the windows of `x`, any shape and poolable dtype; remembers the winners."""
        y: Array
        y, self.indices = type(self)._pool(x, self.kernel_size, return_indices=True, **self.options)
        self.x_shape = np.shape(x)
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """dx of the last forward's input shape, in dy's dtype; dy has y's shape."""
        if not hasattr(self, "indices"):
            raise PoolError("backward", "a forward call before it", "none")
        return max_pool_backward(dy, self.indices, self.x_shape, self.kernel_size, **self.options)
