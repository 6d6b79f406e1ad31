"""Pieces of one hand: a finger that the threshold cuts off is no hand of its own."""

from __future__ import annotations

import numpy as np

from handseg.masks.regions import Runs, components

LINK = 0.75  # of the threshold: what a piece is linked by reaches that
SMALL = 0.1  # of the larger piece's area; two that are more alike are two hands


def join_pieces(runs: Runs, probability: np.ndarray, threshold: float) -> Runs:
    """The regions, with a small one made part of a larger one where the probability between them doesn't fall far.

    runs: the connected regions of the pixels at `threshold` or above. probability: float32 H×W.
    """
    if runs.count < 2:
        return runs
    first = np.unique(runs.regions, return_index=True)[1]
    group = components(probability >= LINK * threshold).at(runs.rows[first], runs.starts[first])
    if len(np.unique(group)) == runs.count:
        return runs
    area, box = runs.areas, runs.boxes()
    into = np.arange(1, runs.count + 1)
    order = np.argsort(-area, kind="stable")
    hands: dict[int, list[int]] = {}  # of each group the pieces that are hands, largest first
    for i in order.tolist():
        larger = [k for k in hands.get(group[i], []) if area[i] <= SMALL * area[k]]
        if larger:
            gap = np.maximum(np.maximum(box[larger, :2] - box[i, 2:], box[i, :2] - box[larger, 2:]), 0)
            into[i] = larger[int(np.argmin(np.hypot(*gap.T)))] + 1
        else:
            hands.setdefault(group[i], []).append(i)
    return runs.merged(into)
