"""Whose hand, and which: from a network's probabilities of the hand classes to one class for each hand."""

from __future__ import annotations

import numpy as np

from handseg.card import HAND_CLASSES

SHARE = 0.25  # of a region's pixels; a class with fewer is no hand of its own
SURE = 0.85  # mean probability of its class from which a part of a region is taken for a hand of its own


def split_by_class(labels: np.ndarray, n: int, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut regions where two hands of different classes touch and the network is sure of both.

    labels: int32 H×W, regions 1 … n, 0 elsewhere. classes: float32 4×h×w, the probability of each of
    HAND_CLASSES over the whole image, at any resolution.
    Returns labels anew, 1 … m, and the class (index in HAND_CLASSES) of each of these m regions, int (m,).
    """
    k = len(HAND_CLASSES)
    inside = np.flatnonzero(labels)
    region = labels.ravel()[inside] - 1
    rows, columns = np.divmod(inside, labels.shape[1])
    rows, columns = rows * classes.shape[1] // labels.shape[0], columns * classes.shape[2] // labels.shape[1]
    seen = classes[:, rows, columns]  # (4, number of pixels)
    votes = np.bincount(region * k + seen.argmax(0), minlength=n * k).reshape(n, k)
    allowed = votes >= np.maximum(SHARE * votes.sum(1), 1)[:, None]
    allowed[np.arange(n), votes.argmax(1)] = True

    chosen = np.where(allowed[region].T, seen, -1).argmax(0)
    part = region * k + chosen
    area = np.bincount(part, minlength=n * k)
    sure = np.bincount(part, seen[chosen, np.arange(len(part))], n * k) >= SURE * area
    whole = np.asarray(~sure.reshape(n, k).all(axis=1))
    chosen = np.where(whole[region], votes.argmax(1)[region], chosen)

    parts, numbers = np.unique(region * k + chosen, return_inverse=True)
    result = np.zeros(labels.size, np.int32)
    result[inside] = numbers + 1
    return result.reshape(labels.shape), parts % k
