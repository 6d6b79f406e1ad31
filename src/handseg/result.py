"""HandMask: what a Segmenter returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from handseg.card import HAND_CLASSES
from handseg.contours import area as outline_area
from handseg.contours import convex_hull, simplify, trace
from handseg.formats import TOLERANCE, polygons
from handseg.owners import split_by_class
from handseg.postprocess import binarise, label_components

if TYPE_CHECKING:
    from handseg.interop import Detections, Tensor

SMALLEST = 2e-4  # of the image's area; less is a speck, no hand


@dataclass(frozen=True)
class Hand:
    """One connected region of hand pixels; hands that touch are one region, unless the model tells whose they are and
    they are different ones.

    box: (x, y, width, height) in pixels. area: pixels. centroid: (x, y).
    confidence: mean probability over its pixels, in [0, 1]. convexity: its area as a share of its convex hull's, in
    (0, 1]: near 1 for a fist, .75 for the spread fingers of the example picture. owner: "own" for whoever carries the
    camera, or "other"; side: "left" or "right"; both None where the model doesn't tell.
    """

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    confidence: float
    convexity: float
    owner: str | None = None
    side: str | None = None


@dataclass(frozen=True, eq=False)
class HandMask:
    """The hands in one image, at the image's own height and width.

    probability: float32 H×W in [0, 1]. threshold: a pixel is hand from this probability on. classes: float32 4×h×w, of
    each of `card.HAND_CLASSES` the probability for a pixel that is hand, over the whole image at the network's
    resolution; None where the model doesn't tell.
    """

    probability: np.ndarray
    threshold: float
    classes: np.ndarray | None = None

    @cached_property
    def mask(self) -> np.ndarray:
        """uint8 H×W: 255 on hands, else 0."""
        return binarise(self.probability, self.threshold)

    @property
    def matte(self) -> np.ndarray:
        """uint8 H×W: the probability, 0 to 255, for soft edges."""
        return np.asarray((self.probability * 255).round().astype(np.uint8))

    @property
    def regions(self) -> np.ndarray:
        """int32 H×W: i + 1 on the pixels of `hands[i]`, else 0."""
        return self._regions[0]

    @property
    def class_map(self) -> np.ndarray:
        """uint8 H×W: on each of `hands` 1 + its index in `card.HAND_CLASSES`; 0 elsewhere, or where it isn't told."""
        regions, names = self._regions
        values = np.array([0, *(HAND_CLASSES.index(name) + 1 if name else 0 for name in names)], np.uint8)
        return np.asarray(values[regions])

    @cached_property
    def _regions(self) -> tuple[np.ndarray, list[str]]:
        """The regions, largest first, and the hand class of each ("" where the model doesn't tell)."""
        labels, n = label_components(self.mask)
        names = [""] * n
        if self.classes is not None:
            labels, found = split_by_class(labels, n, self.classes)
            names = [HAND_CLASSES[i] for i in found]
        area = np.bincount(labels.ravel(), minlength=len(names) + 1)
        area[0] = 0
        order = [i for i in np.argsort(-area, kind="stable") if area[i] >= max(1, self.mask.size * SMALLEST)]
        number = np.zeros(len(names) + 1, np.int32)
        number[order] = np.arange(1, len(order) + 1)
        return np.asarray(number[labels]), [names[i - 1] for i in order]

    @cached_property
    def hands(self) -> list[Hand]:
        """The regions of the mask, largest first; specks below 0.02 % of the image are left out."""
        names = self._regions[1]
        if not names:
            return []
        rows, starts, ends, ids = _runs(self.regions)
        lengths = ends - starts
        area = np.bincount(ids, lengths)
        x = np.bincount(ids, lengths * (starts + ends - 1) / 2) / np.maximum(area, 1)
        y = np.bincount(ids, lengths * rows) / np.maximum(area, 1)
        confidence = np.bincount(self.regions.ravel(), self.probability.ravel()) / np.maximum(area, 1)
        corners = np.concatenate([np.column_stack([c, rows + step]) for c in (starts, ends) for step in (0, 1)])
        owners = np.tile(ids, 4)
        hands = []
        for i, name in enumerate(names, start=1):
            own = corners[owners == i]
            owner, side = name.split() if name else (None, None)
            (left, top), (right, bottom) = own.min(0).tolist(), own.max(0).tolist()
            hands.append(
                Hand(
                    box=(left, top, right - left, bottom - top),
                    area=int(area[i]),
                    centroid=(float(x[i]), float(y[i])),
                    confidence=float(confidence[i]),
                    convexity=float(area[i] / outline_area(convex_hull(own))),
                    owner=owner,
                    side=side,
                )
            )
        return hands

    def contours(self, tolerance: float = 0.0) -> list[list[np.ndarray]]:
        """Of each hand the outlines along the edges of its pixels: (n, 2) arrays of (x, y), as `contours.trace` gives.

        The largest, which is around it, comes first, then those of its holes. tolerance: pixels by which a simplified
        outline may stray; 0: exact.
        """
        found = []
        for i, hand in enumerate(self.hands):
            outlines = [simplify(o + hand.box[:2], tolerance) for o in trace(self._region(i))]
            found.append(sorted(outlines, key=lambda o: -outline_area(o)))
        return found

    def polygons(self, tolerance: float = TOLERANCE) -> list[list[np.ndarray]]:
        """Of each hand its polygons without holes, float64 (n, 2) of (x, y), as `formats.polygons` gives."""
        return [[p + hand.box[:2] for p in polygons(self._region(i), tolerance)] for i, hand in enumerate(self.hands)]

    def to_supervision(self) -> Detections:
        """The hands as `supervision.Detections`: boxes, masks and confidences; class 0, "hand".

        Raises MissingExtraError where supervision isn't installed.
        """
        from handseg.interop import to_supervision

        return to_supervision(self)

    def to_torch(self, what: Literal["mask", "probability"] = "mask") -> Tensor:
        """The mask as a tensor uint8 H×W, 0 or 255, or the probability as float32 H×W; on the CPU, a copy.

        Raises MissingExtraError where torch isn't installed.
        """
        from handseg.interop import to_torch

        return to_torch(self, what)

    def _region(self, i: int) -> np.ndarray:
        """bool: the pixels of a hand, within its box."""
        x, y, width, height = self.hands[i].box
        return np.asarray(self.regions[y : y + height, x : x + width] == i + 1)


def _runs(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each horizontal run of pixels of one region: row, first column, column past the last one, and the region."""
    padded = np.pad(regions, ((0, 0), (1, 1)))
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    values = padded[rows, edges + 1]  # right of the edge; 0 at the last of a row
    runs = np.flatnonzero(values)
    return rows[runs], edges[runs], edges[runs + 1], values[runs]
