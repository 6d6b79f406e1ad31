"""A checkpoint as an engine, so that a run can be used before it is exported."""

from __future__ import annotations

from pathlib import Path

from handseg.inference.engines.network import NetworkEngine
from handseg.inference.engines.torchscript import check_device
from handseg.training.checkpoint import load_checkpoint, run_checkpoint


class CheckpointEngine(NetworkEngine):
    """Runs a checkpoint's network in torch, on cpu or cuda.

    path: of a checkpoint, or of a run's folder, of which it takes the one that counts as the result.
    Raises TrainingError when it is neither, ModelError for a device that isn't there.
    """

    def __init__(self, path: Path, *, threads: int | None = None, device: str = "cpu") -> None:
        check_device(device)
        checkpoint = run_checkpoint(path) if path.is_dir() else path
        module = load_checkpoint(checkpoint)
        super().__init__(module.net, module.card(), str(checkpoint), device, threads)
