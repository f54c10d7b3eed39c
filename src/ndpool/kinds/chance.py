"""What layers with chance in them share."""

from __future__ import annotations

from typing import Any

from .layer import Layer
from .words import Seed, flag, generator


class ChanceLayer(Layer):
    """A layer with chance in it while `training`, all of it from one generator, `rng`."""

    def __init__(self, *sizes: Any, training: bool = True, rng: Seed = None, **words: Any) -> None:
        super().__init__(*sizes, **words)
        self.training = flag("training", training)
        self.seed, self.rng = rng, generator("rng", rng)

    def _shown(self) -> list[tuple[str, Any]]:
        return [("training", self.training), ("rng", self.seed), *super()._shown()]
