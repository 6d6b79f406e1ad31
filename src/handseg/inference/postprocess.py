"""From the network's output back to the image: the inverse of `preprocess`, threshold, instances."""

from __future__ import annotations

from typing import Any

import numpy as np

from handseg.image import resize
from handseg.inference.preprocess import Placement

cv2: Any
try:
    import cv2
except ImportError:  # an extra
    cv2 = None

ROWS = 32  # enlarged at a time: few enough to stay in the processor's cache


def restore(probability: np.ndarray, placement: Placement) -> np.ndarray:
    """Probability float32 H×W at the original size, from the network's float32 H'×W'."""
    height, width = placement.resized
    content = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    if placement.original[0] >= height and placement.original[1] >= width:
        return enlarge(content, *placement.original)
    probability = resize(content, *placement.original)
    return np.asarray(np.clip(probability, 0.0, 1.0))


def enlarge(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Float32 H'×W' in [0, 1] as height × width, neither smaller; bilinear.

    The same as `image.resize` up to float32's rounding, but in less time, with OpenCV or without.
    """
    if cv2 is not None:
        large = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.clip(large, 0.0, 1.0, out=large))
    columns, share = _between(values.shape[1], width)
    wide = np.take(values, columns, axis=1)
    wide += np.take(np.diff(values, axis=1, append=values[:, -1:]), columns, axis=1) * share
    rows, share = _between(values.shape[0], height)
    step = np.diff(wide, axis=0, append=wide[-1:])
    result = np.empty((height, width), np.float32)
    space = np.empty((ROWS, width), np.float32)
    for top in range(0, height, ROWS):
        here, part = rows[top : top + ROWS], result[top : top + ROWS]
        change = space[: len(here)]
        # mode="clip": the default copies once more. All indices are inside
        np.take(step, here, axis=0, out=change, mode="clip")
        change *= share[top : top + ROWS, None]
        np.take(wide, here, axis=0, out=part, mode="clip")
        part += change
        np.clip(part, 0.0, 1.0, out=part)
    return result


def _between(small: int, large: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of `large` pixels, the one of `small` before its centre, and the share (float32) of the one after."""
    position = ((np.arange(large) + 0.5) * (small / large) - 0.5).clip(0, small - 1)
    before = position.astype(np.intp)
    return before, (position - before).astype(np.float32)
