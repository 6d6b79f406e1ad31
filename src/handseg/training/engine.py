"""A checkpoint as an engine, so that a run can be evaluated before it is exported."""

from __future__ import annotations

from pathlib import Path

from handseg.inference.engines.network import NetworkEngine
from handseg.training.checkpoint import load_checkpoint


class CheckpointEngine(NetworkEngine):
    """Runs a checkpoint's network in torch on the CPU. Raises TrainingError when it isn't a checkpoint."""

    def __init__(self, path: Path) -> None:
        module = load_checkpoint(path)
        super().__init__(module.net, module.card(), str(path))
