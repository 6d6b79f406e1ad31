"""When to look closer: networks miss hands that are small in their input, and find them when shown the image larger.

The last two looks are averaged, since either is mistaken now and then; the closer one weighs more (docs/results).
"""

from __future__ import annotations

import numpy as np

from handseg.masks.regions import label_components

SCALES = (2, 3)  # times the network's usual input, tried in turn while hands still look small
CLOSER = 0.65  # weight of the closer of two looks: what it is sure of counts, even if the other hardly saw it
SMALL = 40.0  # pixels of the network's input, see `hand_size`
CANDIDATE = 0.3  # probability from which a pixel may belong to a hand that was only half seen
SPECK = 3.0  # pixels of the network's input; less is no hand at all


def looks_small(probability: np.ndarray) -> bool:
    """Whether what a network sees of hands is so small that it would see more in a larger input.

    probability: float32 H×W in [0, 1], at the network's resolution. An image without any hand isn't looked at again.
    """
    return 0 < hand_size(probability) < SMALL


def hand_size(probability: np.ndarray) -> float:
    """Typical extent of a hand in pixels of the network's input, 0 for none: the mean over regions of the root of their
    area, weighted by itself, so that a few specks beside a large hand count for little."""
    labels, n = label_components(probability >= CANDIDATE)
    extent = np.sqrt(np.bincount(labels.ravel(), minlength=n + 1)[1:])
    extent = extent[extent > SPECK]
    return float((extent**2).sum() / extent.sum()) if len(extent) else 0.0
