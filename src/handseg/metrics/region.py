"""Counts of pixels → scores.

Two reductions, always named: `pixel` pools the counts over all pixels of all images; `image` scores each
image and takes the mean. Both are of the hand class. `two_class_miou` averages the hand's and the
background's pooled IoU, for comparison with papers that do so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypedDict

import numpy as np

from handseg.image.mask_values import HAND, IGNORE


class PixelScores(TypedDict):
    precision: float
    recall: float
    f1: float
    iou: float


class ImageScores(TypedDict):
    iou: float
    f1: float


class Scores(TypedDict):
    pixel: PixelScores
    image: ImageScores
    two_class_miou: float


def count(prediction: np.ndarray, target: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """int64 (4,): true positives, false positives, false negatives, true negatives.

    prediction, target: arrays of one shape; non-zero is hand. known: bool of that shape, the pixels that count;
    default: all.
    """
    p, t = prediction.astype(bool), target.astype(bool)
    if known is not None:
        p, t = p[known], t[known]
    tp = np.count_nonzero(p & t)
    fp = np.count_nonzero(p) - tp
    fn = np.count_nonzero(t) - tp
    return np.array([tp, fp, fn, p.size - tp - fp - fn], np.int64)


def count_labelled(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`count` against a label's mask, uint8 H×W: 255 hand, 0 background, and 128 unknown, which doesn't count."""
    return count(prediction, mask == HAND, mask != IGNORE)


def score(counts: np.ndarray) -> Scores:
    """Scores of int (n, 4) counts, a row an image (see `count`).

    An image with no hand and no prediction scores 1, with a false prediction 0; one of which no pixel counts is left
    out. A ratio of 0 to 0 is 0 for
    precision and recall and 1 for the background's IoU; all scores lie in [0, 1].
    """
    counts = np.asarray(counts, np.float64).reshape(-1, 4)
    if (seen := counts.any(axis=1)).any():
        counts = counts[seen]
    tp, fp, fn, tn = counts.sum(0)
    empty = counts[:, :3].sum(1) == 0
    iou = np.where(empty, 1.0, counts[:, 0] / np.maximum(counts[:, :3].sum(1), 1))
    hand = _ratio(tp, tp + fp + fn, 1.0)
    return {
        "pixel": {
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn, 1.0),
            "iou": hand,
        },
        # F1 = 2 IoU / (1 + IoU), image by image
        "image": {"iou": float(iou.mean()), "f1": float((2 * iou / (1 + iou)).mean())},
        "two_class_miou": (hand + _ratio(tn, tn + fp + fn, 1.0)) / 2,
    }


def bootstrap_interval(
    counts: np.ndarray,
    groups: Sequence[Hashable],
    measure: Callable[[Scores], float],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of `measure(score(counts))` from a bootstrap that draws whole groups (sessions, videos).

    counts: int (n, 4). groups: the group of each row. Percentile method (Efron and Tibshirani, 1993).
    """
    counts = np.asarray(counts)
    index: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        index.setdefault(group, []).append(i)
    members = [np.array(rows) for rows in index.values()]
    rng = np.random.default_rng(seed)
    values = [
        measure(score(counts[np.concatenate([members[i] for i in draw])]))
        for draw in rng.integers(0, len(members), (resamples, len(members)))
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _ratio(part: float, whole: float, empty: float = 0.0) -> float:
    return float(part / whole) if whole > 0 else empty
