"""Checkpoints of a run: which one counts, and reading it without trusting it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from handseg.errors import ModelError, TrainingError
from handseg.inference.engines.model_file import kind_of
from handseg.nets.foreign import read_weights, unet_of
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe


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
            f"{path}: not a handseg checkpoint ({type(error).__name__}); name the last.ckpt or best.ckpt of a run, "
            "or, if it holds a U-Net of other code, rename it to .pth"
        ) from error
    return module.eval()


def load_weights(path: Path) -> HandModule:
    """The module of a U-Net's weights that other code saved, in evaluation mode, as the recipe `blog` would have it.

    Raises ModelError when the file holds something else.
    """
    if kind_of(path) != "weights":
        raise ModelError(f"{path}: not weights that torch.save wrote; name a run's folder, its .ckpt, or such a .pth")
    net = unet_of(read_weights(path), path)
    recipe = Recipe.load("blog")
    recipe = replace(recipe, name=path.stem, network=replace(recipe.network, widths=net.widths))
    module = HandModule(recipe.to_dict(), pretrained=False)
    module.net.load_state_dict(net.state_dict())
    return module.eval()
