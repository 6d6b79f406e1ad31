"""Hand: one instance, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handseg.masks.contours import area, convex_hull
from handseg.masks.owners import owner_and_side
from handseg.masks.regions import Runs


@dataclass(frozen=True)
class Hand:
    """One instance: a connected region of hand pixels, cut where two hands touch and the model is sure of both.

    box: (x, y, width, height) in pixels. area: pixels. centroid: (x, y).
    confidence: mean probability over its pixels, in [0, 1]. convexity: its area as a share of its convex hull's, in
    (0, 1]: near 1 for a fist, .75 for the spread fingers of the example picture. owner: "own" for whoever carries the
    camera, or "other"; side: "left" or "right"; None where the model doesn't tell, or can't be
    trusted (docs/outputs.md).
    """

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    confidence: float
    convexity: float
    owner: str | None = None
    side: str | None = None


def measure(runs: Runs, probability: np.ndarray, classes: np.ndarray | None = None) -> list[Hand]:
    """The regions as hands, in their order.

    probability: float32 H×W in [0, 1]. classes: float64 (n, 4), of `owners.mean_classes`; None where the model doesn't
    tell.
    """
    if not runs.count:
        return []
    rows, starts, ends = runs.rows, runs.starts, runs.ends
    lengths = ends - starts
    pixels = runs.areas
    x = runs.per_region(lengths * (starts + ends - 1) / 2) / pixels
    y = runs.per_region(lengths * rows) / pixels
    confidence = runs.sums(probability) / pixels
    corners = np.concatenate([np.column_stack([c, rows + step]) for c in (starts, ends) for step in (0, 1)])
    region_of = np.tile(runs.regions, 4)
    hands = []
    for i in range(runs.count):
        own = corners[region_of == i + 1]
        (left, top), (right, bottom) = own.min(0).tolist(), own.max(0).tolist()
        owner, side = (None, None) if classes is None else owner_and_side(classes[i], bottom, runs.shape[0])
        hands.append(
            Hand(
                box=(left, top, right - left, bottom - top),
                area=int(pixels[i]),
                centroid=(float(x[i]), float(y[i])),
                confidence=float(min(1.0, confidence[i])),
                convexity=float(pixels[i] / area(convex_hull(own))),
                owner=owner,
                side=side,
            )
        )
    return hands
