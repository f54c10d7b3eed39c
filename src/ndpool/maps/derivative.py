"""Forward mode, reverse mode and double backward, one call each, for every differentiable kind.

What a kind is at one x says all three: y, how it changes along a tangent, where a gradient goes
back to, and how that way bends when x moves. `ndpool.maps.sorts` has it for every kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..kinds.mechanism import float_result
from ..kinds.words import fitting
from .sorts import SORTS, Derivative, function

Array = NDArray[Any]
Pool = str | Callable[..., Any]


def jvp(
    pool: Pool, x: ArrayLike, tangent: ArrayLike, *sizes: Any, **words: Any
) -> tuple[Array, Array]:
    """Forward mode: y, and what it changes by when `x` changes along `tangent`.

    >>> import numpy as np, ndpool
    >>> x = np.array([[3.0, -4.0], [0.0, 0.0]])
    >>> ndpool.jvp("lp", x, np.array([[1.0, 0.0], [0.0, 0.0]]), 2, 2)
    (array([[5.]]), array([[0.6]]))

    Args:
        pool: A kind by its function (`ndpool.lp_pool`) or name ("lp_pool" or "lp").
        x: As for that function. Not modified.
        tangent: Array of x's shape; any poolable dtype. Not modified.
        *sizes, **words: What the function takes behind x.

    Returns:
        The pair ``(y, dy)``, both of the function's output shape; dy in the tangent's dtype if
        that is a float, otherwise as the kind's sums are. Where the kind chooses cells, dy is what
        stands in the tangent at the places of those it chose.

    Raises:
        PoolError: A kind without a derivative, a tangent of another shape; others as the function.
        TypeError: An argument of the wrong type or dtype.

    Source: Wengert, "A simple automatic derivative evaluation program", Communications of the ACM
    7(8), 1964; name and order of results are JAX's, as are `vjp`'s.
    """
    at, array = _at(pool, x, sizes, words)
    along = fitting("tangent", as_array("tangent", tangent), array.shape)
    with np.errstate(all="ignore"):  # inf and NaN add up as they do in C
        return at.y, at.along(along)


def vjp(
    pool: Pool, x: ArrayLike, *sizes: Any, **words: Any
) -> tuple[Array, Callable[[ArrayLike], Array]]:
    """Reverse mode: y, and a function that takes a gradient of y back to one of `x`.

    >>> import numpy as np, ndpool
    >>> y, pullback = ndpool.vjp(ndpool.max_pool, np.array([[1.0, 5.0], [3.0, 4.0]]), 2)
    >>> pullback(np.array([[10.0]]))
    array([[ 0., 10.],
           [ 0.,  0.]])

    Args:
        pool: A kind by its function (`ndpool.max_pool`) or name ("max_pool" or "max").
        x: As for that function. Not modified; kept by the pullback, not copied.
        *sizes, **words: What the function takes behind x.

    Returns:
        The pair ``(y, pullback)``; ``pullback(dy)`` is what the kind's backward function gives,
        and may be called any number of times. It is the adjoint of `jvp`.

    Raises:
        PoolError: A kind without a derivative; others as the kind's two functions.
        TypeError: An argument of the wrong type or dtype.

    Source: Linnainmaa, "Taylor expansion of the accumulated rounding error", BIT 16, 1976.
    """
    at, _ = _at(pool, x, sizes, words)

    def pullback(dy: ArrayLike) -> Array:
        return at.back(fitting("dy", as_array("dy", dy), at.y.shape))

    return at.y, pullback


def double_backward(
    pool: Pool, ddx: ArrayLike, dy: ArrayLike, x: ArrayLike, *sizes: Any, **words: Any
) -> tuple[Array, Array]:
    """The gradients of a backward pass: those of ``(dx * ddx).sum()`` for dy and for `x`.

    >>> import numpy as np, ndpool
    >>> x, dy = np.array([[3.0, -4.0], [0.0, 0.0]]), np.array([[5.0]])
    >>> ddx = np.array([[1.0, 0.0], [0.0, 0.0]])
    >>> for_dy, for_x = ndpool.double_backward("lp", ddx, dy, x, 2, 2)
    >>> for_dy, for_x.round(4)
    (array([[0.6]]), array([[0.64, 0.48],
           [0.  , 0.  ]]))

    Args:
        pool: A kind by its function (`ndpool.lp_pool`) or name ("lp_pool" or "lp").
        ddx: The gradient of what the backward function returned, of x's shape. Not modified.
        dy: What the backward function was given, of y's shape. Not modified.
        x: As for the forward function. Not modified.
        *sizes, **words: What the forward function takes behind x.

    Returns:
        The pair ``(for_dy, for_x)`` of dy's and x's shape. The first is `jvp`'s change along ddx.
        The second, in x's dtype if that is a float, is 0 for kinds that are linear or choose cells;
        for the smooth it is what the gradient for dy changes by when x moves along ddx.

    Raises:
        PoolError: A kind without a derivative, shapes that do not fit; others as the function.
        TypeError: An argument of the wrong type or dtype.

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994.
    """
    at, array = _at(pool, x, sizes, words)
    tangent = fitting("ddx", as_array("ddx", ddx), array.shape)
    slopes = fitting("dy", as_array("dy", dy), at.y.shape)
    with np.errstate(all="ignore"):
        return at.along(tangent), float_result(at.bend(tangent, slopes), array.dtype)


# Words whose meaning depends on the values of x: with any other value the derivative is another.
_ONLY = {"where": None, "nan_policy": "propagate", "ties": "first"}


def _at(
    pool: Pool, x: ArrayLike, sizes: tuple[Any, ...], words: dict[str, Any]
) -> tuple[Derivative, Array]:
    name, array = _name(pool), as_array("x", x)
    for word in ("return_indices", "out"):
        if word in words:
            raise PoolTypeError(word, "a word of the pooling's geometry", "another word")
    for word, only in _ONLY.items():
        value = words.get(word, only)
        if value is not only and not (isinstance(value, str) and value == only):
            raise PoolError(word, f"{only!r}, for a derivative", shown(value))
    return SORTS[name](name, array, sizes, words), array


def _name(pool: object) -> str:
    expected = f"a kind with a derivative: {', '.join(sorted(SORTS))}, or its function"
    if isinstance(pool, str):
        for name in (pool, f"{pool}_pool"):
            if name in SORTS:
                return name
        raise PoolError("pool", expected, shown(pool))
    if not callable(pool):
        raise PoolTypeError("pool", expected, shown(pool))
    name = str(getattr(pool, "__name__", ""))
    if name not in SORTS or function(name) is not pool:
        raise PoolError("pool", expected, shown(pool))
    return name
