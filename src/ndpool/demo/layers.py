"""The layers around the pooling: convolution, ReLU, affine, and the loss.

Each keeps from `forward` what its `backward` needs. Layers that learn have `parameters`, a list
of arrays, and after `backward` in the same order `gradients`. Results have the dtype of the input
where the parameters have it too.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..textbook.rows import col2im, im2col

Array = NDArray[Any]


class Layer(Protocol):
    def forward(self, x: Array) -> Array: ...
    def backward(self, dy: Array) -> Array: ...


class Learner(Layer, Protocol):
    parameters: list[Array]
    gradients: list[Array]


class Convolution:
    """Stride 1, no padding: x (N, C, H, W) -> y (N, F, H - h + 1, W - w + 1).

    Args:
        filters: (F, C, h, w).
        bias: (F,).

    Source: Chellapilla, Puri, Simard, "High performance convolutional neural networks for
    document processing", IWFHR 2006 (convolution as one matrix product).
    """

    gradients: list[Array]

    def __init__(self, filters: Array, bias: Array) -> None:
        self.parameters = [filters, bias]

    def forward(self, x: Array) -> Array:
        filters, bias = self.parameters
        f, c, h, w = filters.shape
        n, _, height, width = self.x_shape = x.shape
        out_h, out_w = height - h + 1, width - w + 1
        # (N*OH*OW, C*h*w) -> (N, OH*OW, C*h*w)
        self.rows = im2col(x, h, w).reshape(n, out_h * out_w, c * h * w)
        # (F, C*h*w) @ (N, C*h*w, OH*OW) -> (N, F, OH*OW): comes out in the order of an image,
        # where rows @ filters would need a transposed copy of the largest array in the network.
        y = filters.reshape(f, -1) @ self.rows.transpose(0, 2, 1)
        y += bias[:, np.newaxis]
        # (N, F, OH*OW) -> (N, F, OH, OW)
        return y.reshape(n, f, out_h, out_w)

    def learn(self, dy: Array) -> None:
        """The gradients of the parameters alone: all that a first layer is asked for."""
        filters, _ = self.parameters
        # (N, F, OH, OW) -> (N, F, OH*OW)
        dy = dy.reshape(*dy.shape[:2], -1)
        # (N, F, OH*OW) @ (N, OH*OW, C*h*w) -> (N, F, C*h*w), summed over N -> (F, C, h, w)
        dfilters = (dy @ self.rows).sum(axis=0).reshape(filters.shape)
        self.gradients = [dfilters, dy.sum(axis=(0, 2))]

    def backward(self, dy: Array) -> Array:
        self.learn(dy)
        filters, _ = self.parameters
        f, c, h, w = filters.shape
        # (N, F, OH, OW) -> (N, OH, OW, F) -> (N*OH*OW, F)
        dy = dy.transpose(0, 2, 3, 1).reshape(-1, f)
        # (N*OH*OW, F) @ (F, C*h*w) -> (N*OH*OW, C*h*w), added up into (N, C, H, W)
        return col2im(dy @ filters.reshape(f, c * h * w), self.x_shape, h, w)


class Relu:
    """max(x, 0), any shape. Its gradient at 0 is 0."""

    def forward(self, x: Array) -> Array:
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (self.y > 0)


class Affine:
    """x (N, ...), flattened to (N, D) -> y (N, M).

    Args:
        weights: (D, M).
        bias: (M,).
    """

    gradients: list[Array]

    def __init__(self, weights: Array, bias: Array) -> None:
        self.parameters = [weights, bias]

    def forward(self, x: Array) -> Array:
        weights, bias = self.parameters
        self.x_shape = x.shape
        # (N, ...) -> (N, D)
        self.x = x.reshape(len(x), -1)
        return self.x @ weights + bias

    def backward(self, dy: Array) -> Array:
        weights, _ = self.parameters
        self.gradients = [self.x.T @ dy, dy.sum(axis=0)]
        # (N, D) -> (N, ...)
        return (dy @ weights.T).reshape(self.x_shape)


def softmax(scores: Array) -> Array:
    """Scores (N, K) -> probabilities (N, K); each row sums to 1."""
    powers: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def cross_entropy(scores: Array, labels: Array) -> tuple[float, Array]:
    """(mean of -log p of the right class over the batch, its gradient by the scores (N, K)).

    Args:
        scores: (N, K), what `softmax` makes probabilities of.
        labels: integers (N,), the right class of each row.
    """
    rows = np.arange(len(labels))
    shifted = scores - scores.max(axis=1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    dscores = softmax(scores)
    dscores[rows, labels] -= 1
    return float(loss.mean()), dscores / len(labels)
