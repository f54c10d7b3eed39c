"""A training as it goes: one live line on a terminal, plain lines in a file.

On a terminal the line is drawn anew, at most ten times a second, and coloured unless NO_COLOR is
set (https://no-color.org). Elsewhere there is one line for each epoch.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TextIO

from .train import Step

WIDTH = 79  # one column less than a terminal's 80, where the cursor stays
BAR = 18
BLUE, GREY, PLAIN = "\x1b[34m", "\x1b[90m", "\x1b[0m"


class Progress:
    """Give `show` to `train` to watch it; as a context manager it leaves the cursor on a new line.

    Args:
        stream: Where to write; standard error, usually.
        interval: Seconds from one drawing of the live line to the next, at least.
    """

    def __init__(self, stream: TextIO, *, interval: float = 0.1) -> None:
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.coloured = self.live and not os.environ.get("NO_COLOR")
        self.interval = interval
        self.drawn = -interval
        self.open = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end_line()

    def show(self, step: Step) -> None:
        """Draw the state after `step`, if it is time to."""
        over = step.done == step.total
        if not self.live:
            if step.ends_epoch:
                print(f"{step.engine:6}  {status(step)}", file=self.stream, flush=True)
            return
        now = monotonic()
        if not over and now - self.drawn < self.interval:
            return
        self.drawn = now
        full, empty = bar(step.done / step.total, self.stream.encoding)
        line = f"{step.engine:6}  {full}{empty}  {status(step)}"
        line = line[:WIDTH].ljust(WIDTH)
        if self.coloured:
            line = line.replace(full + empty, f"{BLUE}{full}{GREY}{empty}{PLAIN}")
        self.stream.write(f"\r{line}")
        self.stream.flush()
        self.open = True
        if over:
            self._end_line()

    def _end_line(self) -> None:
        if self.open:
            self.stream.write("\n")
            self.stream.flush()
            self.open = False


def status(step: Step) -> str:
    """The loss and the accuracies in words.

    >>> status(Step("im2col", 25, 100, 2, 5, 0.3456, 0.91, 0.874))
    'epoch 2/5  loss 0.346  train  91 %  test 87.4 %'
    """
    words = f"epoch {step.epoch}/{step.epochs}  loss {step.loss:.3f}"
    words += f"  train {100 * step.accuracy:3.0f} %"
    return words if step.held_out is None else f"{words}  test {100 * step.held_out:4.1f} %"


def bar(share: float, encoding: str) -> tuple[str, str]:
    """(the full part, the empty part) of a bar `BAR` wide; plain characters if `encoding` is poor.

    >>> bar(0.25, "ascii")
    ('####', '..............')
    """
    full, empty = "█", "░"
    try:
        (full + empty).encode(encoding)
    except UnicodeError:
        full, empty = "#", "."
    filled = int(BAR * share)
    return full * filled, empty * (BAR - filled)
