"""A trace as text: the walk of the first notebook, array after array, with its sentences finished.

Readable at 80 columns. Winners stand in square brackets, so that colour is never needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PoolError
from . import tables
from .numbers import said, shown
from .steps import Index, Step
from .terminal import painted, wants_colour, wrapped
from .words import of_step, phrase

if TYPE_CHECKING:
    from .trace import Trace

NARROWEST = 40
INDENT = "  "
_EXAMPLES = 3


def text(trace: Trace, width: int = 80, colour: bool | None = None) -> str:
    """See `Trace.text`."""
    if width < NARROWEST:
        raise PoolError("width", f"at least {NARROWEST} columns", width)
    return "\n".join(_Walk(trace, width, wants_colour(colour)).lines()) + "\n"


class _Walk:
    """Writes the lines of one trace, for one width, in colour or not."""

    def __init__(self, trace: Trace, width: int, colour: bool) -> None:
        self.trace, self.width, self.colour = trace, width, colour
        self.say = partial(phrase, trace.config.lang, "text")

    def lines(self) -> Iterator[str]:
        """All of them."""
        yield from self.opening()
        number = 0
        for phase in ("forward", "backward"):
            yield from ("", self.title(self.say(phase)))
            if phase == "backward":
                yield from self.before_backward()
            for step in self.trace.steps:
                if step.phase == phase:
                    number += 1
                    yield from ("", *self.step(number, step))
        yield from ("", *self.closing())

    def opening(self) -> Iterator[str]:
        """What is pooled, with which windows, and what of it is shown."""
        trace, shapes = self.trace, self.trace.geometry
        yield self.title(self.say("title", name=trace.config.name or "x"))
        (oh, ow), (before, after) = shapes.out, (shapes.before, shapes.after)
        around = zip(before, after, strict=True)
        yield from self.paragraph(
            self.say(
                "setting",
                dtype=trace.config.x.dtype,
                shape=trace.config.x.shape,
                kernel=_by(shapes.kernel),
                stride=_by(shapes.stride),
                padding=" x ".join(f"{first}+{last}" for first, last in around),
                dilation=_by(shapes.dilation),
            )
        )
        yield from self.paragraph(self.say("out_size", oh=oh, ow=ow))
        if trace.hidden:
            yield from self.paragraph(trace.hidden)
        yield from self.paragraph(self.say("axes"))
        yield from self.paragraph(self.say("marks" if trace.part.whole else "marks_part"))

    def before_backward(self) -> Iterator[str]:
        """The whole in three steps, and its result."""
        dialect = self.trace.config.dialect
        overview = "overview" if dialect == "rows" else f"overview_{dialect}"
        yield from self.paragraph(self.say(overview))
        for number in (1, 2, 3):
            line = self.say(f"{overview}_{number}")
            yield from wrapped(line, self.width, INDENT + "   ", f"{INDENT}{number}. ")
        yield ""
        yield from self.paragraph(self.say("result_first"))
        yield from self.table("dx")

    def step(self, number: int, step: Step) -> Iterator[str]:
        """Title, code, shapes, words, and the array."""
        said_of = of_step(self.trace.config.lang, self.trace.config.dialect, step.name)
        yield self.title(f"{number}. {said_of['title']}")
        if (code := self.code(step)) != step.symbol:
            for line in wrapped(code, self.width, INDENT * 3, INDENT * 2):
                yield painted(line, "code", self.colour)
        yield from self.paragraph(said_of["text"])
        yield from wrapped(self.shapes(step), self.width, INDENT * 2, INDENT)
        special = getattr(self, f"of_{step.name}", None)
        if special is not None:
            yield from special(step)
        if self.is_news(step):
            yield from self.table(step.name)

    def code(self, step: Step) -> str:
        """The step's line; of dout, what it was set to."""
        sent = self.trace.config.dy
        if step.name != "dout":
            return step.line
        if not isinstance(sent, str):
            return f"{step.symbol} = dy"
        out = self.trace["out"].symbol
        as_it_is = sent == "out" and self.trace.out.dtype == step.array.dtype
        made = {"out": out if as_it_is else f"np.ones({out}.shape, int)"}
        made |= {"ones": f"np.ones_like({out})", "powers": "1, 2, 4, 8, ..."}
        return f"{step.symbol} = {made[sent]}"

    def shapes(self, step: Step) -> str:
        """`(4, 2) -> (8,)  axes: ...`."""
        shape = f"{step.symbol}: {step.shape}"
        if step.shape_before is not None and step.shape_before != step.shape:
            shape = f"{step.symbol}: {step.shape_before} -> {step.shape}"
        return f"{shape} = ({', '.join(step.axes)})"

    def is_news(self, step: Step) -> bool:
        """Whether its array is not what was just shown."""
        return step.name not in ("pad", "col2im") or step.padding is not None

    def of_pad(self, step: Step) -> Iterator[str]:
        """Without padding there is nothing to see."""
        if step.padding is None:
            yield from self.paragraph(self.say("no_padding"))
        else:
            lowest = shown(step.array[step.padding][0])
            yield from self.paragraph(self.say("padding_holds", value=lowest))

    def of_col2im(self, step: Step) -> Iterator[str]:
        """How many windows hold a cell at most."""
        most = int(np.diff(step.links[0].starts).max())
        yield from self.paragraph(self.say("coverage" if most > 1 else "no_overlap", most=most))
        if step.padding is None:
            yield from self.paragraph(self.say("nothing_to_crop"))

    def of_transpose(self, step: Step) -> Iterator[str]:
        """Which axis goes where, and a few cells on their way."""
        before = self.trace["dout"]
        yield from self.axes_moved(before, step)
        yield from self.paragraph(self.say("so_coordinates_change"))
        yield from self.paragraph(
            f"{_call(before.symbol, before.axes)} -> {_call(step.symbol, step.axes)}"
        )
        for at in self.examples(before):
            (_, to), *_ = (c for c in self.trace.goes_to("dout", *at) if c[0] == step.name)
            value = shown(before.array[at])
            came, went = (self.trace.whole_index(s.name, i) for s, i in ((before, at), (step, to)))
            yield from self.paragraph(
                f"{_call(before.symbol, came)} <{value}> -> {_call(step.symbol, went)} <{value}>"
            )

    def axes_moved(self, before: Step, after: Step) -> Iterator[str]:
        """`axis 1 (channel c) -> axis 3`, for each."""
        for number, axis in enumerate(before.axes):
            to = after.axes.index(axis)
            key = "axis_stays" if to == number else "axis_moves"
            what = self.say(f"axis_{axis}")
            yield from self.paragraph(self.say(key, number=number, to=to, axis=axis, what=what))

    def of_fill(self, step: Step) -> Iterator[str]:
        """The rows, the places, and the first few of the assignments."""
        places = self.trace["argmax"]
        for name, array in (
            (f"np.arange({places.symbol}.size)", np.arange(places.array.size)),
            (places.symbol, places.array),
        ):
            drawn, _ = tables.lines(tables.of_array(name, array), self.width - len(INDENT))
            yield from (f"{INDENT}{name} =", *(INDENT + line for line in drawn))
        for window in range(min(_EXAMPLES, places.array.size)):
            place = int(places.array[window])
            at = (place, window) if step.axes[0] == "h·w" else (window, place)
            ((_, source),) = step.sources(*at)
            to = self.trace.whole_index("fill", at)
            came = self.trace.whole_index("transpose", source)
            left = f"{step.symbol}[{to[0]}, {to[1]}]"
            right = f"{_call(self.trace['transpose'].symbol, came)} <{shown(step.array[at])}>"
            yield from self.paragraph(f"{left} = {right}")
        yield from self.paragraph(self.say("and_so_on"))

    def closing(self) -> Iterator[str]:
        """The sums that must be equal, and one cell's sentence."""
        yield self.title(self.say("check"))
        sums, symbol = self.trace.sums(), {step.name: step.symbol for step in self.trace.steps}
        yield from self.equation(f"Σ{symbol['dx']}", sums.dx, f"Σ{symbol['dout']}", sums.dout)
        if "dcol" in symbol:
            columns, image = f"<im2col(x), {symbol['dcol']}>", f"<x, col2im({symbol['dcol']})>"
        else:
            columns, image = f"<windows, {symbol['routes']}>", f"<x, {symbol['dx']}>"
        yield from self.equation(columns, sums.columns, image, sums.image)
        yield from self.paragraph(self.trace.sentence("dx", self.trace.busiest))

    def equation(self, left: str, a: float, right: str, b: float) -> list[str]:
        """`left = a, right = b: equal`."""
        verdict = self.say("equal" if a == b else "rounded")
        return self.paragraph(f"{left} = {said(a)}, {right} = {said(b)}: {verdict}")

    def examples(self, step: Step) -> list[Index]:
        """A cell one column on, one a row on, one a channel on: those that there are."""
        wanted: list[Index] = [(0, 0, 0, 1), (0, 0, 1, 0), (0, 1, 0, 1)]
        inside = [at for at in wanted if all(i < n for i, n in zip(at, step.shape, strict=True))]
        return inside or [(0, 0, 0, 0)]

    def title(self, words: str) -> str:
        """A heading."""
        return "\n".join(painted(line, "title", self.colour) for line in wrapped(words, self.width))

    def paragraph(self, words: str) -> list[str]:
        """Words, wrapped."""
        return wrapped(words, self.width, INDENT)

    def table(self, name: str) -> Iterator[str]:
        """A step's array, and a word on what of it is left out."""
        drawn, left_out = tables.lines(tables.of_step(self.trace, name), self.width, self.colour)
        yield from ("", *drawn)
        if left_out:
            cells = self.trace[name].array.size
            yield from self.paragraph(self.say("left_out", left_out=left_out, cells=cells))


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))


def _call(symbol: str, index: tuple[Any, ...]) -> str:
    return f"{symbol}({','.join(map(str, index))})"
