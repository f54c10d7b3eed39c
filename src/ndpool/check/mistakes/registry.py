"""How a mistake gets into the zoo, and how a layer with chosen mistakes is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .layers import STYLES, Layer

BOTH, OUTPUT, GRADIENT = "both", "output", "gradient"
IM2COL = ("rows", "columns")
LOOPS = ("loops", "again")
GIVEN = ("columns", "loops", "again")  # in which the layer itself says how many windows there are


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which a mistake shows: a mixin over the layers of some styles."""

    name: str
    mixin: type[Any]
    affects: str  # OUTPUT: y, and dx as a right backward then gives it; GRADIENT: dx alone
    styles: frozenset[str]
    policy: bool  # a matter of taste rather than a mistake
    needs: frozenset[str]  # what a layer has to be able to do for it to be possible


ZOO: dict[str, list[Variant]] = {}


def mistake(
    name: str,
    *,
    affects: str,
    styles: Iterable[str] = ("rows", "columns", "loops", "again"),
    policy: bool = False,
    needs: Iterable[str] = (),
    step: str = "",
) -> Callable[[type[Any]], type[Any]]:
    """Enter the class below into the zoo, as a variant of mistake `name`.

    With `step`, a method whose last argument is an axis, enter it too for rows and columns alone.
    """

    def enter(mixin: type[Any]) -> type[Any]:
        variant = Variant(name, mixin, affects, frozenset(styles), policy, frozenset(needs))
        found = ZOO.setdefault(name, [])
        found.append(variant)
        for axis, side in enumerate(("Rows", "Columns") if step else ()):
            found.append(replace(variant, mixin=_on_one_axis(mixin, step, axis, side)))
        return mixin

    return enter


def _on_one_axis(mixin: type[Any], step: str, only: int, side: str) -> type[Any]:
    """The mixin with its mistake on one axis; on the other the step is as it would be without."""

    def on_one_axis(self: Any, *args: Any) -> Any:
        if args[-1] == only:
            return getattr(mixin, step)(self, *args)
        return getattr(super(mixin, self), step)(*args)

    return type(f"{mixin.__name__}Of{side}", (mixin,), {step: on_one_axis})


@lru_cache(maxsize=4096)
def layer_with(style: type[Layer], variants: tuple[Variant, ...]) -> type[Layer]:
    """The class of a layer in this style with these mistakes, and no other."""
    mixins = tuple(variant.mixin for variant in variants)
    name = "And".join(mixin.__name__ for mixin in mixins) + "In" + style.__name__
    made: type[Layer] = type(name, (*mixins, style), {})
    return made


def style_named(name: str) -> type[Layer]:
    return next(style for style in STYLES if style.style == name)
