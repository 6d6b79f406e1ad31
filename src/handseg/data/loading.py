"""The torch part of data: samples decoded once into memory, drawn and augmented without hidden state.

What a draw yields depends on (seed, epoch, position) alone, so a resumed run sees what the whole one would
have seen, whatever the number of workers or processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from handseg.data.augment import Augmentation
from handseg.data.classes import CLASSES, HAND_PLANES, PLANES, UNKNOWN, label_planes
from handseg.data.landmarks import wrist_probability
from handseg.data.sample import Sample
from handseg.data.wrist import split_at_wrist
from handseg.image import resize
from handseg.image.mask_values import HAND, IGNORE
from handseg.inference.card import ModelCard
from handseg.inference.preprocess import preprocess

Draw = tuple[int, int, int]  # epoch, position in it, index of the sample
Teacher = Callable[[np.ndarray], np.ndarray]  # RGB uint8 H×W×3 → probability of hand, float H×W


class Batch(TypedDict):
    """image: uint8 (N, 3, H, W). allowed: uint8 (N, H, W), the set of classes that each pixel may be, see
    `handseg.data.classes`; UNKNOWN on padding."""

    image: Tensor
    allowed: Tensor


class Memory:
    """Samples decoded and shrunk to a long side of at most `long_side` pixels, held as uint8.

    images: RGB H×W×3. labels: H×W×6, 0 to 255, see `handseg.data.classes`.
    teacher: gives the probability of hand for an image, to find the wrist in hand+forearm labels where landmarks don't.
    """

    def __init__(self, samples: Sequence[Sample], long_side: int, teacher: Teacher | None = None) -> None:
        self.samples = samples
        self.images: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        for sample in samples:
            image, stored = sample.load_image(), sample.load_mask()
            scale = min(1.0, long_side / max(stored.shape))
            size = round(stored.shape[0] * scale), round(stored.shape[1] * scale)
            image = resize(image, *size)
            mask, unknown = (resize(np.where(stored == v, 255, 0).astype(np.uint8), *size) for v in (HAND, IGNORE))
            self.images.append(image)
            if sample.unlabelled:
                self.labels.append(np.full((*size, PLANES), 255, np.uint8))
                continue
            if sample.policy == "hand":
                background = forearm = 255 - mask
                if (told := sample.load_forearm()) is not None:
                    background, forearm = (
                        np.minimum(255 - mask, resize(np.where(may_be, 255, 0).astype(np.uint8), *size))
                        for may_be in (told < 255, told > 0)
                    )
                label = label_planes(background, mask, forearm)
                if (hands := sample.load_hands()) is not None:
                    label[..., HAND_PLANES] = _known_hands(mask, [resize(hand, *size) for hand in hands])
            else:
                skin = mask >= 128
                seen = None
                if sample.landmarks:
                    seen = wrist_probability([hand * scale for hand in sample.landmarks], *size)
                if teacher and (seen is None or np.isnan(seen[skin]).any()):  # arms without landmarks are the teacher's
                    given = teacher(image)
                    seen = given if seen is None else np.where(np.isnan(seen), given, seen)
                if seen is not None:
                    seen = np.nan_to_num(seen)  # where there is no teacher either, the arm stays unknown
                hand, wrist = split_at_wrist(np.where(skin, 255, 0).astype(np.uint8), seen)
                label = label_planes(~skin, hand | wrist, skin & ~hand).astype(np.uint8) * 255
            self.labels.append(np.maximum(label, unknown[..., None]))


class TrainingData(Dataset[Batch]):
    """Augmented views of `size` (height, width); `augment=None` stretches the whole image to that size.

    weights: how often to draw each sample as a donor of hands to paste; default: all alike.
    """

    def __init__(
        self,
        memory: Memory,
        card: ModelCard,
        augment: Augmentation | None,
        seed: int,
        weights: np.ndarray | None = None,
    ) -> None:
        self.memory, self.card, self.augment, self.seed = memory, card, augment, seed
        n = len(memory.samples)
        self.chances = np.full(n, 1 / n) if weights is None else weights / weights.sum()

    def __len__(self) -> int:
        return len(self.memory.samples)

    def __getitem__(self, draw: Draw) -> Batch:
        epoch, position, index = draw
        image, label = self.memory.images[index], self.memory.labels[index]
        if self.augment is None:
            image, label = resize(image, *self.card.size), _resize_label(label, *self.card.size)
        else:
            rng = np.random.default_rng((self.seed, epoch, position))
            donor = int(rng.choice(len(self), p=self.chances))
            hands = self.memory.images[donor], self.memory.labels[donor]
            image, label = self.augment(image, label, self.card.size, self.card.mean, rng, hands)
        return _item(image, label)


class ValidationData(Dataset[Batch]):
    """Whole images, preprocessed as at run time; the padding is unknown."""

    def __init__(self, memory: Memory, card: ModelCard) -> None:
        self.memory, self.card = memory, card

    def __len__(self) -> int:
        return len(self.memory.samples)

    def __getitem__(self, index: int) -> Batch:
        image, placement = preprocess(self.memory.images[index], self.card)
        label = np.full((*placement.padded, PLANES), 255, np.uint8)
        content = _resize_label(self.memory.labels[index], *placement.resized)
        label[: placement.resized[0], : placement.resized[1]] = content
        return _item(image, label)


def collate(items: Sequence[Batch]) -> Batch:
    """Stack items, padding below and to the right to the largest; what is padded is unknown."""
    height = max(i["allowed"].shape[0] for i in items)
    width = max(i["allowed"].shape[1] for i in items)

    def pad(x: Tensor, value: int) -> Tensor:
        margin = (0, width - x.shape[-1], 0, height - x.shape[-2])
        return torch.nn.functional.pad(x, margin, value=value)

    return {
        "image": torch.stack([pad(i["image"], 0) for i in items]),
        "allowed": torch.stack([pad(i["allowed"], UNKNOWN) for i in items]),
    }


class DrawSampler(Sampler[Draw]):
    """Draws of one epoch: a permutation, or `draws` of them by `weights` with replacement.

    Under DDP each process takes every `replicas`-th draw, `rank` first. epoch: the first that is drawn; a loader with
    workers draws before Lightning calls `set_epoch`.
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
        epoch: int = 0,
    ) -> None:
        self.n, self.seed, self.draws, self.weights = n, seed, draws or n, weights
        self.rank, self.replicas = rank, replicas
        self.epoch = epoch

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


def _known_hands(mask: np.ndarray, hands: Sequence[np.ndarray]) -> np.ndarray:
    """H×W×4: the mask of each hand; all four where the mask shows a hand that none of them does."""
    known = np.dstack(hands)
    nobodys = (mask >= 128) & (known.max(axis=2) < 128)
    known[nobodys] = mask[nobodys, None]
    return known


def _resize_label(label: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.dstack([resize(np.ascontiguousarray(plane), height, width) for plane in np.moveaxis(label, 2, 0)])


def _item(image: np.ndarray, label: np.ndarray) -> Batch:
    allowed = (label >= 128) @ np.array(CLASSES, np.uint8)
    allowed[allowed == 0] = UNKNOWN  # where several classes meet, resizing can leave none
    return {
        "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        "allowed": torch.from_numpy(allowed),
    }
