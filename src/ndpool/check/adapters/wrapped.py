"""Other people's layers, functions and modules behind one face: forward(x) and backward(dout)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Pool
from ..script import Unusable
from .calls import BACKWARD, FORWARD, Form, answer, construction, method
from .layouts import from_layout, to_layout
from .roles import parameters

Array = NDArray[Any]
OUTPUTS = ("y", "out", "output", "outputs", "Y", "a", "A", "z", "Z", "pooled", "result")
GRADIENTS = (
    *("grad_x", "dx", "dX", "d_input", "dinputs", "dinput", "grad_input", "input_gradient"),
    *("d_inputs", "din", "grad", "dA_prev", "delta", "gradient", "grad_in"),
)


class NoBackward(NotImplementedError):
    """The layer has no backward pass."""


class Wrapped:
    """An object with methods; what they return, or leave in an attribute, becomes (N, C, ...)."""

    def __init__(self, layer: Any, pool: Pool, shape: tuple[int, ...], form: Form) -> None:
        self.layer, self.pool, self.shape, self.form = layer, pool, shape, form
        self.saved: dict[str, Any] = {}

    def forward(self, x: Array) -> Any:
        inner = to_layout(x, self.form.axes)
        name = method(self.layer, FORWARD)
        if name is None:
            raise NoBackward("no method forward")
        self.saved.update(x=inner, x_shape=inner.shape)
        before = dict(vars(self.layer)) if hasattr(self.layer, "__dict__") else {}
        result = self._call(getattr(self.layer, name), inner, {})
        self._write_back(x, inner)
        return self._delivered(result, before, OUTPUTS, "y")

    def backward(self, dout: Array) -> Any:
        inner = to_layout(dout, self.form.axes) if dout.ndim == 4 else dout
        name = method(self.layer, BACKWARD)
        if name is None:
            raise NoBackward("no method backward")
        before = dict(vars(self.layer)) if hasattr(self.layer, "__dict__") else {}
        result = self._call(getattr(self.layer, name), inner, self.saved)
        if dout.ndim == 4:
            self._write_back(dout, inner)
        return self._delivered(result, before, GRADIENTS, "dx")

    def _call(self, call: Callable[..., Any], data: Array, saved: dict[str, Any]) -> Any:
        """With the data first, and whatever else the call asks for."""
        return called(call, data, self.pool, self.shape, self.form, saved)

    def _write_back(self, ours: Array, inner: Array) -> None:
        """What was done to a copy is done to the array that we look at."""
        if not np.shares_memory(ours, inner):
            ours[...] = from_layout(inner, self.form.axes)

    def _delivered(
        self, result: Any, before: dict[str, Any], names: tuple[str, ...], what: str
    ) -> Any:
        if isinstance(result, tuple) and result and isinstance(result[0], np.ndarray):
            self.saved["cache"] = result[1] if len(result) == 2 else result[1:]
            result = result[0]
        if result is None:
            result = self._attribute(before, names)
        self.saved[what] = result
        if not isinstance(result, np.ndarray):
            return result
        return from_layout(np.asarray(result), self.form.axes)

    def _attribute(self, before: dict[str, Any], names: tuple[str, ...]) -> Any:
        """The array that a method without a result left behind."""
        now = dict(vars(self.layer)) if hasattr(self.layer, "__dict__") else {}
        for name in names:
            if isinstance(now.get(name), np.ndarray):
                return now[name]
        new = [
            value
            for name, value in now.items()
            if isinstance(value, np.ndarray)
            and value is not before.get(name)
            and value.dtype.kind == "f"
            and value.ndim == len(self.form.axes)
            and value is not self.saved.get("x")
        ]
        return new[-1] if len(new) == 1 else None


def called(
    call: Callable[..., Any],
    data: Array,
    pool: Pool,
    shape: tuple[int, ...],
    form: Form,
    saved: dict[str, Any],
) -> Any:
    found = parameters(call)
    kwargs: dict[str, Any] = {}
    for p in (found or [])[1:]:
        if p.role == "cache" or (p.role == "options" and "cache" in saved and p.required):
            has, value = True, saved.get("cache")
        elif p.role == "indices" and "cache" in saved:
            has, value = True, saved["cache"]
        elif p.role in ("x", "y") and p.role in saved:
            has, value = True, saved[p.role]
        elif p.role == "shape" and "x_shape" in saved:
            has, value = True, saved["x_shape"]
        elif p.role == "return_indices":
            has, value = bool(saved.get("wants-indices")), True
        else:
            has, value = answer(p, pool, shape, form)
            if has and value is None and p.role is None and "cache" in saved:
                value = saved["cache"]
        if has:
            kwargs[p.name] = value
    return call(data, **kwargs)


class WrappedFunctions(Wrapped):
    """Plain functions: what forward returns beside y is what backward gets."""

    def __init__(
        self,
        functions: tuple[Callable[..., Any], Callable[..., Any] | None],
        pool: Pool,
        shape: tuple[int, ...],
        form: Form,
    ) -> None:
        super().__init__(None, pool, shape, form)
        self.functions = functions
        wanted = {p.role for p in (parameters(functions[1]) or [])} if functions[1] else set()
        self.wishes = {"wants-indices": True} if "indices" in wanted else {}

    def forward(self, x: Array) -> Any:
        inner = to_layout(x, self.form.axes)
        self.saved.update(x=inner, x_shape=inner.shape)
        result = self._call(self.functions[0], inner, self.wishes)
        self._write_back(x, inner)
        return self._delivered(result, {}, (), "y")

    def backward(self, dout: Array) -> Any:
        if self.functions[1] is None:
            raise NoBackward("no function backward")
        inner = to_layout(dout, self.form.axes) if dout.ndim == 4 else dout
        result = self._call(self.functions[1], inner, self.saved)
        if dout.ndim == 4:
            self._write_back(dout, inner)
        return self._delivered(result, {}, (), "dx")


class WrappedModule:
    """A torch.nn.Module; backward is what autograd makes of it."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def forward(self, x: Array) -> Any:
        import torch  # type: ignore[import-not-found, unused-ignore]

        taken = torch.from_numpy(x if min(x.strides, default=1) >= 0 else x.copy())
        self.x = taken.clone() if not taken.is_floating_point() else taken.detach()
        if self.x.is_floating_point():
            self.x.requires_grad_()
        y = self.module(self.x)
        self.y = y[0] if isinstance(y, tuple) else y
        if not isinstance(self.y, torch.Tensor):
            raise Unusable("type", type(self.y).__name__)
        return self.y.detach().numpy()

    def backward(self, dout: Array) -> Any:
        import torch

        if not self.y.requires_grad:
            raise NoBackward("no gradient")
        dout = dout if min(dout.strides, default=1) >= 0 else dout.copy()
        dy = torch.from_numpy(dout).to(self.y.dtype)
        (dx,) = torch.autograd.grad(self.y, self.x, dy, retain_graph=True)
        return dx.numpy()


def made(target: Callable[..., Any], pool: Pool, shape: tuple[int, ...], form: Form) -> Any:
    """A layer from its class, or from a factory."""
    given = construction(target, pool, shape, form)
    return target(*given.args, **given.kwargs)


def copied(instance: Any) -> Any:
    """A layer as it was given, for one case."""
    try:
        return copy.deepcopy(instance)
    except Exception:
        return instance
