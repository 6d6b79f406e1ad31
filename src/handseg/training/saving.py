"""How a run's checkpoints are written: whole or not at all, and at home in whatever folder the run lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from handseg.files import write_atomically


class WholeCheckpoints(TorchCheckpointIO):
    """Replaces a checkpoint by the next one in a single step.

    Lightning's own writes to the system's folder for temporary files and moves from there: a copy, where that is on
    another disk, and half a checkpoint where it is cut off.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        write_atomically(path, lambda file: torch.save(checkpoint, file))


class RunCheckpoint(ModelCheckpoint):
    """Goes on comparing with the best of before also where the run's folder was moved or copied."""

    @property
    def state_key(self) -> str:
        """Its base's, by which checkpoints of older versions know it."""
        return super().state_key.replace(type(self).__name__, ModelCheckpoint.__name__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(self.dirpath or "") / Path(path).name) if path else path

        paths = {key: here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath})


def remove_drafts(folder: Path) -> None:
    """Delete what a process that was killed while it wrote has left."""
    for draft in folder.glob(".*.tmp"):
        draft.unlink(missing_ok=True)
