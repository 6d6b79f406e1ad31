"""Score a Segmenter on labelled samples, at the labels' own resolution and at every threshold at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError, ModelError
from handseg.metrics import Scores, bootstrap_interval, score
from handseg.segmenter import Segmenter

BINS = 1000  # thresholds are multiples of 1/1000
BLOG_THRESHOLD = 0.45


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Histograms of probability over hand and background pixels, an image a row; scores follow from them.

    hand, background: int64 (n, BINS + 1); bin b counts the pixels with b ≤ 1000·probability < b + 1.
    """

    samples: Sequence[Sample]
    hand: np.ndarray
    background: np.ndarray
    threshold: float

    def counts(self, threshold: float | None = None) -> np.ndarray:
        """int64 (n, 4): tp, fp, fn, tn of each image; the threshold is rounded to 1/1000."""
        first = round((self.threshold if threshold is None else threshold) * BINS)
        tp, fp = self.hand[:, first:].sum(1), self.background[:, first:].sum(1)
        return np.column_stack([tp, fp, self.hand.sum(1) - tp, self.background.sum(1) - fp])

    def scores(self, threshold: float | None = None) -> Scores:
        return score(self.counts(threshold))

    def interval(self, measure: Callable[[Scores], float], threshold: float | None = None) -> tuple[float, float]:
        """95 % interval from a bootstrap over sessions; over videos where there is one session only."""
        groups = [s.session for s in self.samples]
        if len(set(groups)) == 1:
            groups = [s.video for s in self.samples]
        return bootstrap_interval(self.counts(threshold), groups, measure)

    def precision_recall(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Thresholds 0 to 1, pooled precision and recall at each; precision is 1 where nothing is predicted."""
        tp = self.hand.sum(0)[::-1].cumsum()[::-1]
        fp = self.background.sum(0)[::-1].cumsum()[::-1]
        precision = np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1), 1.0)
        return np.arange(BINS + 1) / BINS, precision, tp / max(1, int(self.hand.sum()))

    def best_threshold(self) -> float:
        """The threshold with the best pooled F1. Choose it on validation data only."""
        thresholds, precision, recall = self.precision_recall()
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        inner = slice(1, BINS)
        return float(thresholds[inner][np.argmax(f1[inner])])

    def report(self, model: str) -> dict[str, Any]:
        """The JSON of `handseg evaluate`: the scores, their intervals, and the scores at 0.45 and 0.5."""

        def interval(measure: Callable[[Scores], float]) -> list[float]:
            return [round(v, 4) for v in self.interval(measure)]

        return {
            "model": model,
            "n_images": len(self.samples),
            "n_sessions": len({s.session for s in self.samples}),
            "threshold": self.threshold,
            **_rounded(self.scores()),
            "interval_95": {
                "pixel_f1": interval(lambda s: s["pixel"]["f1"]),
                "pixel_iou": interval(lambda s: s["pixel"]["iou"]),
                "image_iou": interval(lambda s: s["image"]["iou"]),
            },
            "at_threshold": {str(t): _rounded(self.scores(t)) for t in (BLOG_THRESHOLD, 0.5)},
            "best_threshold_here": self.best_threshold(),
        }


def evaluate(
    segmenter: Segmenter,
    samples: Sequence[Sample],
    progress: Callable[[Iterable[Sample]], Iterable[Sample]] = iter,
) -> Evaluation:
    """Run the segmenter on every sample and compare with its mask at the mask's own resolution.

    progress: wraps the samples, to show how far it is.
    Raises DataError when there are no samples or one has another label policy than the segmenter, and
    ImageError when one can't be read.
    """
    if not samples:
        raise DataError("no images to evaluate; check the data and the split")
    if other := next((s for s in samples if s.policy != segmenter.policy), None):
        raise ModelError(
            f"{other.image}: labelled {other.policy}, but the model was asked for {segmenter.policy}; "
            f"use --policy {other.policy}"
        )
    hand = np.zeros((len(samples), BINS + 1), np.int64)
    background = np.zeros_like(hand)
    for row, sample in enumerate(progress(samples)):
        inside = sample.load_mask() > 0
        # 1e-4: float32 stores .45 as .4499…; a probability that equals a threshold is hand
        bins = (segmenter(sample.image).probability * BINS + 1e-4).astype(np.int16)
        hand[row] = np.bincount(bins[inside], minlength=BINS + 1)
        background[row] = np.bincount(bins[~inside], minlength=BINS + 1)
    return Evaluation(samples, hand, background, segmenter.threshold)


def _rounded(scores: Scores) -> dict[str, Any]:
    return {
        key: {k: round(v, 4) for k, v in value.items()} if isinstance(value, dict) else round(float(str(value)), 4)
        for key, value in scores.items()
    }
