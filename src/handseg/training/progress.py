"""How far a training is: a bar with the time left on a terminal, and a line an epoch wherever it runs."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning.pytorch as pl
from tqdm import tqdm

NAMES = {"train_loss": "train loss", "val_loss": "val loss", "val_f1": "F1", "val_iou": "IoU"}


class Progress(pl.Callback):
    """show_bar: over all steps of the run, on stderr. The first of several processes speaks."""

    def __init__(self, *, show_bar: bool) -> None:
        self._show_bar = show_bar
        self._bar: Any = None
        self._start = 0.0
        self._first = 0
        self._validated = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start, self._first = time.monotonic(), trainer.current_epoch
        if self._show_bar and trainer.is_global_zero:
            steps = int(trainer.num_training_batches)
            self._bar = tqdm(
                total=steps * (trainer.max_epochs or 0),
                initial=steps * self._first,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left{postfix}",
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", refresh=False)
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            if batch_idx % 5 == 0:  # reading it waits for a GPU
                self._bar.set_postfix_str(f"loss {float(loss):.3f}", refresh=False)
            self._bar.update(1)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The line is said here, where the epoch's training loss is known too."""
        if trainer.is_global_zero:
            self._say(self._line(trainer))
        self._validated = False

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self, trainer: pl.Trainer) -> str:
        epochs = str(trainer.max_epochs)
        done = trainer.current_epoch + 1
        parts = [f"epoch {done:>{len(epochs)}}/{epochs}"]
        for key, name in NAMES.items():
            if key in trainer.callback_metrics and (self._validated or key == "train_loss"):
                value = float(trainer.callback_metrics[key])
                parts.append(f"{name} {value:.4f}" if "loss" in key else f"{name} {value:.3f}")
        parts.append(f"lr {trainer.optimizers[0].param_groups[-1]['lr']:.1e}")
        passed = time.monotonic() - self._start
        left = passed / (done - self._first) * ((trainer.max_epochs or done) - done)
        parts.append(f"{_duration(passed)}, {_duration(left)} left")
        return "  ".join(parts)

    def _say(self, line: str) -> None:
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
