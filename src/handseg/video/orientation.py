"""Pictures as they are to be shown: turned and mirrored as a display matrix says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Orientation(NamedTuple):
    """One of the eight: rows and columns exchanged, and then mirrored left to right, top to bottom."""

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The picture H×W×C upright; a view where nothing is to be done."""
        if not any(self):
            return image
        if self.transpose:
            image = image.swapaxes(0, 1)
        rows, columns = (slice(None, None, -1 if turned else None) for turned in (self.flip, self.mirror))
        return np.ascontiguousarray(image[rows, columns])


def from_display_matrix(matrix: bytes) -> Orientation:
    """The orientation nearest to FFmpeg's display matrix: nine int32; x' = a·x + c·y, y' = b·x + d·y.

    Anything but nine numbers, and a matrix that would flatten the picture, is taken for upright.
    """
    if len(matrix) != 36:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
    return _nearest(a, b, c, d)


def from_rotation(degrees: float) -> Orientation:
    """The orientation nearest to a turn against the clock."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _nearest(cosine, -sine, sine, cosine)


def _nearest(a: float, b: float, c: float, d: float) -> Orientation:
    if a * d == b * c:
        return Orientation()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, bool(a < 0), bool(d < 0))
    return Orientation(True, bool(c < 0), bool(b < 0))
