"""Train the network once with one engine, and count the seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adam import Adam
from .digits import Digits
from .layers import cross_entropy
from .network import POOLINGS, ConvNet

Array = NDArray[Any]

# Of the test digits 94.5 % are right after six epochs (seeds 1 and 2); 93.2 % with the usual 0.001.
RATE = 0.004


@dataclass(frozen=True, slots=True)
class Step:
    """One batch learnt; `held_out` is None until the end of the first epoch."""

    engine: str
    done: int
    total: int
    epoch: int
    epochs: int
    loss: float
    accuracy: float  # of this batch, before the step
    held_out: float | None  # of the last whole epoch

    @property
    def ends_epoch(self) -> bool:
        return self.done * self.epochs == self.epoch * self.total


@dataclass(frozen=True, slots=True)
class Run:
    """A training that is over: the network, the loss of each batch and what it all took.

    Seconds are those of training; looking at the held-out digits is not counted.
    """

    engine: str
    network: ConvNet
    losses: list[float]
    accuracy: float  # on the held-out digits
    total: float

    @property
    def convolution(self) -> float:
        return self.network.seconds["convolution"]

    @property
    def pooling(self) -> float:
        return self.network.seconds["pooling"]

    @property
    def rest(self) -> float:
        return self.total - self.convolution - self.pooling


def train(
    learn: Digits,
    held_out: Digits,
    engine: str,
    *,
    epochs: int,
    seed: int,
    batch: int = 100,
    watch: Callable[[Step], None] = lambda step: None,
) -> Run:
    """Train a new `ConvNet` on `learn`.

    Args:
        learn, held_out: The digits to learn from and those to be tested on after each epoch.
        engine: What pools: a key of `network.POOLINGS`.
        epochs: How often to go through `learn`, at least 1.
        seed: Of the weights and of the order of the digits, at least 0: runs with the same seed
            see the same batches, whatever the engine.
        batch: Digits in a step, at most `len(learn)`; an epoch leaves out what makes no whole one.
        watch: Called after each step.

    Raises PoolError where the engine is not here.
    """
    rng = np.random.default_rng(seed)
    network = ConvNet(POOLINGS[engine](), rng=rng)
    adam = Adam(network.parameters, rate=RATE)
    steps = len(learn) // batch
    losses: list[float] = []
    tested: list[float] = []
    total = 0.0
    for epoch in range(1, epochs + 1):
        # (N,) -> (steps, batch)
        order = rng.permutation(len(learn))[: steps * batch].reshape(steps, batch)
        for number, chosen in enumerate(order, start=1):
            start = perf_counter()
            labels = learn.labels[chosen]
            scores = network.forward(learn.images[chosen])
            loss, dscores = cross_entropy(scores, labels)
            network.backward(dscores)
            adam.step(network.gradients)
            total += perf_counter() - start
            losses.append(loss)
            if number == steps:
                tested.append(accuracy(network, held_out))
            right = float((scores.argmax(axis=1) == labels).mean())
            last = tested[-1] if tested else None
            watch(Step(engine, len(losses), steps * epochs, epoch, epochs, loss, right, last))
    return Run(engine, network, losses, tested[-1], total)


def accuracy(network: ConvNet, digits: Digits) -> float:
    """The share of `digits` that the network reads right, 0 to 1."""
    return float((network.scores(digits.images).argmax(axis=1) == digits.labels).mean())
