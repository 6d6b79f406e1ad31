"""Look at a dataset before training on it: the mistakes that make a network silently predict all black.

What is wrong with its masks alone, `settle` has found already.
"""

from __future__ import annotations

from collections.abc import Sequence

from handseg.data.sample import Sample
from handseg.errors import DataError


def verify(samples: Sequence[Sample]) -> None:
    """Check that every image has labels of its size, and that not all masks are empty.

    Raises DataError naming the first file at fault.
    """
    if not samples:
        raise DataError("no images to train on; check the data and the split")
    for sample in samples:
        sample.load_mask()  # again, and all of it: for its size, and a file may have been changed since
        sample.load_forearm()
    if not any(s.shows_hand for s in samples):
        raise DataError(
            f"{samples[0].image.parent}: not one of {len(samples)} masks has a hand in it; check the labels, and that "
            "what is 128 in them is unknown"
        )
