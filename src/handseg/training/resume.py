"""Going on with a run: where it stands, and whether what is asked for is the same run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from handseg.errors import TrainingError
from handseg.training.checkpoint import load_checkpoint
from handseg.training.lock import first_process
from handseg.training.manifest import FILE, differences
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe


@dataclass(frozen=True)
class Standing:
    """Of a run's `last.ckpt`. module: of it. epochs, steps: whole ones done. stopped: early, for want of progress."""

    last: Path
    module: HandModule
    epochs: int
    steps: int
    stopped: bool

    @classmethod
    def read(cls, last: Path) -> Standing:
        """Raises TrainingError when the file isn't a handseg checkpoint that can be gone on from."""
        module = load_checkpoint(last)
        content = torch.load(last, map_location="cpu", weights_only=True)
        try:
            epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
            watchers = [state for key, state in content["callbacks"].items() if key.startswith("EarlyStopping")]
            stopped = any(state["stopped_epoch"] and state["wait_count"] >= state["patience"] for state in watchers)
            return cls(last, module, epochs, content["global_step"], stopped)
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{last}: holds no state of a training to go on from; start a new run from its weights with --init"
            ) from error

    def finished(self, recipe: Recipe) -> str:
        """Why there is nothing left to do; "" where there is."""
        run = recipe.run
        if self.stopped and run.early_stopping == self.module.recipe.run.early_stopping:
            return f"stopped early after {self.epochs} epochs"
        if self.epochs >= run.epochs:
            return f"has its {self.epochs} epochs; more of them with --epochs"
        return ""

    def check_state(self, module: HandModule) -> None:
        """Raises TrainingError where the state isn't of that module: its weights, optimizer or schedule.

        The optimizer's settings are part of its state, so that others wouldn't be heard.
        """
        content = torch.load(self.last, map_location="cpu", weights_only=True)
        settings = [replace(m.recipe.optimizer, clip=0.0) for m in (self.module, module)]
        try:
            if settings[0] != settings[1]:
                raise ValueError
            optimizers = module.configure_optimizers()
            module.load_state_dict(content["state_dict"])
            optimizers["optimizer"].load_state_dict(content["optimizer_states"][0])
            optimizers["lr_scheduler"]["scheduler"].load_state_dict(content["lr_schedulers"][0])
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise TrainingError(
                f"{self.last}: another network, optimizer or schedule than this recipe's, so that its state can't be "
                "taken over; start a new run from its weights with --init"
            ) from error


def check_same(
    folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any], standing: Standing | None, force: bool
) -> None:
    """Raises TrainingError where another run is asked for than lies in the folder, unless `force`.

    What can't be checked, and other versions than the run was made with, are told.
    """
    if before is None:
        if standing is None:
            return
        tell(f"{folder}: has no {FILE}, as it was begun by an older handseg; only its recipe can be compared")
        before = {**now, "recipe": standing.module.recipe.to_dict()}
    if found := differences(before, now):
        if not force:
            raise TrainingError(
                f"{folder}: holds another run: {'; '.join(found)}; name the same as then, "
                "or go on all the same with --force-resume"
            )
        tell(f"{folder}: going on with what differs: {'; '.join(found)}")
    versions = {name: value for name, value in now["versions"].items() if before["versions"].get(name) != value}
    if versions:
        told = ", ".join(f"{name} {before['versions'].get(name)} then, {value} now" for name, value in versions.items())
        tell(f"{folder}: {told}; results may differ slightly")


def tell_schedule(standing: Standing, module: HandModule) -> None:
    """Say what other epochs than the run began with do to its learning rate."""
    then, now = standing.module.recipe.run.epochs, module.recipe.run.epochs
    if then == now:
        return
    if module.recipe.optimizer.schedule == "plateau":
        effect = "the schedule follows the validation loss and isn't changed by that"
    else:
        before, after = standing.module.rate(standing.steps), module.rate(standing.steps)
        effect = (
            f"from here on the schedule is that of {now} epochs, its learning rate {after:.3g} of the highest, where "
            f"it was {before:.3g}; the result isn't that of a run of {now} from the start"
        )
    tell(f"{then} epochs then, {now} now: {effect}")


def tell(message: str) -> None:
    """To stderr, by the first of a run's processes."""
    if first_process():
        print(message, file=sys.stderr)
