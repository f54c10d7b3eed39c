"""One digit on its way through the trained network and back, as data; picture.py draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pool import convert_indices, max_pool, max_pool_backward
from .digits import Digits
from .layers import cross_entropy, softmax
from .network import POOL, ConvNet

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Inside:
    """All that the picture shows: float32, M feature maps of size (H, W), pooled to (OH, OW)."""

    image: Array  # (28, 28)
    label: int
    probabilities: Array  # (10,)
    filters: Array  # (M,) int64: which filters made the maps
    maps: Array  # (M, H, W): what goes into the pooling, after ReLU
    pooled: Array  # (M, OH, OW)
    winners: Array  # (M, OH, OW) int64: row * W + column of the cell that won
    tied: Array  # (M, OH, OW) bool: all cells of the window are equal, so the first one won
    dpooled: Array  # (M, OH, OW): gradient of the loss by `pooled`
    dmaps: Array  # (M, H, W): the same by `maps`, 0 but at winners


def least_sure(network: ConvNet, digits: Digits) -> int:
    """Which of the digits read right had the lowest probability: the loss has most to say there.

    The first of all where none is read right.
    """
    probabilities = softmax(network.scores(digits.images))
    rows = np.arange(len(digits))
    right = probabilities.argmax(axis=1) == digits.labels
    return int(np.where(right, probabilities[rows, digits.labels], 2).argmin())


def look_inside(network: ConvNet, image: Array, label: int, maps: int = 4) -> Inside:
    """Follow `image`, (C, H, W), through `network`.

    Kept are the `maps` feature maps that count most: those with the largest sum of
    ``abs(value * gradient)``.
    """
    layers = list(network.layers.values())
    at = list(network.layers).index("pooling")
    # (C, H, W) -> (1, C, H, W)
    x = image[np.newaxis]
    for layer in layers[:at]:
        x = layer.forward(x)
    y, indices = max_pool(x, POOL, return_indices=True)
    scores = y
    for layer in layers[at + 1 :]:
        scores = layer.forward(scores)

    _, dy = cross_entropy(scores, np.array([label]))
    for layer in reversed(layers[at + 1 :]):
        dy = layer.backward(dy)
    dx = max_pool_backward(dy, indices, x.shape, POOL)

    lowest = -max_pool(-x, POOL)
    # (1, F, H, W) -> (F,), the highest first
    chosen = np.abs(x * dx)[0].sum(axis=(1, 2)).argsort()[::-1][:maps]
    return Inside(
        image=image[0],
        label=label,
        probabilities=softmax(scores)[0],
        filters=chosen,
        maps=x[0, chosen],
        pooled=y[0, chosen],
        winners=convert_indices(indices, x.shape, POOL)[0, chosen],
        tied=lowest[0, chosen] == y[0, chosen],
        dpooled=dy[0, chosen],
        dmaps=dx[0, chosen],
    )
