"""The cases: small inputs, each with one thing in it that layers get wrong.

A recipe says what is special; `cases_for` makes cases of those that a layer can do, and says of the
others what it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import Pair, Pool, out_size
from .probes import unique

Array = NDArray[Any]

# What is judged on its own, in the order in which causes come before consequences.
GROUPS = (
    "core",
    "pad",
    "ceil",
    "dilation",
    "fractions",
    "ties",
    "nan",
    "infinite",
    "huge",
    "state",
    "memory",
    "empty",
    "dtype",
)
SCRIPTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    # (what is done, to which of two layers, with which of two inputs)
    "once": (("forward", "a", "x"), ("backward", "a", "x")),
    "forward-alone": (("forward", "a", "x"),),
    "second-forward": (
        ("forward", "a", "other"),
        ("forward", "a", "x"),
        ("backward", "a", "x"),
    ),
    "rounds": (
        ("forward", "a", "other"),
        ("backward", "a", "other"),
        ("forward", "a", "x"),
        ("backward", "a", "x"),
    ),
    "twice-backward": (
        ("forward", "a", "x"),
        ("backward", "a", "x"),
        ("backward", "a", "x"),
    ),
    "two-layers": (
        ("forward", "a", "x"),
        ("forward", "b", "other"),
        ("backward", "a", "x"),
    ),
}


@dataclass(frozen=True, slots=True)
class Can:
    """What a layer is able to do, as asked or found out."""

    kernel: Pair | None = None  # the only one, where it cannot be chosen
    stride: Pair | str | None = None  # the only one, or "kernel" where it is that of the kernel
    pad: Pair | None = (0, 0)  # the only one; None where it can be chosen
    rectangular: bool = False  # another height than width of windows
    strides: bool = False  # another stride down than across
    pads: bool = False
    dilation: bool = False
    dilation_fixed: Pair = (1, 1)
    after: Pair | None = None  # padding at the end, where it differs from that at the start
    ceil: bool = False  # can be asked to round up
    rounds_up: bool = False  # always does
    images: bool = True
    channels: bool = True
    backward: bool = True
    nan: bool = True
    shape: tuple[int, ...] | None = None  # the only input shape
    dtypes: tuple[str, ...] | None = None

    @property
    def words(self) -> frozenset[str]:
        """The abilities that mistakes ask for."""
        found = {
            "pad": self.pad != (0, 0),
            "stride": self.stride is None or isinstance(self.stride, tuple),
            "rectangular": self.rectangular or _uneven(self.kernel),
            "strides": self.strides or _uneven(self.stride),
            "pads": self.pads or _uneven(self.pad),
            "dilation": self.dilation or self.dilation_fixed != (1, 1),
            "ceil": self.ceil or self.rounds_up,
            "kernel": self.kernel is None,
        }
        return frozenset(word for word, able in found.items() if able)


def _uneven(pair: Pair | str | None) -> bool:
    return isinstance(pair, tuple) and pair[0] != pair[1]


@dataclass(frozen=True, slots=True)
class Case:
    """One input, how it is pooled, and what is done with it."""

    name: str
    title: str  # a key of the words
    group: str
    x: Array
    pool: Pool
    script: str = "once"
    other: Array | None = None
    x_layout: str = "C"
    dy_layout: str = "C"
    dy: str = "powers"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    def y_shape(self, x: Array | None = None) -> tuple[int, ...]:
        shape = (self.x if x is None else x).shape
        return (*shape[:2], *(out_size(shape[2 + i], self.pool, i) for i in (0, 1)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A case for any geometry: `out` windows fit, and `extra` rows and columns are left over."""

    title: str
    group: str = "core"
    n: int = 1
    c: int = 1
    out: Pair = (2, 2)
    extra: Pair = (0, 0)
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil: bool = False
    values: str = "unique"
    script: str = "once"
    x_layout: str = "C"
    dy_layout: str = "C"
    dy: str = "powers"
    dtype: str = "float64"

    @property
    def plain(self) -> bool:
        """Whether its geometry is only an example, and any other would do."""
        return (
            self.kernel == self.stride == (2, 2)
            and self.pad == (0, 0)
            and self.dilation == (1, 1)
            and not self.ceil
        )

    @property
    def name(self) -> str:
        words = [self.title]
        if not self.plain:
            words.append(f"k{_side(self.kernel)}s{_side(self.stride)}")
            if self.pad != (0, 0):
                words[-1] += f"p{_side(self.pad)}"
        return "-".join(words)


def _side(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _square(k: int, s: int, p: int = 0) -> dict[str, Any]:
    return {"kernel": (k, k), "stride": (s, s), "pad": (p, p)}


def _recipes() -> list[Recipe]:
    core = [
        Recipe("one-window", out=(1, 1)),
        Recipe("plain"),
        Recipe("wide", out=(2, 3)),
        Recipe("tall", out=(3, 2)),
        Recipe("channels", c=3),
        Recipe("images", n=3),
        Recipe("batch", n=2, c=3),
        Recipe("batch-wide", n=2, c=2, out=(2, 3)),
        Recipe("mixed-signs", values="mixed", out=(2, 3)),
        Recipe("negative", values="negative", out=(2, 3)),
        Recipe("deep", values="deep"),
        Recipe("leftover", extra=(1, 1)),
        Recipe("leftover-wide", c=2, out=(2, 3), extra=(0, 1)),
        Recipe("overlap", **_square(2, 1)),
        Recipe("overlap", **_square(3, 2)),
        Recipe("overlap", out=(3, 3), **_square(3, 1)),
        Recipe("overlap-batch", n=2, c=2, out=(2, 3), dy="falling", **_square(3, 1)),
        Recipe("overlap-wide", c=2, out=(2, 3), dy="falling", **_square(3, 2)),
        Recipe("overlap-leftover", extra=(1, 1), **_square(3, 2)),
        Recipe("gap", **_square(2, 3)),
        Recipe("gap-leftover", n=2, out=(2, 3), extra=(1, 2), **_square(2, 3)),
        Recipe("blocks", out=(2, 3), **_square(3, 3)),
        Recipe("blocks-leftover", extra=(1, 2), **_square(3, 3)),
        Recipe("cells", out=(2, 3), **_square(1, 1)),
        Recipe("cells-gap", extra=(1, 1), **_square(1, 2)),
        Recipe("rectangle", out=(2, 2), kernel=(2, 3), stride=(1, 1)),
        Recipe("rectangle", out=(3, 2), kernel=(3, 2), stride=(2, 2)),
        Recipe("rectangle", n=2, c=2, out=(2, 3), kernel=(3, 2), stride=(1, 1)),
        Recipe("rectangle", out=(2, 2), kernel=(2, 3), stride=(2, 3)),
        Recipe("rectangle", out=(2, 3), kernel=(3, 1), stride=(3, 1), extra=(1, 0)),
        Recipe("two-strides", out=(2, 3), kernel=(2, 2), stride=(1, 2)),
        Recipe("two-strides", out=(3, 2), kernel=(3, 3), stride=(2, 1), c=2),
        Recipe("two-strides", out=(2, 2), kernel=(2, 3), stride=(3, 2), extra=(1, 1)),
    ]
    pad = [
        Recipe("padding", "pad", out=(3, 3), **_square(2, 2, 1)),
        Recipe("padding", "pad", out=(2, 3), extra=(1, 0), **_square(2, 3, 1)),
        Recipe("padding", "pad", out=(3, 4), **_square(3, 1, 1)),
        Recipe("padding", "pad", c=2, out=(3, 3), **_square(3, 2, 1)),
        Recipe("padding-batch", "pad", n=2, c=2, out=(2, 2), extra=(1, 1), **_square(3, 2, 1)),
        Recipe("padding", "pad", out=(3, 3), extra=(1, 1), **_square(5, 2, 2)),
        Recipe("padding", "pad", out=(2, 3), extra=(2, 2), **_square(3, 3, 1)),
        Recipe("padding-rectangle", "pad", out=(3, 2), kernel=(2, 3), stride=(2, 2), pad=(1, 1)),
        Recipe("two-pads", "pad", out=(2, 3), kernel=(3, 2), stride=(2, 2), pad=(1, 0)),
        Recipe("two-pads", "pad", out=(3, 2), kernel=(3, 3), stride=(1, 1), pad=(0, 1)),
        Recipe(
            "padding-negative",
            "pad",
            out=(2, 3),
            extra=(2, 2),
            values="negative",
            **_square(2, 3, 1),
        ),
        Recipe("padding-negative", "pad", out=(3, 3), values="negative", **_square(2, 2, 1)),
        Recipe("padding-negative", "pad", out=(3, 3), values="negative", **_square(3, 1, 1)),
        Recipe("padding-deep", "pad", out=(3, 3), values="deep", **_square(2, 2, 1)),
        Recipe("padding-deep", "pad", out=(2, 3), extra=(2, 2), values="deep", **_square(3, 3, 1)),
    ]
    ceil = [
        Recipe("ceil", "ceil", extra=(1, 1), ceil=True, **_square(2, 2)),
        Recipe("ceil", "ceil", out=(2, 3), extra=(1, 0), ceil=True, **_square(3, 2)),
        Recipe("ceil-outside", "ceil", out=(3, 3), extra=(1, 0), ceil=True, **_square(1, 2)),
        Recipe("ceil-padding", "ceil", out=(2, 2), extra=(1, 2), ceil=True, **_square(3, 3, 1)),
    ]
    dilation = [
        Recipe("dilation", "dilation", dilation=(2, 2), **_square(2, 1)),
        Recipe("dilation", "dilation", out=(2, 3), dilation=(2, 2), **_square(3, 2)),
        Recipe("dilation-padding", "dilation", dilation=(2, 2), out=(3, 3), **_square(3, 1, 1)),
    ]
    special = [
        Recipe("fractions", "fractions", values="fractions", dy="fractions"),
        Recipe("ties", "ties", values="ties", out=(2, 4)),
        Recipe("ties-all", "ties", values="equal", out=(2, 2), **_square(2, 1)),
        Recipe("ties-relu", "ties", values="relu", out=(3, 3), **_square(3, 1)),
        Recipe("nan", "nan", values="nan", out=(2, 3)),
        Recipe("nan-overlap", "nan", values="nan", out=(2, 3), **_square(3, 2)),
        Recipe("infinite", "infinite", values="infinite", out=(2, 3)),
        Recipe("infinite-padding", "infinite", values="infinite", out=(3, 3), **_square(2, 2, 1)),
        Recipe("huge", "huge", values="huge"),
        Recipe("huge-padding", "huge", values="huge", out=(3, 3), **_square(2, 2, 1)),
    ]
    state = [
        Recipe(script, "state", n=2, c=2, out=(2, 2), script=script, **geometry)
        for script in SCRIPTS
        if script not in ("once", "forward-alone")
        for geometry in ({}, _square(3, 2))
    ]
    state.append(Recipe("fewer-images", "state", n=1, c=2, script="rounds"))
    layouts = ("F", "channels-last", "sliced", "reversed")
    memory = [
        *(Recipe(f"dout-{layout}", "memory", n=2, c=3, dy_layout=layout) for layout in layouts),
        *(Recipe(f"input-{layout}", "memory", n=2, c=3, x_layout=layout) for layout in layouts),
    ]
    empty = [Recipe("empty", "empty", n=0, c=2)]
    dtypes = [
        Recipe(f"dtype-{dtype}", "dtype", values="bytes", dtype=dtype, dy="fractions")
        for dtype in ("float32", "int64", "uint8")
    ]
    dtypes.append(Recipe("dtype-exact", "dtype", values="exact", dy="exact"))
    return [*core, *pad, *ceil, *dilation, *special, *state, *memory, *empty, *dtypes]


RECIPES = tuple(_recipes())


def names() -> tuple[str, ...]:
    """The names of all cases, in the order in which they are tried.

    >>> names()[:2]
    ('one-window', 'plain')
    """
    return tuple(dict.fromkeys(recipe.name for recipe in RECIPES))


def cases_for(can: Can) -> tuple[list[Case], dict[str, list[str]]]:
    """The cases that a layer can do, and for each thing it cannot do the names of the others."""
    cases: dict[str, Case] = {}
    skipped: dict[str, list[str]] = {}
    for recipe in RECIPES:
        lacking = missing(recipe, can)
        if lacking:
            skipped.setdefault(lacking, []).append(recipe.name)
            continue
        case = make(recipe, can)
        if case is not None:
            cases.setdefault(case.name, case)
    return list(cases.values()), skipped


def missing(recipe: Recipe, can: Can) -> str | None:
    """A key of the words that says what the layer cannot do, if anything."""
    chosen = not recipe.plain
    checks = {
        "kernel": chosen and can.kernel is not None and recipe.kernel != can.kernel,
        "stride": chosen and can.kernel is None and _stride_missing(recipe, can),
        "stride-fixed": chosen and can.kernel is not None and _stride_missing(recipe, can),
        "pad": chosen and _pad_missing(recipe, can),
        "rectangular": can.kernel is None and _uneven(recipe.kernel) and not can.rectangular,
        "strides": _uneven(recipe.stride) and can.stride is None and not can.strides,
        "pads": _uneven(recipe.pad) and can.pad is None and not can.pads,
        "dilation": recipe.dilation != can.dilation_fixed and chosen and not can.dilation,
        "ceil": recipe.ceil and not can.ceil,
        "images": recipe.n > 1 and not can.images,
        "channels": recipe.c > 1 and not can.channels,
        "batch": recipe.n == 0 and not can.images,
        "nan": recipe.values == "nan" and not can.nan,
        "dtype": can.dtypes is not None
        and recipe.group == "dtype"
        and recipe.dtype not in can.dtypes,
        "shape": can.shape is not None and not (recipe.plain and _fits(recipe, can.shape)),
        "backward": recipe.group in ("state",) and not can.backward,
    }
    return next((word for word, misses in checks.items() if misses), None)


def _fits(recipe: Recipe, shape: tuple[int, ...]) -> bool:
    return recipe.group != "empty" and recipe.title not in ("leftover",) and recipe.script == "once"


def _stride_missing(recipe: Recipe, can: Can) -> bool:
    if can.stride is None:
        return False
    return recipe.stride != (recipe.kernel if can.stride == "kernel" else can.stride)


def _pad_missing(recipe: Recipe, can: Can) -> bool:
    return can.pad is not None and recipe.pad != can.pad


def make(recipe: Recipe, can: Can) -> Case | None:
    """The case of a recipe, in the only geometry that a layer has, where it has only one."""
    pool = _pool(recipe, can)
    group = recipe.group
    if group == "core" and pool.padded:
        group = "pad"
    extra = [min(recipe.extra[i], pool.stride[i] - 1) for i in (0, 1)]
    sizes = [
        (recipe.out[i] - 1) * pool.stride[i]
        + pool.span[i]
        - pool.before[i]
        - pool.after[i]
        + extra[i]
        for i in (0, 1)
    ]
    for i in (0, 1):  # windows that reach far into padding need more of them
        while sizes[i] < 1 or sizes[i] + pool.before[i] < pool.span[i]:
            sizes[i] += pool.stride[i]
    shape = (recipe.n, recipe.c, *sizes) if can.shape is None else can.shape
    seed = len(recipe.name) + 3 * recipe.kernel[0] + 5 * recipe.stride[1]
    x = values(recipe.values, shape, pool, seed).astype(_dtype(recipe, can))
    other = None
    if recipe.script != "once":
        wider = (shape[0] + 1, *shape[1:]) if recipe.title == "fewer-images" else shape
        if not can.images and wider != shape:
            return None
        other = values("unique", wider, pool, seed + 1).astype(x.dtype)
    asked = recipe.kernel, recipe.stride, recipe.pad
    name = recipe.name if asked == pool[:3] else recipe.title
    return Case(
        name,
        recipe.title,
        group,
        x,
        pool,
        recipe.script,
        other,
        recipe.x_layout,
        recipe.dy_layout,
        recipe.dy,
    )


def _dtype(recipe: Recipe, can: Can) -> str:
    if can.dtypes is not None and recipe.dtype not in can.dtypes:
        return can.dtypes[0]
    return recipe.dtype


def _pool(recipe: Recipe, can: Can) -> Pool:
    kernel = can.kernel or recipe.kernel
    stride = recipe.stride
    if can.stride is not None:
        stride = kernel if isinstance(can.stride, str) else can.stride
    before = recipe.pad if can.pad is None else can.pad
    dilation = recipe.dilation if can.dilation else can.dilation_fixed
    pool = Pool(kernel, stride, before, can.after or before, dilation)
    return pool._replace(ceil=recipe.ceil or can.rounds_up)


def values(kind: str, shape: tuple[int, ...], pool: Pool, seed: int) -> Array:
    """float64 input of one kind; all but the ties unique, so that every value names its cell."""
    x = unique(shape, seed)
    if x.size == 0 or kind == "unique":
        return _highest_in_the_middle(x, pool) if kind == "unique" else x
    if kind == "mixed":
        return x - x.size // 2 - 0.5
    if kind == "negative":
        return x - x.size - 1
    if kind == "deep":
        return x - 3e5
    if kind == "huge":
        return (x - x.size - 1) * 1e30
    if kind == "fractions":
        return x + 0.25
    if kind == "bytes":
        return x if x.size < 250 else x % 250
    if kind == "exact":
        return x + 2.0**40
    if kind == "equal":
        return np.ones(shape)
    if kind == "relu":
        return np.maximum(x - 0.7 * x.size, 0.0)
    x = _ties(x, pool) if kind == "ties" else _with_special(x, pool, kind)
    return x


def _highest_in_the_middle(x: Array, pool: Pool) -> Array:
    """Where windows overlap, the highest value stands where the most of them see it."""
    if x.size == 0 or not all(s < k for s, k in zip(pool.stride, pool.kernel, strict=True)):
        return x
    x = x.copy()
    row, column = x.shape[2] // 2, x.shape[3] // 2
    for image in range(x.shape[0]):
        for channel in range(x.shape[1]):
            plane = x[image, channel]
            at = np.unravel_index(plane.argmax(), plane.shape)
            plane[at], plane[row, column] = plane[row, column], plane[at]
    return x


def _windows(x: Array, pool: Pool) -> list[Array]:
    """Views of the windows of the first plane, those that lie wholly inside it."""
    found = []
    height, width = x.shape[2:]
    for top in range(0, height - pool.span[0] + 1, pool.stride[0]):
        for left in range(0, width - pool.span[1] + 1, pool.stride[1]):
            window = x[0, 0, top : top + pool.span[0], left : left + pool.span[1]]
            found.append(window[:: pool.dilation[0], :: pool.dilation[1]])
    return found


def _ties(x: Array, pool: Pool) -> Array:
    """In each window other cells share the maximum."""
    x, top = x.copy(), x.max() + 1
    for number, window in enumerate(_windows(x, pool)):
        h, w = window.shape
        cells = [
            [(i, j) for i in range(h) for j in range(w)],  # all
            [(0, 0), (h - 1, w - 1)],
            [(0, w - 1), (h - 1, 0)],
            [(0, 0), (0, w - 1)],
            [(0, 0), (h - 1, 0)],
            [(h - 1, 0), (h - 1, w - 1)],
            [(0, w - 1), (h - 1, w - 1)],
            [(0, w - 1), (h - 1, 0), (h - 1, w - 1)],
        ][number % 8]
        for i, j in cells:
            window[i, j] = top + number
    return x


def _with_special(x: Array, pool: Pool, kind: str) -> Array:
    """In each window NaN or -inf stands elsewhere; the last has none of it."""
    x = x.copy()
    special = np.nan if kind == "nan" else -np.inf
    windows = _windows(x, pool)
    for number, window in enumerate(windows[:-1] if len(windows) > 1 else windows):
        h, w = window.shape
        if number % 4 == 0:
            window[h - 1, 0] = special
        elif number % 4 == 1:
            window[...] = special
        elif number % 4 == 2:
            window[0, 0] = special
        else:
            window[0, w - 1] = window[h - 1, w - 1] = special
    return x
