"""Masks that show the background instead of the hand: found by what a dataset's masks have in common.

A hand is seldom along the whole border of a picture, a background nearly always. But a hand can fill a picture, so that
no mask is judged by its border alone: beside others of its dataset it must call background what they call hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError, HandsegError
from handseg.image import resize
from handseg.image.mask_values import BACKGROUND, HAND

ALONG = 0.75  # share of a border that is hand, from which a mask is looked at
FEWEST = 3  # masks that say something of a dataset
REFERENCES = 32  # masks by which the colours of hand and background are learned
SIDE = 96  # pixels of the long side at which colours are compared
LEVELS = 12  # of each of red, green and blue
SURE = 0.5  # nats by which the evidence must speak against a mask
# Nats for a hand in the middle and none along the border. With the colours, masks of 100 images of each of 5 sets are
# told from their inverses as follows: 89 to 100 of 100 inverted ones are found, and 0 to 8 of 100 windows that a hand
# fills are taken for one.
MIDDLE = 4.0


@dataclass(frozen=True)
class Shares:
    """Of one mask, as it is stored: pixels of hand and of background, and the shares of the known pixels that are hand
    along the border and in the middle; 0 where nothing is known there."""

    hand: int
    background: int
    border: float
    centre: float


def find_inverted(samples: Sequence[Sample], shares: Sequence[Shares]) -> list[bool | None]:
    """Of each of a dataset's masks, whether it shows the background; None where that can't be told.

    Raises DataError where most have hand along their border, and it can't be told why.
    """
    told = [i for i, share in enumerate(shares) if share.hand and share.background]
    turned = len(told) >= FEWEST and _whole([shares[i] for i in told], samples[told[0]])
    inverted: list[bool | None] = [turned] * len(samples)
    candidates: list[int] = []
    references: list[int] = []
    for i in told:
        border = 1 - shares[i].border if turned else shares[i].border
        (candidates if border > ALONG else references).append(i)
    if not candidates:
        return inverted
    spread = references[:: max(1, len(references) // REFERENCES)][:REFERENCES]
    views = [view for i in spread if (view := _small(samples[i]))]
    colours = _Colours(views, turned) if len(views) >= FEWEST else None
    for i in candidates:
        inverted[i] = None
        if colours is not None and (view := _small(samples[i])):
            evidence = colours.agreement(*view) + MIDDLE * (shares[i].centre - shares[i].border)
            if not -SURE < evidence <= 0:
                inverted[i] = evidence < 0
    return inverted


def _whole(shares: Sequence[Shares], first: Sample) -> bool:
    """Whether all masks but a few are inverted: hand is along most borders, and less in the middle."""
    border, centre = np.mean([(share.border, share.centre) for share in shares], axis=0)
    if border <= 0.5:
        return False
    if border > centre:
        return True
    raise DataError(
        f"{first.label}: as most masks beside it, it has hand along its border; if they show the background, say "
        "inverted = true in dataset.toml, and inverted = false if hands fill the pictures"
    )


class _Colours:
    """How likely colours are on hand and on background, learned from masks."""

    def __init__(self, views: Sequence[tuple[np.ndarray, np.ndarray]], turned: bool) -> None:
        seen = np.full((2, LEVELS**3), 1e-3)
        for cells, mask in views:
            for side, value in enumerate((BACKGROUND, HAND)):
                counts = np.bincount(cells[mask == value], minlength=LEVELS**3)
                seen[1 - side if turned else side] += counts / max(1, counts.sum())
        background, hand = seen / seen.sum(axis=1, keepdims=True)
        self._evidence = np.log(hand / background)

    def agreement(self, cells: np.ndarray, mask: np.ndarray) -> float:
        """Mean log-likelihood ratio on a mask's hand less that on its background; below 0 it is the other way round."""
        evidence = self._evidence[cells]
        if not ((mask == HAND).any() and (mask == BACKGROUND).any()):
            return 0.0
        return float(evidence[mask == HAND].mean() - evidence[mask == BACKGROUND].mean())


def _small(sample: Sample) -> tuple[np.ndarray, np.ndarray] | None:
    """The colour cell of each pixel, int H×W, and the mask as it is stored, uint8 H×W, both small; None where they
    can't be loaded, which comes up elsewhere."""
    try:
        image, mask = sample.load_image(), sample.load_mask()
    except HandsegError:
        return None
    scale = min(1.0, SIDE / max(mask.shape))
    size = max(1, round(mask.shape[0] * scale)), max(1, round(mask.shape[1] * scale))
    levels = resize(image, *size).astype(np.int64) * LEVELS // 256
    return (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2], resize(mask, *size, nearest=True)
