"""How steady the masks of a video are, without labels. Show it beside accuracy: an empty mask is perfectly steady."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class Stability(TypedDict):
    """successive_iou: mean IoU of each mask with the last one. flip_rate: of the pixels that are hand in either, the
    share that changed, pooled. area_jitter: mean |change of the area's change| in units of the mean area."""

    successive_iou: float
    flip_rate: float
    area_jitter: float


class StabilityMeter:
    """Takes the masks of a video one by one, in order; holds counts only."""

    def __init__(self) -> None:
        self._changed: list[int] = []
        self._either: list[int] = []
        self._area: list[int] = []

    def add(self, mask: np.ndarray, last: np.ndarray | None = None, seen: np.ndarray | None = None) -> None:
        """Count a mask, H×W, non-zero is hand.

        last: the mask before, H×W, carried to where its pixels are now; None for the first. seen: bool H×W, the pixels
        that both frames show; None: all.
        """
        inside = mask.astype(bool)
        self._area.append(int(np.count_nonzero(inside)))
        if last is not None:
            a, b = (inside, last.astype(bool)) if seen is None else (inside & seen, last.astype(bool) & seen)
            self._changed.append(int(np.count_nonzero(a ^ b)))
            self._either.append(int(np.count_nonzero(a | b)))

    def scores(self) -> Stability:
        """Two empty masks in succession have IoU 1. Fewer than three masks have no jitter."""
        iou = [1 - c / e if e else 1.0 for c, e in zip(self._changed, self._either)]
        area = np.array(self._area, np.float64)
        bend = np.abs(np.diff(area, 2))
        return {
            "successive_iou": float(np.mean(iou)) if iou else 1.0,
            "flip_rate": float(sum(self._changed) / max(1, sum(self._either))),
            "area_jitter": float(bend.mean() / area.mean()) if len(bend) and area.mean() > 0 else 0.0,
        }


def stability(masks: Sequence[np.ndarray]) -> Stability:
    """Scores of successive masks of one size, from a camera that stands still; StabilityMeter is for one that moves."""
    meter = StabilityMeter()
    for i, mask in enumerate(masks):
        meter.add(mask, masks[i - 1] if i else None)
    return meter.scores()
