"""The seam between handseg and an inference runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from handseg.inference.card import ModelCard


class Engine(Protocol):
    """Runs one model. name: of the engine; model: the file or name it was opened from."""

    name: str
    model: str
    card: ModelCard

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Probability float32 (N, K, H, W) in [0, 1] of RGB uint8 (N, H, W, 3).

        H and W are multiples of the card's stride. K: a channel for each of the card's policies, then for each of its
        hand classes.
        """
        ...
