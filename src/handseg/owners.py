"""Whose hand, and which: from a network's probabilities of the hand classes to one class for each hand."""

from __future__ import annotations

import numpy as np

from handseg.card import HAND_CLASSES

SHARE = 0.25  # of a region's pixels; a class with fewer is no hand of its own


def split_by_class(labels: np.ndarray, n: int, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut regions where two hands of different classes touch.

    labels: int32 H×W, regions 1 … n, 0 elsewhere. classes: float32 4×h×w, the probability of each of
    HAND_CLASSES over the whole image, at any resolution.
    Returns labels anew, 1 … m, and the class (index in HAND_CLASSES) of each of these m regions, int (m,).
    """
    inside = np.flatnonzero(labels)
    region = labels.ravel()[inside] - 1
    rows, columns = np.divmod(inside, labels.shape[1])
    seen = classes[
        :, rows * classes.shape[1] // labels.shape[0], columns * classes.shape[2] // labels.shape[1]
    ]  # (4, number of pixels)
    area = np.bincount(region, minlength=n)
    votes = np.bincount(region * len(HAND_CLASSES) + seen.argmax(0), minlength=n * len(HAND_CLASSES)).reshape(n, -1)
    allowed = votes >= np.maximum(SHARE * area, 1)[:, None]
    allowed[np.arange(n), votes.argmax(1)] = True
    chosen = np.where(allowed[region].T, seen, -1).argmax(0)
    pairs, numbers = np.unique(region * len(HAND_CLASSES) + chosen, return_inverse=True)
    result = np.zeros(labels.size, np.int32)
    result[inside] = numbers + 1
    return result.reshape(labels.shape), pairs % len(HAND_CLASSES)
