"""HandMask: what a Segmenter returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from handseg.postprocess import binarise, label_components


@dataclass(frozen=True)
class Hand:
    """One connected region of hand pixels; hands that touch are one region.

    box: (x, y, width, height) in pixels. area: pixels. centroid: (x, y).
    confidence: mean probability over its pixels, in [0, 1].
    """

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    confidence: float


@dataclass(frozen=True, eq=False)
class HandMask:
    """The hands in one image, at the image's own height and width.

    probability: float32 H×W in [0, 1]. threshold: a pixel is hand from this probability on.
    """

    probability: np.ndarray
    threshold: float

    @cached_property
    def mask(self) -> np.ndarray:
        """uint8 H×W: 255 on hands, else 0."""
        return binarise(self.probability, self.threshold)

    @property
    def matte(self) -> np.ndarray:
        """uint8 H×W: the probability, 0 to 255, for soft edges."""
        return np.asarray((self.probability * 255).round().astype(np.uint8))

    @cached_property
    def hands(self) -> list[Hand]:
        """The regions of the mask, largest first; specks below 0.02 % of the image are left out."""
        labels, n = label_components(self.mask)
        rows, columns = np.nonzero(labels)
        ids = labels[rows, columns]
        area = np.bincount(ids, minlength=n + 1)
        confidence = np.bincount(ids, self.probability[rows, columns], n + 1) / np.maximum(area, 1)
        x = np.bincount(ids, columns, n + 1) / np.maximum(area, 1)
        y = np.bincount(ids, rows, n + 1) / np.maximum(area, 1)
        low = np.full((n + 1, 2), self.mask.size)
        high = np.zeros((n + 1, 2), int)
        points = np.column_stack([columns, rows])
        np.minimum.at(low, ids, points)
        np.maximum.at(high, ids, points)
        order = [i for i in np.argsort(-area, kind="stable") if area[i] >= max(1, self.mask.size * 2e-4)]
        return [
            Hand(
                box=(
                    int(low[i, 0]),
                    int(low[i, 1]),
                    int(high[i, 0] - low[i, 0] + 1),
                    int(high[i, 1] - low[i, 1] + 1),
                ),
                area=int(area[i]),
                centroid=(float(x[i]), float(y[i])),
                confidence=float(confidence[i]),
            )
            for i in order
        ]
