"""Adam, the optimiser. Source: Kingma, Ba, "Adam: a method for stochastic optimization", 2015."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Adam:
    """Changes `parameters`, float arrays of any shape, in place; argument names are the paper's.

    >>> weight = np.array([1.0])
    >>> Adam([weight], rate=0.1).step([np.array([5.0])])
    >>> weight.round(3)
    array([0.9])
    """

    def __init__(
        self,
        parameters: Sequence[Array],
        *,
        rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        self.parameters = parameters
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.means = [np.zeros_like(array) for array in parameters]
        self.squares = [np.zeros_like(array) for array in parameters]
        self.steps = 0

    def step(self, gradients: Sequence[Array]) -> None:
        """One step; `gradients` in the order and shapes of the parameters."""
        self.steps += 1
        # Both bias corrections folded into the rate: the form at the end of the paper's section 2.
        rate = self.rate * sqrt(1 - self.beta2**self.steps) / (1 - self.beta1**self.steps)
        for array, gradient, mean, square in zip(
            self.parameters, gradients, self.means, self.squares, strict=True
        ):
            mean += (1 - self.beta1) * (gradient - mean)
            square += (1 - self.beta2) * (gradient * gradient - square)
            array -= rate * mean / (np.sqrt(square) + self.epsilon)
