"""Scores of masks, numpy only: of regions, from counts of pixels, and of their boundaries."""

from handseg.metrics.boundary import boundary_iou, surface_counts
from handseg.metrics.region import Scores, bootstrap_interval, count, count_labelled, score

__all__ = ["Scores", "bootstrap_interval", "boundary_iou", "count", "count_labelled", "score", "surface_counts"]
