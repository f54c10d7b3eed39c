"""The network: conv 5x5x30 - ReLU - pool 2x2 - affine 100 - ReLU - affine 10 - softmax."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..layers import MaxPool
from ..textbook.rows import Pooling
from .layers import Affine, Convolution, Layer, Learner, Relu

Array = NDArray[Any]

POOL = 2
POOLINGS: dict[str, Callable[[], Layer]] = {
    "im2col": partial(Pooling, POOL, POOL, stride=POOL),
    "native": partial(MaxPool, POOL, engine="native"),
    "numpy": partial(MaxPool, POOL, engine="numpy"),
}


class ConvNet:
    """Scores (N, classes) for images (N, C, H, W), all of `dtype`.

    >>> network = ConvNet(POOLINGS["im2col"](), rng=np.random.default_rng(1))
    >>> network.forward(np.zeros((5, 1, 28, 28), np.float32)).shape
    (5, 10)

    Args:
        pooling: The layer that pools 2x2, stride 2.
        rng: Draws the weights; the same generator gives the same network.
        image: (C, H, W) with H and W at least `filter_size` + 1.
        filters, filter_size, hidden, classes: The sizes of the layers.
        dtype: Of the parameters.

    `seconds` counts the time spent in each of `layers` by `forward` and `backward`.

    Source: the layers are those of chapter 7 of Saitoh, "Deep Learning from Scratch", 2016; the
    weights start as in He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        pooling: Layer,
        *,
        rng: np.random.Generator,
        image: tuple[int, int, int] = (1, 28, 28),
        filters: int = 30,
        filter_size: int = 5,
        hidden: int = 100,
        classes: int = 10,
        dtype: DTypeLike = np.float32,
    ) -> None:
        def weights(*shape: int, inputs: int) -> Array:
            return rng.normal(0, np.sqrt(2 / inputs), shape).astype(dtype)

        def bias(size: int) -> Array:
            return np.zeros(size, dtype)

        c, height, width = image
        size = filter_size
        taps = c * size * size
        pooled = filters * ((height - size + 1) // POOL) * ((width - size + 1) // POOL)
        self.first = Convolution(weights(filters, c, size, size, inputs=taps), bias(filters))
        second = Affine(weights(pooled, hidden, inputs=pooled), bias(hidden))
        third = Affine(weights(hidden, classes, inputs=hidden), bias(classes))
        self.layers: dict[str, Layer] = {
            "convolution": self.first,
            "relu": Relu(),
            "pooling": pooling,
            "affine": second,
            "relu of affine": Relu(),
            "scores": third,
        }
        self.learners: list[Learner] = [self.first, second, third]
        self.seconds: dict[str, float] = defaultdict(float)

    @property
    def parameters(self) -> list[Array]:
        return [array for layer in self.learners for array in layer.parameters]

    @property
    def gradients(self) -> list[Array]:
        """Of the last `backward`, in the order of `parameters`."""
        return [array for layer in self.learners for array in layer.gradients]

    def forward(self, x: Array) -> Array:
        """Scores (N, classes) of images x (N, C, H, W)."""
        for name, layer in self.layers.items():
            with self._clock(name):
                x = layer.forward(x)
        return x

    def backward(self, dscores: Array) -> None:
        """The gradients of the parameters, from that of the last forward's scores."""
        dy = dscores
        for name, layer in reversed(list(self.layers.items())[1:]):
            with self._clock(name):
                dy = layer.backward(dy)
        # Nobody learns from the gradient of the images: without it a batch of 100 spends 17 ms in
        # convolution instead of 30.
        with self._clock("convolution"):
            self.first.learn(dy)

    def scores(self, x: Array, batch: int = 100) -> Array:
        """The same as `forward`, off the clock and `batch` images at a time, for want of memory."""
        parts = []
        for start in range(0, len(x), batch):
            part = x[start : start + batch]
            for layer in self.layers.values():
                part = layer.forward(part)
            parts.append(part)
        return np.concatenate(parts)

    @contextmanager
    def _clock(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.seconds[name] += perf_counter() - start
