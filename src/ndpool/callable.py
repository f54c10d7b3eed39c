"""A module that can be called, because its name is also the name of what it is for.

``ndpool.explain(x)`` is the function, ``ndpool.explain.Trace`` is in the subpackage; the same with
``ndpool.check``. Two things cannot have one name: importing a subpackage, by whatever way and at
whatever time, sets the attribute of that name on its parent. So there is one thing, the module,
and it can be called. ``ndpool.__getattr__`` imports it when it is first asked for, which keeps
``import ndpool`` light, and type checkers are told that it is the function (see `ndpool`).

Source: the class of a module may be assigned, PEP 549's successor in the language reference,
"Customizing module attribute access".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import signature
from types import ModuleType
from typing import Any


def make_callable(module_name: str, function: Callable[..., Any]) -> None:
    """Let calls of the module be calls of `function`.

    >>> sys.modules["some"] = ModuleType("some")
    >>> make_callable("some", len)
    >>> import some
    >>> some("four")
    4
    """
    module = sys.modules[module_name]

    class CallableModule(ModuleType):
        __call__ = staticmethod(function)

    module.__class__ = CallableModule
    module.__signature__ = signature(function)  # type: ignore[attr-defined]
