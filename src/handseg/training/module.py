"""The Lightning module: one network, its loss, its optimizer, and scores on the validation side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from handseg.data.classes import HAND
from handseg.data.loading import Batch
from handseg.inference.card import ModelCard
from handseg.metrics import count, score
from handseg.nets.deployable import Normalise
from handseg.training.losses import HandClassLoss, decided, distillation_loss, foreground_logits
from handseg.training.recipe import Recipe

CLASS_WEIGHT = 0.1  # of the loss of the hand classes beside the mask's


class HandModule(pl.LightningModule):
    """Trains the network of a recipe.

    recipe: `Recipe.to_dict()`, so that a checkpoint holds plain values. steps: optimizer steps in all, for
    the cosine schedule. pretrained: overrides the recipe's, False when a checkpoint will be loaded. teacher: an
    engine's `run`, to be imitated; not part of a checkpoint. sessions: for the card, what the model learns from.
    """

    def __init__(
        self,
        recipe: dict[str, Any],
        steps: int = 1,
        pretrained: bool | None = None,
        teacher: Callable[[np.ndarray], np.ndarray] | None = None,
        sessions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.save_hyperparameters({"recipe": recipe, "steps": steps, "sessions": list(sessions)})
        self.recipe = Recipe.from_run(recipe)
        self.steps = steps
        self.sessions = tuple(sessions)
        self.teacher = teacher
        self.net = self.recipe.build_network(pretrained=pretrained).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
        self.normalise = Normalise(self.recipe.input.mean, self.recipe.input.std)
        self.loss = self.recipe.build_loss()
        self.class_loss = HandClassLoss()
        if only := self.recipe.optimizer.only:
            for name, parameter in self.net.named_parameters():
                parameter.requires_grad = name.startswith(f"{only}.")
        self.train()  # Lightning takes the mode as it is
        self._counts: list[np.ndarray] = []

    def card(self) -> ModelCard:
        """Of the network, as it is run."""
        return replace(self.recipe.card(self.net.stride, training=False), sessions=self.sessions)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, 1 or 3, H, W) of uint8 RGB (N, 3, H, W)."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        mask, classes = self._split(self(batch["image"]))
        loss = self._loss(mask, classes, batch["allowed"])
        if self.teacher is not None and self.recipe.loss.distil:
            seen = self.teacher(batch["image"].permute(0, 2, 3, 1).contiguous().cpu().numpy())
            imitation = distillation_loss(mask, torch.from_numpy(seen).to(mask.device))
            loss = (1 - self.recipe.loss.distil) * loss + self.recipe.loss.distil * imitation
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(mask), sync_dist=True)
        return loss

    def train(self, mode: bool = True) -> HandModule:
        super().train(mode)
        if self.recipe.optimizer.only:
            self.net.eval()  # what isn't trained also keeps its statistics
        return self

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the mask (N, 1 or 3, H, W), and of the hand classes (N, 0 or 4, H, W)."""
        channels = logits.shape[1] - self.net.hand_classes
        return logits[:, :channels], logits[:, channels:]

    def _loss(self, mask: Tensor, classes: Tensor, allowed: Tensor) -> Tensor:
        only = self.recipe.optimizer.only
        if only == "class_head":
            return torch.as_tensor(self.class_loss(classes, allowed))
        loss = self.loss(mask, allowed)
        if self.net.hand_classes and not only:
            loss = loss + CLASS_WEIGHT * self.class_loss(classes, allowed)
        return torch.as_tensor(loss)

    def validation_step(self, batch: Batch, _index: int) -> None:
        mask, classes = self._split(self(batch["image"]))
        loss = self._loss(mask, classes, batch["allowed"])
        self.log("val_loss", loss, prog_bar=True, batch_size=len(mask), sync_dist=True)
        self._counts += self.counts_of(mask, batch["allowed"])

    def probability(self, image: Tensor) -> Tensor:
        """Of hand, (N, H, W) in [0, 1], of uint8 RGB (N, 3, H, W)."""
        return self._hand_probability(self._split(self(image))[0])

    def counts_of(self, mask: Tensor, allowed: Tensor) -> list[np.ndarray]:
        """tp, fp, fn, tn of each image, of the logits of its mask and what its pixels may be."""
        prediction = self._hand_probability(mask) >= self.recipe.run.threshold
        target, ignore = decided(allowed, HAND)
        return [count(p[k].cpu().numpy(), t[k].cpu().numpy()) for p, t, k in zip(prediction, target, ~ignore)]

    def validation_counts(self, batch: Batch) -> list[np.ndarray]:
        """tp, fp, fn, tn of each image of a batch, outside of a training."""
        return self.counts_of(self._split(self(batch["image"]))[0], batch["allowed"])

    def _hand_probability(self, mask: Tensor) -> Tensor:
        hand = mask[:, 0] if mask.shape[1] == 1 else foreground_logits(mask.float(), HAND)
        return hand.sigmoid()

    def on_validation_epoch_end(self) -> None:
        counts = np.stack(self._counts)
        scores = score(counts)
        (tp, fp, fn, _) = counts.sum(axis=0)
        self._counts.clear()
        self.log("val_f1", scores["pixel"]["f1"], prog_bar=True, sync_dist=True)
        self.log("val_iou", scores["pixel"]["iou"], sync_dist=True)
        self.log("val_image_iou", scores["image"]["iou"], sync_dist=True)
        self.log("val_predicted", float(tp + fp), sync_dist=True)
        self.log("val_hand", float(tp + fn), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        run = self.recipe.run
        if self.recipe.optimizer.schedule == "plateau" and (self.current_epoch + 1) % run.validate_every == 0:
            plateau = self.lr_schedulers()
            assert isinstance(plateau, torch.optim.lr_scheduler.ReduceLROnPlateau)
            plateau.step(self.trainer.callback_metrics["val_loss"])

    def configure_optimizers(self) -> Any:
        options = self.recipe.optimizer
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.net.named_parameters():
            if not parameter.requires_grad:
                continue
            encoder = options.encoder_lr != 1 and name.startswith("encoder.")
            groups.setdefault((encoder, parameter.ndim > 1), []).append(parameter)
        parameters = [
            {
                "params": members,
                "lr": options.lr * (options.encoder_lr if encoder else 1),
                "weight_decay": options.weight_decay if decay else 0.0,
            }
            for (encoder, decay), members in groups.items()
        ]
        optimizer: torch.optim.Optimizer
        if options.name == "adam":
            optimizer = torch.optim.Adam(parameters, lr=options.lr)
        else:
            optimizer = torch.optim.AdamW(parameters, lr=options.lr)
        if options.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
            # Lightning keeps its state, but would step it after the epoch's checkpoint, and without a validation too.
            scheduler = {"scheduler": plateau, "monitor": "val_loss", "frequency": self.recipe.run.epochs + 1}
        else:
            by_step = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
            scheduler = {"scheduler": by_step, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def rate(self, step: int) -> float:
        """Learning rate at an optimizer step, as a fraction of the highest."""
        options = self.recipe.optimizer
        warmup = min(options.warmup, self.steps // 5)  # a short run, of few images, is to get to its highest too
        if step < warmup:
            return (step + 1) / warmup
        if options.schedule == "trapezoid":
            return min(1.0, max(0.0, self.steps - step) / max(1.0, options.cooldown * self.steps))
        done = (step - warmup) / max(1, self.steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
