"""How steady the masks of a video are, without labels. Show it beside accuracy: an empty mask is perfectly steady."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypedDict

import numpy as np


class Stability(TypedDict):
    """successive_iou: mean IoU of each mask with the last one. flip_rate: of the pixels that are hand in either, the
    share that changed, pooled. area_jitter: mean |change of the area's change| in units of the mean area."""

    successive_iou: float
    flip_rate: float
    area_jitter: float


def stability(masks: Sequence[np.ndarray]) -> Stability:
    """Scores of successive masks, arrays H×W of one size, non-zero is hand; carry each to the next one's place with
    the known or found motion first, where the camera moves.

    Two empty masks in succession have IoU 1. Fewer than three masks have no jitter.
    """
    inside = [mask.astype(bool) for mask in masks]
    changed = [np.count_nonzero(a ^ b) for a, b in pairwise(inside)]
    either = [np.count_nonzero(a | b) for a, b in pairwise(inside)]
    iou = [1 - c / e if e else 1.0 for c, e in zip(changed, either)]
    area = np.array([np.count_nonzero(m) for m in inside], np.float64)
    bend = np.abs(np.diff(area, 2))
    return {
        "successive_iou": float(np.mean(iou)) if iou else 1.0,
        "flip_rate": float(sum(changed) / max(1, sum(either))),
        "area_jitter": float(bend.mean() / area.mean()) if len(bend) and area.mean() > 0 else 0.0,
    }
