"""What watches a training run: the guard that stops a useless one, and the learning curves."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from handseg.errors import TrainingError
from handseg.files import write_atomically

WITHOUT_HANDS = (
    "the validation side shows no hand: its scores, and the choice of the best checkpoint, say little; "
    "validate on images with hands (another split, or more data)"
)
DIVERGED = (
    "lower the learning rate, set precision to 32, or look for damaged images; the checkpoint of the last good epoch, "
    "if there is one, is kept"
)


def moving_average(decay: float, average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
    """Exponential moving average whose decay grows to `decay`, as min(decay, (1 + n) / (10 + n)) after n updates.

    A constant decay would leave the random start in the average of a short run.
    """
    n = int(updates)
    return average + (1 - min(decay, (1 + n) / (10 + n))) * (current - average)


class Guard(pl.Callback):
    """Stops a run whose loss isn't finite, or that predicts no hand at all in `patience` validations in a row.

    Where the validation side shows no hand, that is right, and is said once instead.
    """

    def __init__(self, patience: int = 5) -> None:
        self.patience = patience
        self.blank = 0
        self.told = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is {loss.item()} at step {trainer.global_step}: {DIVERGED}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last step's weights, which no loss has judged yet, mustn't get into a checkpoint."""
        if not all(torch.isfinite(weights).all() for weights in pl_module.parameters()):
            raise TrainingError(
                f"the weights aren't finite numbers any more after step {trainer.global_step}: {DIVERGED}"
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        if not torch.isfinite(torch.as_tensor(trainer.callback_metrics["val_loss"])):
            raise TrainingError(
                f"the validation loss is {float(trainer.callback_metrics['val_loss'])} after step "
                f"{trainer.global_step}: {DIVERGED}"
            )
        if not trainer.callback_metrics["val_hand"] > 0:
            if trainer.is_global_zero and not self.told:
                print(WITHOUT_HANDS, file=sys.stderr)
            self.told = True
            return
        self.blank = 0 if trainer.callback_metrics["val_predicted"] > 0 else self.blank + 1
        if self.blank >= self.patience:
            raise TrainingError(
                f"the network found no hand pixel in {self.blank} validations in a row: it predicts all "
                "background. Check the masks (handseg data check), raise the learning rate, or train longer "
                "before validating"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"blank": self.blank}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.blank = state_dict["blank"]


class LastValidation(pl.Callback):
    """Validates after the last epoch too, whatever `validate_every` is, so that a run of one epoch has its scores."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1


class Curves(pl.Callback):
    """Appends a row to `curves.csv` after every validation, and draws `curves.png` from it."""

    COLUMNS = ("epoch", "step", "lr", "train_loss", "val_loss", "val_f1", "val_iou", "val_image_iou")

    def __init__(self, folder: Path) -> None:
        self.path = folder / "curves.csv"
        self._validated = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget rows beyond the checkpoint that training resumes from."""
        if trainer.is_global_zero and self.path.is_file():
            rows = [r for r in self._rows() if int(r["epoch"]) < trainer.current_epoch]
            self._write(rows)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The row is written here, where the epoch's training loss is known too."""
        if not trainer.is_global_zero or not self._validated:
            return
        self._validated = False
        metrics = {k: f"{float(v):.6f}" for k, v in trainer.callback_metrics.items() if k in self.COLUMNS}
        lr = trainer.optimizers[0].param_groups[-1]["lr"]
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": f"{lr:.3g}", **metrics}
        self._write([*self._rows(), row])
        self._draw()

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.DictReader(file))
        return [row for row in rows if _is_whole(row)]  # an older version, or an editor, may have left less

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
        write_atomically(self.path, lambda file: file.write(content))

    def _draw(self) -> None:
        from matplotlib.figure import Figure

        rows = self._rows()
        figure = Figure(figsize=(9, 3.5), layout="constrained")
        loss, quality = figure.subplots(1, 2)
        for axes, names in ((loss, ("train_loss", "val_loss")), (quality, ("val_f1", "val_image_iou"))):
            for name in names:
                points = [(int(r["epoch"]) + 1, float(r[name])) for r in rows if r.get(name)]
                if points:
                    axes.plot(*zip(*points), label=name, marker="." if len(points) < 30 else "")
            axes.set_xlabel("epoch")
            axes.grid(alpha=0.3)
            axes.legend()
        write_atomically(self.path.with_suffix(".png"), lambda file: figure.savefig(file, format="png", dpi=100))


def _is_whole(row: Mapping[str, str | None]) -> bool:
    """Whether a row of curves has its epoch, and numbers in the rest as far as it was measured."""
    values = [row.get(name) for name in Curves.COLUMNS]
    try:
        return (
            all(value is not None for value in values)
            and int(values[0] or "") >= 0
            and bool([float(value) for value in values if value])
        )
    except ValueError:
        return False
