"""What the demo says in words: before, and after, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np

from .train import Run

NETWORK = "conv 5x5x30 - ReLU - pool 2x2 - affine 100 - ReLU - affine 10 - softmax"


def opening(learn: int, held_out: int, epochs: int, engines: Sequence[str]) -> str:
    """What is about to happen."""
    return (
        f"{NETWORK}\n"
        f"{learn} MNIST digits to learn from, {held_out} held out for the test; epochs: {epochs}\n"
        f"pooling with: {', then '.join(engines)}"
    )


def without_native(reason: str) -> str:
    """Why there is no native engine in the table."""
    return fill(f"The numpy engine stands in for the native one, which is not built: {reason}", 80)


def table(runs: Sequence[Run]) -> str:
    """A row for each engine: its accuracy and where the seconds of training went."""
    head = [
        f"{'':10}{'accuracy':>10}{'seconds of training, spent in':>36}",
        f"{'engine':10}{'held-out':>10}"
        f"{'convolution':>15}{'pooling':>10}{'the rest':>11}{'total':>11}",
    ]
    rule = "-" * 67
    rows = [
        f"{run.engine:10}{100 * run.accuracy:8.1f} %"
        f"{run.convolution:15.2f}{run.pooling:10.2f}{run.rest:11.2f}{run.total:11.2f}"
        for run in runs
    ]
    return "\n".join([*head, rule, *rows, rule])


def comparison(slow: Run, fast: Run) -> str:
    """What `fast` saved over `slow`, and that it learnt the same."""
    apart = np.abs(np.subtract(slow.losses, fast.losses)).max()
    same = "the same to the bit" if apart == 0 else f"at most {apart:.1e} apart"
    return (
        f"Pooling: {fast.engine} is {slow.pooling / fast.pooling:.1f} times as fast as "
        f"{slow.engine}.\n"
        f"The whole training: {slow.total / fast.total:.1f} times as fast.\n"
        f"The losses of all {len(slow.losses)} steps are {same}."
    )
