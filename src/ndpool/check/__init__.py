"""Name the mistake in a pooling layer: ``ndpool.check(layer)``, or ``ndpool check FILE:NAME``.

The layer is tried on small exact cases, in a process of its own. Values are unique, so that a
wrong output names the cell it came from; gradients are powers of two, so that a wrong sum names
its parts. No finite differences: ties raise no false alarm. What the layer did is then compared
with a zoo of layers that have one known mistake each; where one of them, or a few together, did
the same in all cases, the mistake is named. docs/mistakes.md shows the zoo.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__ = ["Finding", "Report", "cases", "check"]


def check(
    layer: Any,
    *,
    case: str | None = None,
    show: bool = False,
    hint: int = 3,
    lang: str = "en",
    strict: bool = False,
    layout: str | None = None,
    ceil_mode: bool | None = None,
    nonnegative: bool = False,
    timeout: float = 3.0,
    megabytes: int = 1024,
) -> Any:
    """Check a pooling layer; the `Report` says what is wrong, why, and how it is mended.

    >>> import ndpool
    >>> print(ndpool.check(ndpool.MaxPool))
    ✓ MaxPool: nothing found in 86 cases

    Args:
        layer: A class, an instance, or a factory (a function that makes one); a function forward or
            a pair of functions (forward, backward); a torch.nn.Module or a class of them; an ONNX
            file (its path, or the model). Constructor arguments are matched by name (kernel_size,
            pool_h, stride, pad, ...); for others give a factory whose arguments have such names.
        case: Only what shows in this case; `ndpool.check.names()` lists them.
        show: Also draw input, result and expected result of each finding.
        hint: 0 tells the phase only, 1 the case and what is wrong in it, 2 also the mistake and why
            it does that, 3 also the line to change.
        lang: "en" or "ja".
        strict: Matters of taste (which of equal cells wins, float64 results, ...) are findings too.
        layout: The axes of the layer's images, as "NHWC" or "HWC"; found out where it is None.
        ceil_mode: Whether output sizes are meant to be rounded up; found out where it is None.
        nonnegative: The layer gets no negative values, as after a ReLU: zero padding is right then.
        timeout: Seconds that one case may take.
        megabytes: Memory that the layer may take.

    Returns:
        A `Report`: `ok`, `findings`, `notes`, `skipped`; `text()`, `json()`, `html()`, `save()`.

    Raises:
        PoolError, PoolTypeError: What was given is no layer, or an argument has a wrong value. What
            the layer itself raises is a finding.
    """
    from .command import checked

    return checked(
        layer,
        case=case,
        show=show,
        hint=hint,
        lang=lang,
        strict=strict,
        layout=layout,
        ceil_mode=ceil_mode,
        nonnegative=nonnegative,
        timeout=timeout,
        megabytes=megabytes,
    )


_LAZY = {
    "Finding": ("findings", "Finding"),
    "Report": ("findings", "Report"),
    "cases": ("plugin", "cases"),
    "names": ("casebook", "names"),
    "add_arguments": ("command", "add_arguments"),
    "run": ("command", "run"),
}


def __getattr__(name: str) -> Any:
    """Names that live in modules which are imported when they are asked for."""
    if name in _LAZY:
        from importlib import import_module

        module, attribute = _LAZY[name]
        return getattr(import_module(f".{module}", __name__), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _CallableModule(ModuleType):
    """``ndpool.check`` is this package, and also the function in it."""

    __call__ = staticmethod(check)


sys.modules[__name__].__class__ = _CallableModule
