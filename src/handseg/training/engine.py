"""A checkpoint as an engine, so that a run can be evaluated before it is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from handseg.nets.deployable import Deployable
from handseg.training.checkpoint import load_checkpoint


class CheckpointEngine:
    """Runs a checkpoint's network in torch on the CPU. Raises TrainingError when it isn't a checkpoint."""

    name = "torch"

    def __init__(self, path: Path) -> None:
        self.model = str(path)
        module = load_checkpoint(path)
        self.card = module.card()
        self._net = Deployable(module.net, self.card.mean, self.card.std).eval()

    def run(self, batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(self._net(torch.from_numpy(np.ascontiguousarray(batch))).numpy())
