"""When to look closer: networks miss hands that are small in their input, and find them when shown the image larger."""

from __future__ import annotations

import numpy as np

from handseg.postprocess import label_components

SCALES = (2, 3)  # times the network's usual input, tried in turn while hands still look small
SMALL = 40.0  # pixels of the network's input, see `hand_size`
CANDIDATE = 0.3  # probability from which a pixel may belong to a hand that was only half seen
SPECK = 9  # pixels; less is no hand at all


def looks_small(probability: np.ndarray) -> bool:
    """Whether what a network sees of hands is so small that it would see more in a larger input.

    probability: float32 H×W in [0, 1] at the network's own resolution. An image without any hand isn't looked at again.
    """
    return 0 < hand_size(probability) < SMALL


def hand_size(probability: np.ndarray) -> float:
    """Typical extent of a hand in pixels: the mean of the root of a region's area, weighted by itself; 0 for none."""
    labels, n = label_components(probability >= CANDIDATE)
    area = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    extent = np.sqrt(area[area > SPECK])
    return float((extent**2).sum() / extent.sum()) if len(extent) else 0.0
