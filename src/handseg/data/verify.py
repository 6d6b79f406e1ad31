"""Look at a dataset before training on it: the mistakes that make a network silently predict all black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError
from handseg.image import load_label


def verify(samples: Sequence[Sample]) -> list[Sample]:
    """Check that every image has a mask of its size, that masks hold one kind of values, and that not all are empty.

    Returns the samples whose masks look inverted (see `looks_inverted`), for the caller to invert or to name.
    Raises DataError naming the first file at fault.
    """
    if not samples:
        raise DataError("no images to train on; check the data and the split")
    hands = 0
    inverted = []
    seen: dict[int, Path] = {}
    for sample in samples:
        mask = sample.load_mask()
        sample.load_forearm()  # for its size
        hands += bool(mask.any())
        if isinstance(sample.label, Path):
            if looks_inverted(mask):
                inverted.append(sample)
            values = np.unique(load_label(sample.label))
            if len(values) > 16:
                raise DataError(
                    f"{sample.label}: {len(values)} different values in a mask that should have two; "
                    "masks must be lossless (PNG), never JPEG"
                )
            if values.max() > 0:
                seen.setdefault(int(values.max()), sample.label)
    if hands == 0:
        raise DataError(
            f"{samples[0].image.parent}: not one of {len(samples)} masks has a hand in it; check the labels"
        )
    if 1 in seen and 255 in seen:
        raise DataError(f"{seen[1]} holds 0 and 1, but {seen[255]} 0 and 255; store all masks alike, as 0 and 255")
    return inverted


def looks_inverted(mask: np.ndarray) -> bool:
    """Whether three quarters of the outermost pixels of a mask (uint8 H×W) are hand: an arm enters a picture at one
    side of it, a background at all."""
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return bool(np.mean(border > 0) > 0.75)
