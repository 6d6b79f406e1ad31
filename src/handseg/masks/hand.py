"""Hand: one instance, measured."""

from __future__ import annotations

from dataclasses import dataclass


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
