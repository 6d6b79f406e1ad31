"""One frame of a video, wherever it comes from; and the files of a sequence of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

SQUARE = Fraction(1)
FRAME_FILE = re.compile(r"\d{6,}\.png|frames\.json")  # what the folder of a sequence of frames holds


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame. index: from 0. time: seconds, the first frame's is 0. image: RGB uint8 H×W×3, upright.

    pixel_aspect: width of a pixel by its height, as it is to be shown.
    """

    index: int
    time: float
    image: np.ndarray
    pixel_aspect: Fraction = SQUARE


def frame_files(folder: Path) -> list[Path]:
    """The files in a folder that are called as those of a sequence of frames, sorted."""
    return sorted(path for path in folder.glob("*") if FRAME_FILE.fullmatch(path.name))
