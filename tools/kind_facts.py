"""What a kind of pooling can do, found out by asking its signature and by small calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal, get_args, get_origin, get_type_hints
from unittest.mock import patch

import ml_dtypes
import numpy as np

import ndpool
from ndpool import engines
from ndpool.engines import native
from ndpool.kinds import mechanism
from ndpool.maps.sorts import SORTS

Array = np.ndarray[Any, Any]
DTYPES = [
    np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", ml_dtypes.bfloat16, "float32", "float64",
    )
]  # fmt: skip
DIMENSIONS = (1, 2, 3, 4)
WORDS = (
    "stride", "padding", "dilation", "ceil_mode", "axes", "where", "nan_policy", "ties",
    "return_indices", "out",
)  # fmt: skip
CELLS = 6  # along each pooled axis
SIZES = (2, 4)  # of an output that is asked for: regions of equal and of different sizes


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a kind, called with an output of one size."""

    name: str
    output_size: int
    layer: str
    gradients: list[str]
    dimensions: tuple[int, ...]
    jvp: str
    second: str
    words: set[str]
    forward: list[str]  # by dtype
    backward: list[str]
    engines: list[str]  # by number of pooled axes


def names() -> list[str]:
    """All kinds: the public functions that have a backward function."""
    return [name for name in ndpool.__all__ if f"{name}_backward" in ndpool.__all__]


def facts(name: str, out: int = SIZES[0]) -> Facts:
    """Of a kind that asks for no output size, the same for all of them."""
    with np.errstate(all="ignore"):
        tried = {d: _tried(name, np.dtype(np.float32), d, out) for d in DIMENSIONS}
        by_dtype = [_tried(name, dtype, 2, out) for dtype in DTYPES]
        return Facts(
            name,
            out,
            _layer(name),
            _gradients(name),
            tuple(d for d, one in tried.items() if one is not None),
            _derivative(name),
            _second_order(name),
            set(signature(getattr(ndpool, name)).parameters) & set(WORDS),
            ["refused" if one is None else one.forward for one in by_dtype],
            ["refused" if one is None else one.backward for one in by_dtype],
            ["refused" if one is None else f"{one.by[0]} / {one.by[1]}" for one in tried.values()],
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """One call forward and one backward."""

    forward: str
    backward: str
    by: tuple[str, str]
    gradients: int


def _tried(name: str, dtype: np.dtype[Any], d: int, out: int = SIZES[0]) -> Tried | None:
    """None where the kind refuses a call with so many axes of this dtype."""
    call = Call(name, dtype, d, out)
    try:
        with recorded() as forward:
            y = call.forward()
        with recorded() as backward:
            dx = call.backward(y)
    except (ndpool.PoolError, TypeError):
        return None
    gradients = len(dx) if isinstance(dx, tuple) else 1
    first = dx[0] if isinstance(dx, tuple) else dx
    by = _engine(forward), _engine(backward)
    return Tried(_cell(by[0], y.dtype, dtype), _cell(by[1], first.dtype, dtype), by, gradients)


def _cell(engine: str, found: np.dtype[Any], given: np.dtype[Any]) -> str:
    return engine if found == given else f"{engine}, {found}"


def _engine(chosen: list[str]) -> str:
    """Who computed: NumPy alone where no engine was asked for."""
    return " + ".join(sorted(set(chosen))) or "numpy"


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The engines that are chosen, as if the environment named none and no call came before."""
    chosen: list[str] = []
    choose, meetings = engines.choose, mechanism._meetings

    def recording(*arguments: Any, **words: Any) -> Any:
        engine = choose(*arguments, **words)
        chosen.append("native" if engine is native else "numpy")
        return engine

    def looping(*arguments: Any, **words: Any) -> Any:  # terms and slopes, by NumPy
        chosen.append("numpy")
        return meetings(*arguments, **words)

    def unknown(*arguments: Any) -> None:
        return None

    with (
        patch.object(engines, "choose", recording),
        patch.object(engines, "_asked", None),
        patch.object(mechanism, "_meetings", looping),
        patch.object(native, "forward_again", unknown),
        patch.object(native, "backward_again", unknown),
    ):
        yield chosen


class Call:
    """A small call of a kind: every argument by its name."""

    def __init__(self, name: str, dtype: np.dtype[Any], d: int, out: int = SIZES[0]) -> None:
        self.pool, self.gradient = (getattr(ndpool, each) for each in (name, f"{name}_backward"))
        axes = tuple(range(2, 2 + d))
        x = np.random.default_rng(d).integers(0, 9, (2, 3, *[CELLS] * d)).astype(dtype)
        self.given: dict[str, Any] = {
            "x": x, "x_shape": x.shape, "axes": axes, "kernel_size": (2,) * d, "p": 3.0,
            "norm_type": 2, "alpha": 0.5, "output_size": (out,) * d, "rng": 0, "levels": (1, 2),
            "rois": np.array([[0.0] + [1.0] * d + [4.0] * d]),
        }  # fmt: skip
        if name == "max_unpool":  # goes back from a pooling
            y, indices = ndpool.max_pool(x, (2,) * d, axes=axes, return_indices=True)
            self.given |= {"y": y, "indices": indices}

    def forward(self) -> Any:
        """y; the winners are kept, where the backward function asks for them."""
        found = self.pool(**self._named_by(self.pool), **self._winners())
        y, indices = found if isinstance(found, tuple) else (found, self.given.get("indices"))
        self.given = {"y": y, "indices": indices} | self.given
        return y

    def backward(self, dy: Array) -> Any:
        given = self._named_by(self.gradient)
        return self.gradient(**given | {"dy": np.asarray(dy).astype(self.given["x"].dtype)})

    def pooled(self) -> tuple[Array, list[Any], dict[str, Any]]:
        """What the forward function takes: first, then by place, then by name."""
        given = self._named_by(self.pool)
        places = [
            p.name
            for p in signature(self.pool).parameters.values()
            if p.kind is Parameter.POSITIONAL_OR_KEYWORD and p.name in given
        ]
        words = {word: value for word, value in given.items() if word not in places}
        first, *sizes = (given[place] for place in places)
        return first, sizes, words

    def _winners(self) -> dict[str, bool]:
        asked = signature(self.gradient).parameters.get("indices")
        able = "return_indices" in signature(self.pool).parameters
        mode = signature(self.pool).parameters.get("mode")  # a mean has no winners
        is_mean = mode is not None and mode.default == "avg"
        return {"return_indices": True} if asked and able and not is_mean else {}

    def _named_by(self, function: Any) -> dict[str, Any]:
        named = signature(function).parameters
        return {word: value for word, value in self.given.items() if word in named}


def _layer(name: str) -> str:
    """The layer whose forward pass is this function."""
    function = getattr(ndpool, name)
    layers = [getattr(ndpool, each) for each in ndpool.__all__]
    for layer in layers:
        if isinstance(layer, type) and getattr(layer, "_pool", None) is function:
            return layer.__name__
    return ""


def _gradients(name: str) -> list[str]:
    """What there is a gradient for: the parameters of a tuple are the sizes before the kernel's."""
    tried = _tried(name, np.dtype(np.float32), 2)
    data, *others = signature(getattr(ndpool, name)).parameters.values()
    required = [p.name for p in others if p.default is Parameter.empty]
    learnt = required[: tried.gradients - 1] if tried is not None else []
    start = f"{name}_"
    more = [
        each.removeprefix(start).removesuffix("_backward")
        for each in ndpool.__all__
        if each.startswith(start) and each.endswith("_backward") and each != f"{name}_backward"
    ]
    return [data.name, *learnt, *more]


def _derivative(name: str) -> str:
    """Whether there is a change along a tangent, and the pullback gives what backward does."""
    if name not in SORTS:
        return ""
    x, sizes, words = Call(name, np.dtype(np.float64), 2).pooled()
    y, change = ndpool.jvp(name, x, x, *sizes, **words)
    return "yes" if change.shape == y.shape else ""


def _second_order(name: str) -> str:
    """What double backward gives a gradient for: 0 for x is said as none."""
    if name not in SORTS:
        return ""
    call = Call(name, np.dtype(np.float64), 2)
    x, sizes, words = call.pooled()
    dy = np.ones(call.forward().shape)
    ddx = np.random.default_rng(1).standard_normal(x.shape)
    _, for_x = ndpool.double_backward(name, ddx, dy, x, *sizes, **words)
    return "dy, x" if for_x.any() else "dy"


def own_words(name: str) -> dict[str, str]:
    """The keywords that are not everyone's: what they may be, or else what they are by default."""
    function = getattr(ndpool, name)
    hints = get_type_hints(function)
    found = {}
    for word, parameter in signature(function).parameters.items():
        common = word in WORDS and word not in ("ties", "return_indices")
        if common or word == "engine" or parameter.kind is not Parameter.KEYWORD_ONLY:
            continue
        choices = _choices(hints.get(word))
        if word not in WORDS or choices:
            found[word] = " / ".join(map(repr, choices)) or repr(parameter.default)
    return found


def _choices(hint: Any) -> list[Any]:
    """The values of all Literals in a type; both bools where one is in it beside them."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    within = [choice for part in get_args(hint) for choice in _choices(part)]
    return [False, True, *within] if within and bool in get_args(hint) else within
