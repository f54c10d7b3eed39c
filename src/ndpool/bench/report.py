"""Results as text: a table for the terminal, 80 columns wide, and one for the docs in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from .case import BACKWARD, FORWARD, INDICES
from .cases import TINY
from .peers import PEERS, Peer
from .random_cases import DRAWN, drawn
from .results import OURS, Results, Row
from .targets import Finding, Target, findings

WIDTH = 80
_SHORT = {FORWARD: "fwd", INDICES: "fwd+i", BACKWARD: "bwd"}
_LINE = "{:<24} {:<5} {:>8} {:>17} {:>7} {:>7} {:>5}"
_TARGET = "{:<52} {:>9} {:>9} {:>7}"
_LEGEND = (
    "fwd+i is forward with winners. The peers' columns are their time over ndpool's: above 1 "
    "ndpool is faster. copy is the share of copy bandwidth: the time of a copy of as many bytes "
    "over ndpool's."
)
_MEANS = "Geometric means of the peers' columns (number of cases):"


def heading(results: Results) -> str:
    """The machine and the names of the columns."""
    names = ("case", "task", "ms", "best other", "torch", "onnxrt", "copy")
    return "\n".join(
        [textwrap.fill(_machine(results), WIDTH), "", _LINE.format(*names), "-" * WIDTH]
    )


def line(row: Row) -> str:
    """One row of the terminal's table, and below it the peers that failed or disagreed."""
    ratios, best = row.ratios, row.best
    text = _LINE.format(
        row.case,
        _SHORT[row.task],
        _milliseconds(row),
        f"{best} {_ratio(ratios[best])}" if best else "-",
        _ratio(ratios.get("torch")),
        _ratio(ratios.get("onnxruntime")),
        _percent(row.share),
    ).rstrip()
    return "\n".join([text, *_notes(row)])


def summary(results: Results) -> str:
    """Geometric means, the special measurements, and how the targets stand."""
    parts = ["", _LEGEND, "", _MEANS, *_means(results), "", *_special(results), ""]
    parts += [part for peer in PEERS for part in _slower_than(peer, results)]
    lines = [textwrap.fill(part, WIDTH, subsequent_indent="  ") for part in parts]
    return "\n".join([*lines, targets(results)])


def targets(results: Results) -> str:
    """Each target: the figure, the bound, whether it is held, and where not, the worst case."""
    lines = [_TARGET.format("target", "figure", "bound", "held"), "-" * WIDTH]
    for target, found in findings(results):
        lines.append(_TARGET.format(*_target_cells(target, found)).rstrip())
        if found is not None and not found.held:
            lines.append(f"  worst: {found.worst}")
    return "\n".join(lines)


def text(results: Results) -> str:
    """The whole report for a terminal."""
    rows = [line(row) for row in results.rows]
    return "\n".join([heading(results), *rows, summary(results)])


def markdown_head(results: Results) -> str:
    """The machine, and what the project sets out to show."""
    return "\n".join(
        [_machine(results), "", "## What it has to show", "", *_targets_table(results), ""]
    )


def markdown(results: Results) -> str:
    """The measurements, every peer a column."""
    return "\n".join(["## All cases", "", _LEGEND, "", *_table(results)]) + "\n"


def _targets_table(results: Results) -> list[str]:
    lines = [_cells(["Target", "Figure", "Bound", "Held", "Of", "Worst"])]
    lines.append(_cells(["---", "---:", "---:", "---", "---:", "---"]))
    for target, found in findings(results):
        number, worst = (str(found.number), found.worst) if found else ("-", "-")
        lines.append(_cells([*_target_cells(target, found), number, worst]))
    return lines


def _table(results: Results) -> list[str]:
    found = {name for row in results.rows for name in row.ratios}
    peers = [peer for peer in PEERS if peer.name in found]
    titles = ["Case", "Task", "ndpool, ms", *(peer.title for peer in peers), "Copy bandwidth"]
    lines = [_cells(titles), _cells(["---", "---", *["---:"] * (len(titles) - 2)])]
    for row in results.rows:
        ratios = (_ratio(row.ratios.get(peer.name)) for peer in peers)
        case = f"{row.case}: {drawn(row.case)}" if row.group in DRAWN else row.case
        lines.append(_cells([case, row.task, _milliseconds(row), *ratios, _percent(row.share)]))
    lines += ["", _MEANS, "", *(f"- {mean}" for mean in _means(results))]
    return lines + [f"- {figure}" for figure in _special(results)]


def _target_cells(target: Target, found: Finding | None) -> tuple[str, str, str, str]:
    bound = f"{'<=' if target.most else '>='} {_figure(target.bound, target)}"
    if found is None:
        return target.words, "-", bound, "?"
    return target.words, _figure(found.figure, target), bound, "yes" if found.held else "NO"


def _figure(value: float, target: Target) -> str:
    return f"{value:.0%}" if not target.unit else f"{value:.3g}{target.unit}"


def _cells(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def _machine(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores, "
        f"{machine['system']}, Python {machine['python']}, engine {machine['engine']} "
        f"({machine['instruction_set'] or 'no vectors'}), "
        f"{machine['date']}; {versions}."
    )


def _means(results: Results) -> list[str]:
    """One sentence for each group and task that has peers."""
    sentences = []
    for (group, task), found in results.means().items():
        figures = [
            f"{peer.name} {_ratio(found[peer.name][0])} ({found[peer.name][1]})"
            for peer in PEERS
            if peer.name in found
        ]
        if figures:
            sentences.append(f"{group}, {task}: {', '.join(figures)}")
    return sentences


def _special(results: Results) -> list[str]:
    special, sentences = results.special, []
    for row in results.rows:
        if row.case == TINY.name and OURS in row.seconds:
            times = ", ".join(
                f"{name} {row.seconds[name] * 1e6:.1f} us"
                for name in (OURS, "torch")
                if name in row.seconds
            )
            sentences.append(f"A call on 1x1x28x28, {row.task}: {times}.")
    if special.import_ratio is not None:
        milliseconds = special.import_seconds[OURS] * 1e3
        sentences.append(
            f"import ndpool: {milliseconds:.0f} ms, {special.import_ratio:.2f} times import numpy."
        )
    if special.extra_mib:
        figures = ", ".join(f"{task} {mib:.1f}" for task, mib in special.extra_mib.items())
        sentences.append(f"MiB at the peak beyond inputs and results: {figures}.")
    return sentences


def _slower_than(peer: Peer, results: Results, most: int = 10) -> list[str]:
    """What was drawn at random that ndpool is slower in than this peer, the worst first."""
    rows = [row for row in results.rows if row.group in DRAWN and row.ratios.get(peer.name, 1) < 1]
    rows.sort(key=lambda row: row.ratios[peer.name])
    sentences = [
        f"{_ratio(row.ratios[peer.name])} {row.task} of {row.case}: {drawn(row.case)}"
        for row in rows[:most]
    ]
    return [f"Slower than {peer.title}:", *sentences, ""] if sentences else []


def _notes(row: Row) -> list[str]:
    return [
        "  " + textwrap.shorten(f"{name}: {reason}", WIDTH - 2)
        for name, reason in row.refused.items()
    ]


def _milliseconds(row: Row) -> str:
    return _three(row.seconds[OURS] * 1e3) if OURS in row.seconds else "-"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{_three(ratio)}x"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _three(value: float) -> str:
    """Three digits that count; all of those before the point."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4
    return f"{value:.{digits}f}"
