"""The sorts of differentiable kinds: what each says about a pooling at one x.

Linear kinds change as they pool. Those that choose cells change by what stands in the tangent at
the places of those they chose, as long as the winners stay. Neither bends. Smooth kinds do, and say
their slope: see `ndpool.kinds.smooth`. A new kind is a line in `SORTS`, and if it is smooth one
more in `_SMOOTH`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError
from ..geometry import geometry
from ..kinds.mechanism import float_dtype, float_result

Array = NDArray[Any]
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


class _Pooled:
    """A pooling at one x, of a kind that does not bend; `along` is what the sorts of them say."""

    _asked: ClassVar[dict[str, Any]] = {}  # what the function is asked for beside y

    def __init__(self, name: str, x: Array, sizes: tuple[Any, ...], words: dict[str, Any]) -> None:
        self.name, self.x, self.sizes, self.words = name, x, sizes, words
        self.pool = function(name)
        found = self.pool(x, *sizes, **words, **self._asked)
        self.y, self.indices = found if isinstance(found, tuple) else (found, None)

    def back(self, dy: Array) -> Array:
        """What the kind's backward function gives for x; it gets what it names."""
        backward = function(f"{self.name}_backward")
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
        _, sparse = steps(shapes, given["blur"], given["blur_mode"], {})
        chosen = super().along(tangent).astype(float_dtype(tangent.dtype))
        blurred: Array = function("blur_pool")(chosen, **sparse)
        return float_result(blurred, tangent.dtype)


class _Mixed(_Pooled):
    """A share of maximum and the rest of mean."""

    def along(self, tangent: Array) -> Array:
        alpha, *sizes = self.sizes
        wide = tangent.astype(float_dtype(tangent.dtype))
        share = np.asarray(alpha, wide.dtype)
        of_max = _Winners("max_pool", self.x, tuple(sizes), self.words).along(wide)
        of_mean = function("avg_pool")(wide, *sizes, count_include_pad=False, **self.words)
        return float_result(share * of_max + (1 - share) * of_mean, tangent.dtype)


class _Backward(_Pooled):
    """A kind of which only the way back is known."""

    _asked: ClassVar = {"return_indices": True}

    def back(self, dy: Array) -> Array:
        dx: Array = function(f"{self.name}_backward")(
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
    "global_lp_pool": "whole_sums",
    "lp_pool": "norm",
    "soft_pool": "soft",
    "stochastic_pool": "stochastic",
}
SORTS: dict[str, Sort] = {
    "adaptive_avg_pool": _Linear,
    "adaptive_max_pool": _Winners,
    "avg_pool": _Linear,
    "blur_pool": _Linear,
    "fractional_max_pool": _Winners,
    "gem_pool": _Smooth,
    "global_avg_pool": _Linear,
    "global_lp_pool": _Smooth,
    "global_max_pool": _Winners,
    "global_min_pool": _Winners,
    "global_sum_pool": _Linear,
    "lp_pool": _Smooth,
    "max_blur_pool": _MaxBlur,
    "max_pool": _Winners,
    "max_unpool": _Linear,
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


def function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module("ndpool"), name)
    return found
