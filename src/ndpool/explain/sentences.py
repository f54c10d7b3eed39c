"""What a pinned cell says: its number, how it came about, and where from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .numbers import said
from .reading import place, windows_holding
from .steps import Cell, Index, Step
from .words import phrase

if TYPE_CHECKING:
    from .trace import Trace

MOST = 9  # terms or cells in one sentence; beyond that the middle is left out


def sentence(trace: Trace, name: str, index: Index) -> str:
    """One or two sentences on the cell at `index` of step `name`; see `Trace.sentence`."""
    step = trace[name]
    index = step.index(index)
    if step.padding is not None and step.padding[index]:
        return _say(trace, "padding", step, index)
    return _KINDS[name](trace, step, index)


def _given(trace: Trace, step: Step, index: Index) -> str:
    outputs = trace.follow("dx", index, to="dout")
    return _say(trace, "x", step, index, won=_won(trace, index, len(outputs)))


def _copied(trace: Trace, step: Step, index: Index) -> str:
    (source,) = step.sources(*index)
    origin = "x" if step.phase == "forward" else "dout"
    (at,) = trace.follow(step.name, index, to=origin)
    return _say(
        trace,
        "copied" if source[0] == origin else "copied_from",
        step,
        index,
        source=_cell(trace, source),
        origin=_cell(trace, (origin, at)),
    )


def _place_of_winner(trace: Trace, step: Step, index: Index) -> str:
    number = int(step.array[index])
    row, column = divmod(number, trace.geometry.kernel[1])
    return _say(
        trace, "argmax", step, index, row=row, column=column, winner=_winner(trace, step, index)
    )


def _winner_itself(trace: Trace, step: Step, index: Index) -> str:
    (at,) = trace.follow(step.name, index, to="x")
    chosen, chosen_at = step, index
    if not step.chosen_from(*index):  # out, where it was made from the highest by moving them
        chosen = trace["max"]
        (chosen_at,) = trace.follow(step.name, index, to="max")
    winner = _winner(trace, chosen, chosen_at)
    return _say(trace, "max", step, index, winner=winner, source=_cell(trace, ("x", at)))


def _sent(trace: Trace, step: Step, index: Index) -> str:
    output = _pair(place(trace, step, index))
    (winner,) = trace.follow("out", index, to="x")
    return _say(trace, "dout", step, index, output=output, target=_cell(trace, ("dx", winner)))


def _zero(trace: Trace, step: Step, index: Index) -> str:
    return _say(trace, "zeros", step, index, **_window(trace, step, index))


def _routed(trace: Trace, step: Step, index: Index) -> str:
    sources = step.sources(*index)
    if not trace.winners[step.name][index]:
        return _say(trace, "lost", step, index, **_window(trace, step, index))
    return _say(
        trace, "routed", step, index, source=_cell(trace, sources[0]), **_window(trace, step, index)
    )


def _added(trace: Trace, step: Step, index: Index) -> str:
    cell = index if step.name == "dx" else _unpadded(trace, index)
    outputs = sorted(trace.follow(step.name, index, to="dout"))
    dout = trace["dout"]
    terms = [said(dout.array[at]) for at in outputs]
    key = "dx_none" if not outputs else "dx_one" if len(outputs) == 1 else "dx_sum"
    text = _say(
        trace,
        key,
        step,
        index,
        won=_won(trace, cell, len(outputs)),
        terms="+".join(_short([f"({t})" if t[0] == "-" else t for t in terms])),
        outputs=_list(trace, [_pair(place(trace, dout, at)) for at in outputs]),
    )
    if not trace.incomplete[cell]:
        return text
    return text + phrase(trace.config.lang, "sentences", "incomplete")


def _unpadded(trace: Trace, index: Index) -> Index:
    """The cell of dx that a cell of the padded dx, not padding, becomes."""
    ((_, at),) = trace.goes_to("col2im", *index)
    return at


def _won(trace: Trace, cell: Index, won: int) -> str:
    """How many of its windows a cell of x won, in words."""
    windows = windows_holding(trace, cell)
    if windows < 2:
        key = f"won_{won}_of_1" if windows else "unseen"
    else:
        key = "won" if won else "won_none"
    return phrase(trace.config.lang, "sentences", key, won=won, windows=windows)


def _winner(trace: Trace, step: Step, index: Index) -> str:
    """What made a winner win: "the highest of 1, 5, 3"."""
    compared = step.chosen_from(*index)
    values = [trace[name].array[at] for name, at in compared]
    won = [bool(trace.winners[name][at]) for name, at in compared]
    highest = values[won.index(True)]
    if len(values) == 1:
        key, equal = "winner_only", 1
    elif highest != highest:
        key, equal = "winner_nan", 1
    else:
        equal = sum(bool(value == highest) for value in values)
        key = "winner_tie" if equal > 1 else "winner"
    return phrase(
        trace.config.lang,
        "sentences",
        key,
        candidates=_list(trace, [said(value) for value in values]),
        equal=equal,
        highest=said(highest),
    )


def _window(trace: Trace, step: Step, index: Index) -> dict[str, Any]:
    at = place(trace, step, index)
    return {"row": at["h"], "column": at["w"], "output": _pair(at)}


def _pair(at: dict[str, int]) -> str:
    return f"({at['oh']},{at['ow']})"


def _cell(trace: Trace, cell: Cell) -> str:
    """`dx[0,0,1,1]`, counted in the whole."""
    name, index = cell
    return f"{trace[name].symbol}[{','.join(map(str, trace.whole_index(name, index)))}]"


def _say(trace: Trace, key: str, step: Step, index: Index, **more: Any) -> str:
    cell, value = _cell(trace, (step.name, index)), said(step.array[index])
    return phrase(trace.config.lang, "sentences", key, cell=cell, value=value, **more)


def _list(trace: Trace, items: Sequence[str]) -> str:
    return phrase(trace.config.lang, "text", "comma").join(_short(items))


def _short(items: Sequence[str]) -> list[str]:
    """At most `MOST`, with the middle left out."""
    if len(items) <= MOST:
        return list(items)
    return [*items[: MOST - 2], "…", items[-1]]


_KINDS: dict[str, Callable[[Trace, Step, Index], str]] = {
    "x": _given,
    "pad": _copied,
    "im2col": _copied,
    "reshape": _copied,
    "windows": _copied,
    "argmax": _place_of_winner,
    "winners": _place_of_winner,
    "max": _winner_itself,
    "out_t": _copied,
    "out": _winner_itself,
    "dout": _sent,
    "transpose": _copied,
    "zeros": _zero,
    "fill": _routed,
    "routes": _routed,
    "reshape_5d": _routed,
    "reshape_6d": _routed,
    "transpose_6d": _routed,
    "dcol": _routed,
    "col2im": _added,
    "dx": _added,
}
