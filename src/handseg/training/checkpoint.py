"""Checkpoints of a run: which one counts, and reading it without trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from handseg.errors import TrainingError
from handseg.training.module import HandModule


def run_checkpoint(folder: Path) -> Path:
    """The checkpoint that counts as a run's result: its recipe selects the last or the best.

    Raises TrainingError when the folder holds no run.
    """
    last = folder / "last.ckpt"
    if not last.is_file():
        raise TrainingError(f"{folder}: no last.ckpt in it; name the folder of a run, or train first")
    return folder / f"{load_checkpoint(last).recipe.run.select}.ckpt"


def load_checkpoint(path: Path) -> HandModule:
    """The module of a checkpoint, in evaluation mode on the CPU; averaged weights where the run keeps them.

    Raises TrainingError when the file isn't a handseg checkpoint.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no such checkpoint; name the last.ckpt or best.ckpt of a run")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        parameters = checkpoint["hyper_parameters"]
        sessions = parameters.get("sessions", ())
        module = HandModule(parameters["recipe"], parameters["steps"], pretrained=False, sessions=sessions)
        module.load_state_dict(checkpoint["state_dict"])
    except Exception as error:  # torch.load raises nearly anything on a file that isn't its own
        raise TrainingError(
            f"{path}: not a handseg checkpoint ({type(error).__name__}); name the last.ckpt or best.ckpt of a run"
        ) from error
    return module.eval()
