"""The torch part of data: samples decoded once into memory, drawn and augmented without hidden state.

What a draw yields depends on (seed, epoch, position) alone, so a resumed run sees what the whole one would
have seen, whatever the number of workers or processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from handseg.card import LABEL_POLICIES, ModelCard
from handseg.data.augment import Augmentation
from handseg.data.sample import Sample
from handseg.image import resize
from handseg.preprocess import preprocess

Draw = tuple[int, int, int]  # epoch, position in it, index of the sample


class Batch(TypedDict):
    """image: uint8 (N, 3, H, W). target: uint8 (N, H, W), 0 or 1. ignore: bool (N, H, W), True on padding.
    policy: int64 (N,), index in LABEL_POLICIES."""

    image: Tensor
    target: Tensor
    ignore: Tensor
    policy: Tensor


class Memory:
    """Samples decoded and shrunk to a long side of at most `long_side` pixels, held as uint8."""

    def __init__(self, samples: Sequence[Sample], long_side: int) -> None:
        self.samples = samples
        self.images: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []
        for sample in samples:
            image, mask = sample.load_image(), sample.load_mask()
            scale = min(1.0, long_side / max(mask.shape))
            size = round(mask.shape[0] * scale), round(mask.shape[1] * scale)
            self.images.append(resize(image, *size))
            self.masks.append(resize(mask, *size))


class TrainingData(Dataset[Batch]):
    """Augmented views of `size` (height, width); `augment=None` stretches the whole image to that size."""

    def __init__(self, memory: Memory, card: ModelCard, augment: Augmentation | None, seed: int) -> None:
        self.memory, self.card, self.augment, self.seed = memory, card, augment, seed

    def __len__(self) -> int:
        return len(self.memory.samples)

    def __getitem__(self, draw: Draw) -> Batch:
        epoch, position, index = draw
        image, mask = self.memory.images[index], self.memory.masks[index]
        if self.augment is None:
            image, mask = resize(image, *self.card.size), resize(mask, *self.card.size)
        else:
            rng = np.random.default_rng((self.seed, epoch, position))
            image, mask = self.augment(image, mask, self.card.size, self.card.mean, rng)
        return _item(image, mask >= 128, self.memory.samples[index])


class ValidationData(Dataset[Batch]):
    """Whole images, preprocessed as at run time; the padding is ignored."""

    def __init__(self, memory: Memory, card: ModelCard) -> None:
        self.memory, self.card = memory, card

    def __len__(self) -> int:
        return len(self.memory.samples)

    def __getitem__(self, index: int) -> Batch:
        image, placement = preprocess(self.memory.images[index], self.card)
        mask = np.zeros(placement.padded, bool)
        content = resize(self.memory.masks[index], *placement.resized) >= 128
        mask[: placement.resized[0], : placement.resized[1]] = content
        item = _item(image, mask, self.memory.samples[index])
        item["ignore"][placement.resized[0] :] = True
        item["ignore"][:, placement.resized[1] :] = True
        return item


def collate(items: Sequence[Batch]) -> Batch:
    """Stack items, padding below and to the right to the largest; what is padded is ignored."""
    height = max(i["target"].shape[0] for i in items)
    width = max(i["target"].shape[1] for i in items)

    def pad(x: Tensor, value: int) -> Tensor:
        margin = (0, width - x.shape[-1], 0, height - x.shape[-2])
        return torch.nn.functional.pad(x, margin, value=value)

    return {
        "image": torch.stack([pad(i["image"], 0) for i in items]),
        "target": torch.stack([pad(i["target"], 0) for i in items]),
        "ignore": torch.stack([pad(i["ignore"], 1) for i in items]),
        "policy": torch.stack([i["policy"] for i in items]),
    }


class DrawSampler(Sampler[Draw]):
    """Draws of one epoch: a permutation, or `draws` of them by `weights` with replacement.

    Under DDP each process takes every `replicas`-th draw, `rank` first.
    """

    def __init__(
        self,
        n: int,
        seed: int,
        *,
        draws: int | None = None,
        weights: np.ndarray | None = None,
        rank: int = 0,
        replicas: int = 1,
    ) -> None:
        self.n, self.seed, self.draws, self.weights = n, seed, draws or n, weights
        self.rank, self.replicas = rank, replicas
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, also after a resume."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.draws // self.replicas

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.weights is None:
            chosen = np.concatenate([rng.permutation(self.n) for _ in range(-(-self.draws // self.n))])
        else:
            chosen = rng.choice(self.n, self.draws, p=self.weights / self.weights.sum())
        for position in range(self.rank, len(self) * self.replicas, self.replicas):
            yield self.epoch, position, int(chosen[position])


def session_weights(samples: Sequence[Sample], power: float) -> np.ndarray:
    """How often to draw each sample: a session of n frames counts n**power in all. 1 is uniform over frames."""
    counts = Counter(s.session for s in samples)
    return np.array([counts[s.session] ** (power - 1) for s in samples])


def _item(image: np.ndarray, mask: np.ndarray, sample: Sample) -> Batch:
    return {
        "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        "target": torch.from_numpy(mask.astype(np.uint8)),
        "ignore": torch.zeros(mask.shape, dtype=torch.bool),
        "policy": torch.tensor(LABEL_POLICIES.index(sample.policy)),
    }
