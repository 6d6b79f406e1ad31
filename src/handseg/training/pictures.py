"""What a network is shown and what it finds, as pictures in the run's folder, every few epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from handseg.data.classes import HAND
from handseg.evaluation.pictures import FALSE, HIT, MISSED, UNKNOWN, centred, paint
from handseg.image import resize, save_picture
from handseg.training.losses import decided

SHOWN = 8  # images in a picture
COLUMNS = 4
TILE = (240, 320)  # height, width
TIMES = 8  # about as many pictures a run


class Pictures(pl.Callback):
    """Writes `pictures/training.jpg`, the first views as they are augmented, with their labels; and of validations
    `pictures/epoch_004.jpg`: green hit, red false, blue missed, grey unknown.

    epochs: of the run. Draws nothing at random: a run with pictures has the weights of one without.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder / "pictures"
        self._every = max(1, round(epochs / TIMES))
        self._next = 0
        self._tiles: list[np.ndarray] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        path = self.folder / "training.jpg"
        if batch_idx == 0 and trainer.is_global_zero and not path.is_file():
            target, unknown = decided(batch["allowed"][:SHOWN], HAND)
            _save(path, [_tile(i, [(t, HIT), (u, UNKNOWN)]) for i, t, u in zip(batch["image"], target, unknown)])

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not self._is_due(trainer):
            return
        batches = int(trainer.num_val_batches[0])
        if batch_idx % max(1, batches // SHOWN) or len(self._tiles) >= SHOWN:
            return
        take = -(-SHOWN // batches)
        image, allowed = batch["image"][:take], batch["allowed"][:take]
        with torch.no_grad():
            found = pl_module.probability(image) >= pl_module.recipe.run.threshold  # type: ignore[operator,union-attr]
        target, unknown = decided(allowed, HAND)
        for i, f, t, u in zip(image, found, target, unknown):
            f = f & ~u
            self._tiles.append(_tile(i, [(f & t, HIT), (f & ~t, FALSE), (~f & t & ~u, MISSED), (u, UNKNOWN)]))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._tiles:
            _save(self.folder / f"epoch_{trainer.current_epoch + 1:03d}.jpg", self._tiles[:SHOWN])
            self._tiles = []
            self._next = trainer.current_epoch + self._every

    def _is_due(self, trainer: pl.Trainer) -> bool:
        epoch = trainer.current_epoch
        is_last = epoch + 1 == trainer.max_epochs
        return trainer.is_global_zero and not trainer.sanity_checking and (epoch >= self._next or is_last)


def _tile(image: torch.Tensor, parts: list[tuple[torch.Tensor, tuple[int, int, int]]]) -> np.ndarray:
    """RGB uint8 of TILE. image: uint8 (3, H, W). parts: bool (H, W), and the colour of each."""
    picture = np.ascontiguousarray(image.cpu().numpy().transpose(1, 2, 0))
    height, width = picture.shape[:2]
    scale = min(TILE[0] / height, TILE[1] / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = resize(picture, *size).copy()
    for inside, colour in parts:
        paint(small, resize(inside.cpu().numpy().astype(np.uint8) * 255, *size) >= 128, colour)
    return centred(small, *TILE)


def _save(path: Path, tiles: list[np.ndarray]) -> None:
    columns = min(COLUMNS, len(tiles))
    blank = np.full((*TILE, 3), 24, np.uint8)
    tiles = tiles + [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    save_picture(path, np.vstack(rows), quality=85)
