"""From the network's output back to the image: the inverse of `preprocess`, threshold, instances."""

from __future__ import annotations

import numpy as np

from handseg.image import resize
from handseg.preprocess import Placement


def restore(probability: np.ndarray, placement: Placement) -> np.ndarray:
    """Probability float32 H×W at the original size, from the network's float32 H'×W'."""
    height, width = placement.resized
    content = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    probability = resize(content, *placement.original)
    return np.asarray(np.clip(probability, 0.0, 1.0))


def binarise(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Mask uint8 H×W, 255 where the probability is at least `threshold`, else 0."""
    return np.where(probability >= threshold, 255, 0).astype(np.uint8)


def label_components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Label the 8-connected regions of non-zero pixels: int32 H×W (0 background, then 1 … n), and n.

    Works on horizontal runs: each run is joined with those it touches in the row above (He et al., 2008).
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask > 0
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]  # one past the run's last pixel, in the same order
    parent = np.arange(len(rows))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    first = np.searchsorted(rows, np.arange(height + 1))
    for row in range(1, height):
        above, here = int(first[row - 1]), int(first[row])
        stop_above, stop_here = here, int(first[row + 1])
        while above < stop_above and here < stop_here:
            if starts[above] <= ends[here] and starts[here] <= ends[above]:
                a, b = root(above), root(here)
                parent[max(a, b)] = min(a, b)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(i) for i in range(len(rows))], int)
    numbers = np.unique(roots, return_inverse=True)[1] + 1
    labels = np.zeros((height, width), np.int32)
    for y, start, end, number in zip(rows, starts, ends, numbers):
        labels[y, start:end] = number
    return labels, int(numbers.max(initial=0))
