"""The 2,500 MNIST digits that travel with the package; DIGITS.md says whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

FILE = "digits.npz"


@dataclass(frozen=True, slots=True)
class Digits:
    """images: float32 (N, 1, 28, 28), 0 is paper and 1 is ink; labels: uint8 (N,), 0 to 9."""

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)


def load(held_out: int = 50) -> tuple[Digits, Digits]:
    """(digits to learn from, digits held out: the last `held_out` of each class).

    >>> learn, test = load()
    >>> len(learn), len(test)
    (2000, 500)
    """
    with files(__package__).joinpath(FILE).open("rb") as file, np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    # (N, 28, 28) -> (N, 1, 28, 28)
    images = images[:, np.newaxis].astype(np.float32) / 255
    out = np.zeros(len(labels), bool)
    for digit in range(10):
        out[np.flatnonzero(labels == digit)[-held_out:]] = True
    return Digits(images[~out], labels[~out]), Digits(images[out], labels[out])
