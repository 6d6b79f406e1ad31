"""Score a Segmenter on labelled samples, at the labels' own resolution and at every threshold at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError, ModelError
from handseg.evaluation.calibration import expected_calibration_error
from handseg.evaluation.conditions import conditions
from handseg.image.mask_values import HAND, IGNORE
from handseg.inference.segmenter import Segmenter
from handseg.masks.labels import HAND_CLASSES
from handseg.masks.regions import binarise
from handseg.metrics import Scores, bootstrap_interval, boundary_iou, score, surface_counts

BINS = 1000  # thresholds are multiples of 1/1000
BLOG_THRESHOLD = 0.45
Corrupt = Callable[[Sample, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
TOLERANCES = (2, 4)  # pixels of the label, for the normalised surface distance


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Histograms of probability over known hand and background pixels, an image a row; scores follow from them.

    hand, background: int64 (n, BINS + 1); bin b counts the pixels with b ≤ 1000·probability < b + 1.
    boundary: float64 (n,), boundary IoU at `threshold`. surface: int64 (n, 2, 2), at each of TOLERANCES what
    `surface_counts` gives at `threshold`. classes: int64 (n, 4, 2), of each of `HAND_CLASSES` the pixels in both
    label and result and those in either; 0 where one of them doesn't tell whose hands they are.
    conditions: of each image, see `handseg.evaluation.conditions`. learned_from: sessions, as the model's card says.
    """

    samples: Sequence[Sample]
    hand: np.ndarray
    background: np.ndarray
    threshold: float
    boundary: np.ndarray
    surface: np.ndarray
    classes: np.ndarray
    conditions: Sequence[dict[str, str]]
    learned_from: Collection[str]

    def counts(self, threshold: float | None = None) -> np.ndarray:
        """int64 (n, 4): tp, fp, fn, tn of each image; the threshold is rounded to 1/1000."""
        first = round((self.threshold if threshold is None else threshold) * BINS)
        tp, fp = self.hand[:, first:].sum(1), self.background[:, first:].sum(1)
        return np.column_stack([tp, fp, self.hand.sum(1) - tp, self.background.sum(1) - fp])

    def scores(self, threshold: float | None = None) -> Scores:
        return score(self.counts(threshold))

    def interval(self, measure: Callable[[Scores], float], threshold: float | None = None) -> tuple[float, float]:
        """95 % interval from a bootstrap over sessions; over videos where there is one session only. Where there is one
        video only, it has no width and says nothing, see `has_interval`."""
        return bootstrap_interval(self.counts(threshold), self._groups(), measure)

    @property
    def has_interval(self) -> bool:
        """Whether there are two sessions, or two videos, to tell from how much scores vary."""
        return len(set(self._groups())) > 1

    @property
    def shows_hands(self) -> bool:
        """Whether any label has a hand: else there is nothing to find, and scores tell false hands alone."""
        return bool(self.hand.any())

    def _groups(self) -> list[str]:
        groups = [s.session for s in self.samples]
        return groups if len(set(groups)) > 1 else [s.video for s in self.samples]

    def by_condition(self) -> dict[str, dict[str, dict[str, float]]]:
        """Condition → value → number of images, pixel F1 and image IoU at the evaluation's threshold."""
        counts = self.counts()
        table: dict[str, dict[str, dict[str, float]]] = {}
        for name in sorted({name for row in self.conditions for name in row}):
            values = np.array([row[name] for row in self.conditions])
            table[name] = {}
            for value in sorted(set(values)):
                s = score(counts[values == value])
                n = int((values == value).sum())
                table[name][value] = {"n_images": n, "pixel_f1": s["pixel"]["f1"], "image_iou": s["image"]["iou"]}
        return table

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

    def boundary_scores(self) -> dict[str, float]:
        """At the evaluation's threshold: boundary IoU, its mean over images, and the normalised surface distance,
        pooled over all boundary pixels."""
        near, everything = self.surface.sum(0).T
        pooled = {f"nsd_{t}px": float(n / max(1, e)) for t, n, e in zip(TOLERANCES, near, everything)}
        return {"iou": float(self.boundary.mean()), **pooled}

    def class_scores(self) -> dict[str, float]:
        """IoU of each hand class, its counts pooled over all pixels; those that no label has are left out."""
        both, either = self.classes.sum(0).T
        return {name: float(b / e) for name, b, e in zip(HAND_CLASSES, both, either) if e}

    def report(self, model: str) -> dict[str, Any]:
        """The JSON of `handseg evaluate`: the scores, their intervals, and the scores at 0.45 and 0.5."""

        def interval(measure: Callable[[Scores], float]) -> list[float] | None:
            return [round(v, 4) for v in self.interval(measure)] if self.has_interval else None

        return {
            "model": model,
            "n_images": len(self.samples),
            "n_sessions": len({s.session for s in self.samples}),
            "n_with_hands": int(self.hand.any(axis=1).sum()),
            "learned_from": {
                "n_images": sum(s.session in self.learned_from for s in self.samples),
                "sessions": sorted({s.session for s in self.samples} & {*self.learned_from}),
            },
            "threshold": self.threshold,
            **_rounded(self.scores()),
            "boundary": {k: round(v, 4) for k, v in self.boundary_scores().items()},
            "hand_classes": {name: round(v, 4) for name, v in self.class_scores().items()},
            "by_condition": {
                name: {value: {k: round(v, 4) for k, v in row.items()} for value, row in rows.items()}
                for name, rows in self.by_condition().items()
            },
            "calibration": {"ece": round(expected_calibration_error(self.hand, self.background), 4)},
            "interval_95": {
                "pixel_f1": interval(lambda s: s["pixel"]["f1"]),
                "pixel_iou": interval(lambda s: s["pixel"]["iou"]),
                "image_iou": interval(lambda s: s["image"]["iou"]),
            },
            "at_threshold": {str(t): _rounded(self.scores(t)) for t in (BLOG_THRESHOLD, 0.5)},
            "best_threshold_here": self.best_threshold() if self.shows_hands else None,
        }


def evaluate(
    segmenter: Segmenter,
    samples: Sequence[Sample],
    progress: Callable[[Iterable[Sample]], Iterable[Sample]] = iter,
    corrupt: Corrupt | None = None,
) -> Evaluation:
    """Run the segmenter on every sample and compare with its mask at the mask's own resolution.

    Pixels that a mask says are unknown are left out of every score, and images of which nothing is known altogether.
    progress: wraps the samples, to show how far it is. corrupt: changes an image and its mask before they are used.
    Raises DataError when there are no samples, ModelError when one has another label policy than the segmenter or the
    model returns what is no number, and ImageError when one can't be read.
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
    boundary = np.zeros(len(samples))
    surface = np.zeros((len(samples), len(TOLERANCES), 2), np.int64)
    classes = np.zeros((len(samples), len(HAND_CLASSES), 2), np.int64)
    seen = []
    for row, sample in enumerate(progress(samples)):
        image, mask = sample.load_image(), sample.load_mask()
        if corrupt is not None:
            image, mask = corrupt(sample, image, mask)
        inside, known = mask == HAND, mask != IGNORE
        # 1e-4: float32 stores .45 as .4499…; a probability that equals a threshold is hand
        found = segmenter(image)
        if not np.isfinite(found.probability).all():
            raise ModelError(
                f"{sample.image}: the model returns values that are no numbers; its training diverged, train it anew"
            )
        bins = (found.probability * BINS + 1e-4).astype(np.int16)
        hand[row] = np.bincount(bins[inside], minlength=BINS + 1)
        background[row] = np.bincount(bins[known & ~inside], minlength=BINS + 1)
        mask = binarise(found.probability, segmenter.threshold)  # as pixels are scored: specks and all
        boundary[row] = boundary_iou(mask, inside, known=known)
        surface[row] = [surface_counts(mask, inside, tolerance, known) for tolerance in TOLERANCES]
        if found.classes is not None and corrupt is None and (hands := sample.load_hands()) is not None:
            classes[row] = _class_counts(found.class_map[known], [hand[known] for hand in hands])
        seen.append(conditions(image, inside))
    rows = np.flatnonzero((hand + background).sum(axis=1)).tolist()
    if not rows:
        raise DataError(f"{samples[0].label}: all of it is unknown, as in all masks; there is nothing to score by")
    return Evaluation(
        [samples[row] for row in rows],
        hand[rows],
        background[rows],
        segmenter.threshold,
        boundary[rows],
        surface[rows],
        classes[rows],
        [seen[row] for row in rows],
        segmenter.card.sessions,
    )


def _class_counts(found: np.ndarray, hands: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Of each hand class the pixels in both the class map and the label's masks, and those in either."""
    counts = []
    for i, hand in enumerate(hands, start=1):
        mine, labelled = found == i, hand > 0
        counts.append((int((mine & labelled).sum()), int((mine | labelled).sum())))
    return counts


def _rounded(scores: Scores) -> dict[str, Any]:
    return {
        key: {k: round(v, 4) for k, v in value.items()} if isinstance(value, dict) else round(float(str(value)), 4)
        for key, value in scores.items()
    }
