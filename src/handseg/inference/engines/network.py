"""A network that is in memory as an engine: of a checkpoint, or of weights that other code trained. Needs torch."""

from __future__ import annotations

import numpy as np
import torch

from handseg.inference.card import ModelCard
from handseg.nets.blocks import SegmentationNet
from handseg.nets.deployable import Deployable


class NetworkEngine:
    """Runs a network in torch as its exported file would. model: the name of where it is from. device: cpu or cuda.
    threads: of torch, which has one number for the whole process; None leaves it."""

    name = "torch"

    def __init__(
        self, net: SegmentationNet, card: ModelCard, model: str, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.card = card
        self.model = model
        self._device = device
        self._threads = threads
        self._net = Deployable(net, card.mean, card.std).eval().to(device)

    def run(self, batch: np.ndarray) -> np.ndarray:
        if self._threads is not None and self._threads != torch.get_num_threads():
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            return np.asarray(self._net(pixels).cpu().numpy())
