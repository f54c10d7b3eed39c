"""How a layer is made and called: by name, with what each parameter asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..geometry import Pair, Pool
from .roles import Parameter, options_for, parameters, takes_anything

FORWARD = [
    "forward",
    "forward_pass",
    "forward_prop",
    "forward_propagation",
    "forwardprop",
    "feed_forward",
    "feedforward",
    "fprop",
    "forward_propagate",
    "run",
    "pool",
    "apply",
    "call",
    "__call__",
    "predict",
]
BACKWARD = [
    "backward",
    "backward_pass",
    "backprop",
    "back_prop",
    "backward_prop",
    "backward_propagation",
    "back_propagation",
    "backpropagation",
    "bprop",
    "backward_propagate",
    "backpropagate",
    "backpropogation",
    "grad",
    "gradient",
    "backwards",
]


def method(layer: Any, names: list[str]) -> str | None:
    """The first of these methods that a layer has."""
    return next((name for name in names if callable(getattr(layer, name, None))), None)


@dataclass(slots=True)
class Form:
    """Whether sides that are equal are given as one number or as a pair."""

    pairs: frozenset[str] = frozenset()  # of "kernel", "stride", "pad", "dilation"
    images_in_shape: bool = False
    axes: str = "NCHW"

    def value(self, role: str, pair: Pair) -> Any:
        return pair[0] if pair[0] == pair[1] and role not in self.pairs else pair


def answer(p: Parameter, pool: Pool, shape: tuple[int, ...], form: Form) -> tuple[bool, Any]:
    """Whether we have something for a parameter, and what."""
    n, c, height, width = shape
    sides = {"N": n, "C": c, "H": height, "W": width}
    known: dict[str, Any] = {
        "kernel": form.value("kernel", pool.kernel),
        "kernel_h": pool.kernel[0],
        "kernel_w": pool.kernel[1],
        "stride": form.value("stride", pool.stride),
        "stride_h": pool.stride[0],
        "stride_w": pool.stride[1],
        "pad": form.value("pad", pool.before),
        "pad_h": pool.before[0],
        "pad_w": pool.before[1],
        "dilation": form.value("dilation", pool.dilation),
        "ceil": pool.ceil,
        "height": height,
        "width": width,
        "channels": c,
        "images": n,
        "shape": tuple(sides[axis] for axis in form.axes if axis != "N" or form.images_in_shape),
        "options": options_for(pool),
    }
    if p.role == "pad" and isinstance(p.default, str):
        return False, None
    if p.role == "ceil" and not pool.ceil:
        return p.required, False
    if p.role == "dilation" and pool.dilation == (1, 1):
        return p.required, 1
    if p.role in ("channels", "images") and not p.required and p.default is not None:
        return False, None
    if p.role in known:
        return True, known[p.role]
    if p.required:
        return True, {"mode": "max", "name": "pool", "rate": 0.01, "training": True}.get(
            p.role or ""
        )
    return False, None


@dataclass(slots=True)
class Given:
    """Arguments for a call."""

    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)

    def words(self, shown: Callable[[Any], str] = repr) -> str:
        """As they are written in source."""
        parts = [shown(value) for value in self.args]
        parts += [f"{name}={shown(value)}" for name, value in self.kwargs.items()]
        return ", ".join(parts)


def construction(
    target: Callable[..., Any], pool: Pool, shape: tuple[int, ...], form: Form
) -> Given:
    """The arguments that make a layer for these windows."""
    given = Given()
    found = parameters(target)
    if found is None:
        given.args = [form.value("kernel", pool.kernel), form.value("stride", pool.stride)]
        return given
    guesses = _guesses(found, pool, form)
    for p in found:
        if p.name in guesses:
            has, value = True, guesses[p.name]
        else:
            has, value = answer(p, pool, shape, form)
        if not has:
            continue
        if p.positional and p.required and not given.kwargs:
            given.args.append(value)
        else:
            given.kwargs[p.name] = value
    if not found and takes_anything(target):
        given.kwargs = {
            "pool_height": pool.kernel[0],
            "pool_width": pool.kernel[1],
            "kernel_size": form.value("kernel", pool.kernel),
            "pool_size": form.value("kernel", pool.kernel),
            "stride": form.value("stride", pool.stride),
            "pad": form.value("pad", pool.before),
            "padding": form.value("pad", pool.before),
        }
    return given


def _guesses(found: list[Parameter], pool: Pool, form: Form) -> dict[str, Any]:
    """Required parameters of unknown names: the kernel first, then the stride, then the padding."""
    roles = {p.role for p in found}
    left = []
    if not roles & {"kernel", "kernel_h", "options"}:
        left.append(form.value("kernel", pool.kernel))
    if not roles & {"stride", "stride_h", "options"}:
        left.append(form.value("stride", pool.stride))
    if not roles & {"pad", "pad_h", "options"}:
        left.append(form.value("pad", pool.before))
    unknown = [p.name for p in found if p.required and p.role is None]
    return dict(zip(unknown, left, strict=False))


def roles_in(target: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters of a constructor, factory or function by their role."""
    found = parameters(target) or []
    by_role = {p.role: p for p in reversed(found) if p.role is not None}
    left = [
        role
        for role, others in (("kernel", {"kernel_h"}), ("stride", {"stride_h"}), ("pad", {"pad_h"}))
        if role not in by_role and not others & by_role.keys() and "options" not in by_role
    ]
    for p, role in zip((p for p in found if p.required and p.role is None), left, strict=False):
        by_role[role] = p
    return by_role
