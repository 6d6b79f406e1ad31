"""One frame of a video, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SQUARE = Fraction(1)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame. index: from 0. time: seconds, the first frame's is 0. image: RGB uint8 H×W×3, upright.

    pixel_aspect: width of a pixel by its height, as it is to be shown.
    """

    index: int
    time: float
    image: np.ndarray
    pixel_aspect: Fraction = SQUARE
