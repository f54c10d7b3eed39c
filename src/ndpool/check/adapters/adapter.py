"""Finds out how a layer wants to be made and called, and what it can do.

The layer is asked: by the names of its arguments, and by trying it on inputs whose outputs tell
which axes it takes, and which windows it has where they cannot be chosen. A wrong layer answers
wrongly too, so what is told by names is believed first, and nothing is concluded from numbers that
could come from a mistake.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PoolError, PoolTypeError, shown
from ..casebook import Can, Case
from ..geometry import Pair, Pool
from ..probes import unique
from ..script import Pooling, Reference, same
from .calls import BACKWARD, FORWARD, Form, construction, method, roles_in
from .layouts import LAYOUTS, fitting
from .roles import parameters, role_of
from .wrapped import Wrapped, WrappedFunctions, WrappedModule, copied, made

Array = NDArray[Any]
TWO = Pool((2, 2), (2, 2))
TRIAL_SECONDS = 2.0


class WrongAxes:
    """In place of a result: the layer takes arrays of another number of axes."""


class TooLong(BaseException):
    """A trial did not come to an end."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in Python code that runs longer; what hangs in C ends with its process."""
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says of a layer, rather than let it be found out."""

    layout: str | None = None
    ceil_mode: bool | None = None
    trials: bool = True  # whether it may be tried; False after it ended its process
    known: Profile | None = None  # what was found out before


@dataclass(frozen=True, slots=True)
class Profile:
    """All that the checker needs to know of a layer."""

    name: str
    can: Can
    layout: str = "NCHW"
    source: str = ""  # how it is imported in a reproducer
    form: Form = field(default_factory=Form)


class Adapter:
    """`make` gives layers for a case; `profile` says what they can do."""

    profile: Profile

    def make(self, pool: Pool, shape: tuple[int, ...]) -> Pooling:
        raise NotImplementedError

    def code(self, case: Case) -> list[str]:
        """Source lines that make the layer, run forward as y, and backward of dout as dx."""
        raise NotImplementedError


def adapt(target: Any, options: Options, source: str = "") -> Adapter:
    """The adapter for whatever was given: class, instance, factory, function(s), module, file."""
    if _is_onnx(target):
        from .onnx import OnnxAdapter

        return OnnxAdapter(target, options)
    if _is_module(target):
        return ModuleAdapter(target, options, source)
    if isinstance(target, (tuple, list)):
        if not target or len(target) > 2 or not all(callable(item) for item in target):
            raise PoolTypeError(
                "layer", "a layer, or a pair of functions (forward, backward)", shown(target)
            )
        return LearnersAdapter(tuple(target), options, source)
    if not callable(target) and method(target, FORWARD) is None:
        raise PoolTypeError("layer", "a layer, its class, a factory or functions", shown(target))
    return LearnersAdapter(target, options, source)


def _is_module(target: Any) -> bool:
    """A torch.nn.Module or a class of them; PyTorch is not imported to find out."""
    kind = target if isinstance(target, type) else type(target)
    return any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module"
        for base in kind.__mro__
    )


def _is_onnx(target: Any) -> bool:
    if isinstance(target, str):
        return True
    return type(target).__name__ == "ModelProto"


class LearnersAdapter(Adapter):
    """Classes, instances, factories and functions of NumPy."""

    def __init__(self, target: Any, options: Options, source: str = "") -> None:
        self.target, self.options, self.source = target, options, source
        self.kind = _kind_of(target)
        if self.kind == "function":
            target = (target, _partner(target))
            self.kind, self.target = "functions", target
        self.call = self.target[0] if self.kind == "functions" else self.target
        self.roles = {} if self.kind == "instance" else roles_in(self.call)
        self.fixed: dict[str, Pair] = {}
        if self.kind == "instance":
            self.fixed = _attributes(self.target)
        self.form = Form(axes=options.layout or "NCHW")
        if options.known is not None:
            self.profile, self.form = options.known, options.known.form
            return
        self._find_form()
        self.profile = self._profile()

    # how it is made and called

    def make(self, pool: Pool, shape: tuple[int, ...]) -> Pooling:
        return self._made(pool, shape, self.form)

    def _made(self, pool: Pool, shape: tuple[int, ...], form: Form) -> Pooling:
        if self.kind == "functions":
            functions = self.target if len(self.target) == 2 else (self.target[0], None)
            return WrappedFunctions(functions, pool, shape, form)
        layer = (
            copied(self.target) if self.kind == "instance" else made(self.target, pool, shape, form)
        )
        return Wrapped(layer, pool, shape, form)

    def _tried(self, pool: Pool, x: Array, form: Form | None = None) -> Any:
        """What forward makes of `x`; None where it fails, or takes too long."""
        if not self.options.trials:
            return None
        try:
            with time_limit(TRIAL_SECONDS):
                return self._made(pool, x.shape, form or self.form).forward(x.copy())
        except TooLong:
            self.options = replace(self.options, trials=False)  # once is enough
            return None
        except BaseException as error:
            return WrongAxes() if "unpack" in str(error) else None

    def _find_form(self) -> None:
        """The axes and the way of giving sizes with which a plain case comes out best."""
        best = -1.0
        for form in self._forms():
            score = self._score(form)
            if score > best:
                best, self.form = score, form
            if best >= 3:
                return

    def _forms(self) -> Iterator[Form]:
        layouts = (self.options.layout,) if self.options.layout else LAYOUTS
        singles = [role for role in ("kernel", "stride", "pad") if role in self.roles]
        wanted = frozenset(role for role in singles if self.roles[role].wants_pair)
        subsets = [frozenset(some) for size in range(4) for some in combinations(singles, size)]
        forms = dict.fromkeys((wanted, *subsets))
        for pairs in forms:
            for layout in layouts:
                yield Form(pairs, False, layout)
                if "shape" in self.roles:
                    yield Form(pairs, True, layout)

    def _score(self, form: Form) -> float:
        """3: all right; 2: the right shape; less: anything; 0: an exception."""
        shape = fitting((2, 3, 6, 10), form.axes)
        x = unique(shape)
        y = self._tried(TWO, x, form)
        if y is None or isinstance(y, WrongAxes):
            return 0 if y is None else -0.5
        if not isinstance(y, np.ndarray):
            return 0.5
        if self._has_kernel:
            right = Reference(TWO, shape).forward(x)
            if y.shape == right.shape:
                return 3 if same(y, right) else 2
            return (1.5 if y.shape[:2] == x.shape[:2] else 1) if y.ndim == 4 else 0.6
        return self._plausible(y, x)

    def _plausible(self, y: Array, x: Array) -> float:
        """For windows unknown: rows and columns shrink, images and channels do not."""
        if y.ndim != 4:
            return 0.6
        if y.shape[:2] != x.shape[:2]:
            return 1
        inside = bool(np.isin(y, x).all())
        return (3 if inside else 2) if y.shape[2] <= x.shape[2] else 1

    @property
    def _has_kernel(self) -> bool:
        return bool({"kernel", "kernel_h", "options"} & self.roles.keys()) or self._anything

    @property
    def _anything(self) -> bool:
        return (
            self.kind in ("class", "factory")
            and "pool_height" in construction(self.call, TWO, (1, 1, 4, 4), self.form).kwargs
        )

    # what it can do

    def _profile(self) -> Profile:
        can = Can(pad=None if self._has_pad else (0, 0))
        if self._has_kernel:
            can = replace(can, **self._kernel_words())
        else:
            kernel, stride = self._windows()
            pad = self.fixed.get("pad") or self._pad_before(kernel)
            can = replace(can, kernel=kernel, stride=stride, pad=pad)
        can = replace(
            can,
            dilation="dilation" in self.roles,
            ceil="ceil" in self.roles,
            images="N" in self.form.axes,
            channels="C" in self.form.axes,
            backward=self._has_backward,
        )
        can = replace(can, rounds_up=self._rounds_up(can))
        return Profile(self._name, can, self.form.axes, self.source, self.form)

    @property
    def _name(self) -> str:
        named = self.call if self.kind != "instance" else type(self.target)
        return str(getattr(named, "__name__", type(named).__name__))

    @property
    def _has_pad(self) -> bool:
        if "pad" in self.roles:
            return not isinstance(self.roles["pad"].default, str)
        if "pad_h" in self.roles:
            return True
        return ("options" in self.roles or self._anything) and self._mentions("pad")

    def _mentions(self, word: str) -> bool:
        """Whether a string that begins so stands in the code: a key that is looked up."""
        calls = [self.call, *vars(self.call).values()] if self.kind == "class" else [self.call]
        codes = [call.__code__ for call in calls if hasattr(call, "__code__")]
        constants = [constant for code in codes for constant in code.co_consts]
        return any(isinstance(c, str) and c.startswith(word) for c in constants)

    @property
    def _has_backward(self) -> bool:
        if self.kind == "functions":
            return len(self.target) == 2 and self.target[1] is not None
        kind = self.target if self.kind != "factory" else self._sample()
        return method(kind, BACKWARD) is not None

    def _sample(self) -> Any:
        try:
            return made(self.target, TWO, (1, 1, 4, 4), self.form)
        except Exception:
            return None

    def _kernel_words(self) -> dict[str, Any]:
        words: dict[str, Any] = {"rectangular": "kernel_h" in self.roles}
        if (not {"stride", "stride_h", "options"} & self.roles.keys() and not self._anything) or (
            "options" in self.roles and not self._mentions("stride")
        ):
            words["stride"] = self._stride_without_asking()
        if "options" in self.roles:
            words["rectangular"] = self._mentions("pool_h") or self._mentions("HH")
        if "kernel" in self.roles:
            words["rectangular"] = self._takes(Pool((2, 3), (2, 3)))
        if "stride_h" in self.roles:
            words["strides"] = True
        elif "stride" in self.roles:
            words["strides"] = self._takes(Pool((3, 3), (1, 2)))
        if "pad_h" in self.roles:
            words["pads"] = True
        elif "pad" in self.roles and self._has_pad:
            words["pads"] = self._takes(Pool((3, 3), (1, 1), (1, 0), (1, 0)), strictly=True)
        return words

    def _takes(self, pool: Pool, strictly: bool = False) -> bool:
        """Whether windows with two different sides do not make it stumble."""
        shape = fitting((1, 1, 6, 6), self.form.axes)
        x = unique(shape)
        y = self._tried(pool, x)
        if not isinstance(y, np.ndarray):
            return False
        return not strictly or y.shape == Reference(pool, shape).forward(x).shape

    def _ramp(self, pool: Pool) -> tuple[list[int], list[int]] | None:
        """The last row and column that each window sees, read off an input that rises."""
        side = 24
        x = np.arange(float(side * side)).reshape(1, 1, side, side)
        y = self._tried(pool, x)
        if not isinstance(y, np.ndarray) or y.ndim != 4 or min(y.shape[2:]) < 2 or not y.size:
            return None
        if not np.isin(y, x).all():
            return None
        rows = [int(value) // side for value in y[0, 0, :, 0]]
        columns = [int(value) % side for value in y[0, 0, 0]]
        return rows, columns

    def _windows(self) -> tuple[Pair, Pair | str]:
        """Kernel and stride of a layer that lets neither be chosen."""
        kernel, stride = self.fixed.get("kernel"), self.fixed.get("stride")
        if kernel and stride:
            return kernel, stride
        found = self._told_by_values() or (None, None)
        sized = self._told_by_sizes() or (None, None)
        found_stride = stride or found[1] or sized[1] or kernel or (2, 2)
        candidates = [pair for pair in (kernel, found[0], sized[0]) if pair]
        if found[0] != sized[0] and kernel is None:  # one of them comes from a mistake
            likely = [pair for pair in candidates if pair in (found_stride, (2, 2))]
            candidates = likely or candidates
        return (candidates or [found_stride])[0], found_stride

    def _pad_before(self, kernel: Pair) -> Pair:
        """Told by how far into the image the first window sees, where the kernel is known."""
        seen = self._ramp(TWO) if "kernel" in self.fixed else None
        if seen is None:
            return 0, 0
        pad = kernel[0] - 1 - seen[0][0], kernel[1] - 1 - seen[1][0]
        return pad if all(0 <= p < k for p, k in zip(pad, kernel, strict=True)) else (0, 0)

    def _told_by_values(self) -> tuple[Pair, Pair] | None:
        seen, pad = self._ramp(TWO), self.fixed.get("pad", (0, 0))
        if seen is None:
            return None
        stride = seen[0][1] - seen[0][0], seen[1][1] - seen[1][0]
        kernel = seen[0][0] + 1 + pad[0], seen[1][0] + 1 + pad[1]
        if min(stride) < 1 or min(kernel) < 1 or max(kernel) > 8:
            return None
        return kernel, stride

    def _told_by_sizes(self) -> tuple[Pair, Pair] | None:
        """The smallest image with a window, and the smallest with two more."""
        first = [0, 0]
        second = [0, 0]
        for side in range(1, 18):
            shape = fitting((1, 1, side, side), self.form.axes)
            y = self._tried(TWO, unique(shape))
            if not isinstance(y, np.ndarray) or y.ndim != 4:
                continue
            for axis in (0, 1):
                if y.shape[2 + axis] >= 1 and not first[axis]:
                    first[axis] = side
                if y.shape[2 + axis] >= 2 and not second[axis]:
                    second[axis] = side
        if not all(first) or not all(second):
            return None
        return (first[0], first[1]), (second[0] - first[0], second[1] - first[1])

    def _stride_without_asking(self) -> Pair | str:
        """ "kernel" where the stride is that of the kernel; else the one that it always is."""
        seen = self._ramp(Pool((3, 3), (3, 3)))
        if seen is None:
            return "kernel"
        steps = {b - a for axis in seen for a, b in pairwise(axis)}
        if steps in ({1}, {2}) and {axis[0] for axis in seen} == {2}:
            step = steps.pop()
            return step, step
        return "kernel"

    def _rounds_up(self, can: Can) -> bool:
        if self.options.ceil_mode is not None:
            return self.options.ceil_mode
        if not ({"height", "width"} <= self.roles.keys() and can.stride == "kernel"):
            return False
        # the second notebook's dialect: the size is told beforehand, and rounded up
        shape = fitting((1, 1, 5, 5), self.form.axes)
        y = self._tried(TWO, unique(shape))
        return not (isinstance(y, np.ndarray) and y.shape[2:] == (2, 2))

    # how it is written down

    def code(self, case: Case) -> list[str]:
        name = self._name
        if self.kind == "functions":
            return [
                f"y = ...  # {name}(x, ...) with kernel {case.pool.kernel}, "
                f"stride {case.pool.stride}"
            ]
        made_by = f"layer = {name}()" if self.kind == "instance" else self._construction(case)
        sample = self.target if self.kind != "factory" else self._sample()
        forward = method(sample, FORWARD) or "forward"
        backward = method(sample, BACKWARD) or "backward"
        return [made_by, f"y = layer.{forward}(x)", f"dx = layer.{backward}(dout)"]

    def _construction(self, case: Case) -> str:
        given = construction(self.call, case.pool, case.shape, self.form)
        return f"layer = {self._name}({given.words()})"


class ModuleAdapter(Adapter):
    """torch.nn.Module, or a class of them."""

    def __init__(self, target: Any, options: Options, source: str = "") -> None:
        self.target, self.source = target, source
        self.is_class = isinstance(target, type)
        roles = roles_in(target) if self.is_class else {}
        form_pairs = frozenset(
            role for role in ("kernel", "stride", "pad") if role in roles and roles[role].wants_pair
        )
        self.form = Form(form_pairs)
        name = (target if self.is_class else type(target)).__name__
        if self.is_class and {"kernel", "kernel_h"} & roles.keys():
            has_stride = bool({"stride", "stride_h"} & roles.keys())
            can = Can(
                pad=None if {"pad", "pad_h"} & roles.keys() else (0, 0),
                stride=None if has_stride else "kernel",
                rectangular="kernel_h" in roles or self._takes(Pool((2, 3), (2, 3))),
                dilation="dilation" in roles,
                ceil="ceil" in roles,
            )
            strides = has_stride and self._takes(Pool((3, 3), (1, 2)))
            pads = can.pad is None and self._takes(Pool((3, 3), (1, 1), (1, 0), (1, 0)))
            can = replace(can, strides=strides, pads=pads)
        else:
            can = _fixed_can(_attributes(target))
        self.profile = Profile(name, can, "NCHW", source)

    def make(self, pool: Pool, shape: tuple[int, ...]) -> Pooling:
        module = made(self.target, pool, shape, self.form) if self.is_class else copied(self.target)
        return WrappedModule(module)

    def _takes(self, pool: Pool) -> bool:
        try:
            y = self.make(pool, (1, 1, 6, 6)).forward(unique((1, 1, 6, 6)))
        except Exception:
            return False
        return isinstance(y, np.ndarray)

    def code(self, case: Case) -> list[str]:
        given = construction(self.target, case.pool, case.shape, self.form).words()
        return [
            "import torch",
            f"layer = {self.profile.name}({given if self.is_class else ''})",
            "t = torch.from_numpy(x).requires_grad_()",
            "y = layer(t)",
            "y.backward(torch.from_numpy(dout))",
            "dx = t.grad.numpy()",
        ]


def _fixed_can(attributes: dict[str, Any]) -> Can:
    kernel = attributes.get("kernel", (2, 2))
    return Can(
        kernel=kernel,
        stride=attributes.get("stride", kernel),
        pad=attributes.get("pad", (0, 0)),
        dilation_fixed=attributes.get("dilation", (1, 1)),
        rounds_up=bool(attributes.get("ceil", False)),
    )


def _kind_of(target: Any) -> str:
    if isinstance(target, tuple):
        return "functions"
    if isinstance(target, type):
        return "class"
    if not inspect.isroutine(target) and method(target, FORWARD[:-1]) is not None:
        return "instance"
    found = parameters(target)
    if not found:
        return "factory"
    first = found[0]
    if first.role == "x" or (first.role not in _MAKING and first.required):
        return "function"
    return "factory"


_MAKING = frozenset(
    [
        "kernel",
        "kernel_h",
        "kernel_w",
        "stride",
        "stride_h",
        "stride_w",
        "pad",
        "options",
        "channels",
        "height",
        "width",
        "shape",
    ]
)


def _partner(forward: Any) -> Any:
    """The function backward beside a function forward, found by its name in the same module."""
    module = sys.modules.get(getattr(forward, "__module__", ""), None)
    name = getattr(forward, "__name__", "")
    candidates = [
        name.replace("forward", "backward"),
        name.replace("fwd", "bwd"),
        f"{name}_backward",
    ]
    for candidate in candidates:
        partner = getattr(module, candidate, None) or getattr(forward, "__globals__", {}).get(
            candidate
        )
        if candidate != name and callable(partner):
            return partner
    return None


def _attributes(instance: Any) -> dict[str, Any]:
    """Window sizes that a layer keeps in attributes, as pairs."""
    found: dict[str, Any] = {}
    kept = dict(getattr(instance, "__dict__", {}))
    for value in [value for value in kept.values() if isinstance(value, dict)]:
        kept.update((name, value[name]) for name in value if isinstance(name, str))
    for name, value in kept.items():
        role = role_of(name.lstrip("_"))
        if role == "ceil":
            found[role] = bool(value)
        elif role in ("kernel", "stride", "pad", "dilation"):
            pair = _pair(value)
            if pair is not None:
                found[role] = pair
        elif role is not None and role[-2:] in ("_h", "_w") and isinstance(value, int):
            found.setdefault(role, value)
    for role in ("kernel", "stride", "pad"):
        if f"{role}_h" in found and f"{role}_w" in found:
            found.setdefault(role, (found[f"{role}_h"], found[f"{role}_w"]))
    return found


def _pair(value: Any) -> Pair | None:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value), int(value)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return int(value[0]), int(value[1])
    return None


def load(path: str, name: str) -> Any:
    """NAME of FILE: a class, an instance, a function; ``forward,backward`` for two functions."""
    import importlib.util
    from pathlib import Path

    file = Path(path)
    if file.suffix == ".onnx":
        return str(file)
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise PoolError("FILE", "a Python file", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)
    spec.loader.exec_module(module)
    found = []
    for part in name.split(","):
        value: Any = module
        for word in part.strip().split("."):
            if not hasattr(value, word):
                raise PoolError("NAME", f"something that {file.name} defines", repr(part))
            value = getattr(value, word)
        found.append(value)
    return found[0] if len(found) == 1 else tuple(found)


Loader = Callable[[], Any]
