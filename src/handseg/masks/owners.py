"""Whose hand, and which: from a network's probabilities of the hand classes to what can be said of each region."""

from __future__ import annotations

import numpy as np

from handseg.masks.labels import HAND_CLASSES
from handseg.masks.regions import Runs

# Networks learn whose hand it is from people who sit at a table with a camera on their head; of people who face the
# camera they take many a hand for the camera's own. What holds in both kinds of pictures, measured in docs/outputs.md:
SURE = 0.93  # mean probability of the owner over a hand; less is a guess
REACH = 0.05  # of the image's height: as near to its lower edge comes a hand of whoever carries the camera
SIDE_SURE = 0.85  # mean probability of the class; less is a guess between left and right


def mean_classes(runs: Runs, classes: np.ndarray) -> np.ndarray:
    """float64 (n, 4): of each region the mean probability of each of HAND_CLASSES.

    classes: float32 4×h×w, over the whole image, at any resolution.
    """
    sampled = runs.sampled(*classes.shape[1:]).ravel()
    inside = np.flatnonzero(sampled)
    region = sampled[inside]
    count = np.bincount(region, minlength=runs.count + 1)[1:]
    sums = [np.bincount(region, plane.ravel()[inside], runs.count + 1)[1:] for plane in classes]
    means = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    missed = np.flatnonzero(count == 0)  # lies between the centres of the network's pixels
    if len(missed):
        run = np.searchsorted(np.sort(runs.regions), missed + 1)
        run = np.argsort(runs.regions, kind="stable")[run]
        rows = runs.rows[run] * classes.shape[1] // runs.shape[0]
        columns = runs.starts[run] * classes.shape[2] // runs.shape[1]
        means[missed] = classes[:, rows, columns].T
    return np.asarray(means)


def owner_and_side(means: np.ndarray, lowest: int, height: int) -> tuple[str | None, str | None]:
    """ "own" or "other" and "left" or "right" of a hand, each None where it can't be trusted.

    means: float (4,), of `mean_classes`. lowest: the row below its last one. height: the image's.
    """
    own = float(means[:2].sum() / means.sum())
    likeliest = int(means.argmax())
    owner, side = HAND_CLASSES[likeliest].split()
    if max(own, 1 - own) < SURE or (owner == "own" and lowest < (1 - REACH) * height):
        return None, None
    return owner, side if means[likeliest] >= SIDE_SURE else None
