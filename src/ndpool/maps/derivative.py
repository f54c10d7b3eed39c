"""Forward mode, reverse mode and double backward, one call each, for every differentiable kind.

What a kind is at one x says all three: y, how it changes along a tangent, where a gradient goes
back to, and how that way bends when x moves. There are three sorts of kinds. Linear ones do not
bend, and change as they pool. Those that choose cells do not bend either, as long as the winners
stay; their change is what stands at the winners' places. Smooth ones say their slope, see
`ndpool.kinds.smooth`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import as_array
from ..errors import PoolError, PoolTypeError, shown
from ..geometry import geometry
from ..kinds.mechanism import float_dtype, float_result
from ..kinds.words import fitting

Array = NDArray[Any]
Pool = str | Callable[..., Any]
Sort = Callable[..., "Derivative"]


class Derivative(Protocol):
    """A pooling at one x."""

    y: Array

    def along(self, tangent: Array) -> Array:
        """What y changes by along a tangent, an array of x's shape."""

    def back(self, dy: Array) -> Array:
        """The gradient, of x's shape, for a `dy` of y's shape."""

    def bend(self, tangent: Array, dy: Array) -> Array:
        """What ``back(dy)`` changes by when x moves along the tangent."""


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
    return at.y, at.along(fitting("tangent", as_array("tangent", tangent), array.shape))


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
    return at.along(tangent), float_result(at.bend(tangent, slopes), array.dtype)


class _Pooled:
    """A pooling at one x, of a kind that does not bend; `along` is what the sorts of them say."""

    _asked: ClassVar[dict[str, Any]] = {}  # what the function is asked for beside y

    def __init__(self, name: str, x: Array, sizes: tuple[Any, ...], words: dict[str, Any]) -> None:
        self.name, self.x, self.sizes, self.words = name, x, sizes, words
        self.pool = _function(name)
        found = self.pool(x, *sizes, **words, **self._asked)
        self.y, self.indices = found if isinstance(found, tuple) else (found, None)

    def back(self, dy: Array) -> Array:
        """What the kind's backward function gives for x; it gets what it names."""
        backward = _function(f"{self.name}_backward")
        given = {"dy": dy, "x": self.x, "x_shape": self.x.shape, "y": self.y}
        given |= {"indices": self.indices, "index_form": self._asked.get("return_indices")}
        given = {word: value for word, value in given.items() if value is not None}
        forward = signature(self.pool).bind(self.x, *self.sizes, **self.words).arguments
        named = signature(backward).parameters
        words = {word: value for word, value in {**forward, **given}.items() if word in named}
        if "indices" in named:
            words.setdefault("indices", None)
        dx = backward(**words)
        dx_alone: Array = dx[0] if isinstance(dx, tuple) else dx  # without that of a parameter
        return dx_alone

    def bend(self, tangent: Array, dy: Array) -> Array:
        return np.zeros(self.x.shape)


class _Linear(_Pooled):
    """A kind that is linear in x: it changes as it pools."""

    def along(self, tangent: Array) -> Array:
        change: Array = self.pool(tangent, *self.sizes, **self.words)
        return change


class _Winners(_Pooled):
    """A kind that chooses one cell of each window, and says which."""

    _asked: ClassVar = {"return_indices": "tensor"}

    def along(self, tangent: Array) -> Array:
        at: Array = self.indices
        change: Array = tangent.reshape(-1)[at]
        change[at < 0] = 0  # a bin without a cell
        return change


class _Median(_Winners):
    """The midpoint of two cells."""

    def along(self, tangent: Array) -> Array:
        pair = super().along(tangent).astype(float_dtype(tangent.dtype))
        return float_result(pair[0] / 2 + pair[1] / 2, tangent.dtype)


class _MaxBlur(_Winners):
    """What was chosen is blurred, which is linear."""

    def along(self, tangent: Array) -> Array:
        from ..kinds.max_blur import max_blur_pool, steps

        words = signature(max_blur_pool).bind(self.x, *self.sizes, **self.words)
        words.apply_defaults()
        given = words.arguments
        names = ("stride", "padding", "dilation", "ceil_mode", "axes")
        shapes = geometry(
            self.x.shape, given["kernel_size"], **{name: given[name] for name in names}
        )
        _, sparse = steps(shapes, given["blur"], given["blur_mode"])
        chosen = super().along(tangent).astype(float_dtype(tangent.dtype))
        blurred: Array = _function("blur_pool")(chosen, **sparse)
        return float_result(blurred, tangent.dtype)


class _Mixed(_Pooled):
    """A share of maximum and the rest of mean."""

    def along(self, tangent: Array) -> Array:
        alpha, *sizes = self.sizes
        wide = tangent.astype(float_dtype(tangent.dtype))
        share = np.asarray(alpha, wide.dtype)
        of_max = _Winners("max_pool", self.x, tuple(sizes), self.words).along(wide)
        of_mean = _function("avg_pool")(wide, *sizes, count_include_pad=False, **self.words)
        return float_result(share * of_max + (1 - share) * of_mean, tangent.dtype)


class _Backward(_Pooled):
    """A kind of which only the way back is known."""

    _asked: ClassVar = {"return_indices": True}

    def back(self, dy: Array) -> Array:
        dx: Array = _function(f"{self.name}_backward")(
            dy, self.x.shape, *self.sizes, **self.words, indices=self.indices
        )
        return dx

    def along(self, tangent: Array) -> Array:
        raise PoolError("mode", "'avg', for a change along a tangent", repr(self.words["mode"]))


class _Smooth(_Pooled):
    """A kind whose module says its slope with a function `smooth`."""

    def __init__(self, name: str, x: Array, sizes: tuple[Any, ...], words: dict[str, Any]) -> None:
        super().__init__(name, x, sizes, words)
        module = import_module(f"..kinds.{_SMOOTH[name]}", __package__)
        self.smooth = module.smooth(x, *sizes, **_geometry_of(name, words))

    def along(self, tangent: Array) -> Array:
        return float_result(self.smooth.along(tangent), tangent.dtype)

    def bend(self, tangent: Array, dy: Array) -> Array:
        bent: Array = self.smooth.bend(tangent, dy)
        return bent


def _geometry_of(name: str, words: dict[str, Any]) -> dict[str, Any]:
    """The words without those of chance, which an expectation has none of."""
    chance = ("training", "rng") if name == "stochastic_pool" else ()
    return {word: value for word, value in words.items() if word not in chance}


def _by(word: str, default: Any, sorts: dict[Any, Sort], other: Sort) -> Callable[..., Derivative]:
    """The sort that the value of this word says."""

    def chosen(name: str, x: Array, sizes: tuple[Any, ...], words: dict[str, Any]) -> Derivative:
        value = words.get(word, default)
        known = isinstance(value, (str, bool, np.bool_))
        return (sorts.get(value, other) if known else other)(name, x, sizes, words)

    return chosen


_SMOOTH = {
    "gem_pool": "gem",
    "lp_pool": "norm",
    "soft_pool": "soft",
    "stochastic_pool": "stochastic",
}
_SORTS: dict[str, Sort] = {
    "adaptive_avg_pool": _Linear,
    "adaptive_max_pool": _Winners,
    "avg_pool": _Linear,
    "blur_pool": _Linear,
    "fractional_max_pool": _Winners,
    "gem_pool": _Smooth,
    "lp_pool": _Smooth,
    "max_blur_pool": _MaxBlur,
    "max_pool": _Winners,
    "median_pool": _by("method", "midpoint", {"midpoint": _Median}, _Winners),
    "min_pool": _Winners,
    "mixed_pool": _Mixed,
    "roi_align": _by("mode", "avg", {"avg": _Linear}, _Backward),
    "roi_max_pool": _Winners,
    "soft_pool": _Smooth,
    "spatial_pyramid_pool": _by("kind", "max", {"avg": _Linear}, _Winners),
    "stochastic_pool": _by("training", True, {False: _Smooth}, _Winners),
    "sum_pool": _Linear,
}


def _at(
    pool: Pool, x: ArrayLike, sizes: tuple[Any, ...], words: dict[str, Any]
) -> tuple[Derivative, Array]:
    name, array = _name(pool), as_array("x", x)
    for word in ("return_indices", "out"):
        if word in words:
            raise PoolTypeError(word, "a word of the pooling's geometry", "another word")
    return _SORTS[name](name, array, sizes, words), array


def _name(pool: object) -> str:
    expected = f"a kind with a derivative: {', '.join(sorted(_SORTS))}, or its function"
    if isinstance(pool, str):
        for name in (pool, f"{pool}_pool"):
            if name in _SORTS:
                return name
        raise PoolError("pool", expected, shown(pool))
    if not callable(pool):
        raise PoolTypeError("pool", expected, shown(pool))
    name = str(getattr(pool, "__name__", ""))
    if name not in _SORTS or _function(name) is not pool:
        raise PoolError("pool", expected, shown(pool))
    return name


def _function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module("ndpool"), name)
    return found
