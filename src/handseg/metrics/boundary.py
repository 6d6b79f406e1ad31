"""Scores of a mask's boundary: what counts where an outline is drawn or a hand cut out."""

from __future__ import annotations

from math import hypot

import numpy as np


def boundary_iou(
    prediction: np.ndarray, target: np.ndarray, distance: int | None = None, known: np.ndarray | None = None
) -> float:
    """IoU of two masks' inner rims, `distance` pixels wide.

    prediction, target: arrays H×W; non-zero is hand. distance: default 2 % of the image's diagonal; 1 or more.
    known: bool H×W, the pixels that count; default: all. What a mask shows elsewhere changes nothing.
    The image's border is part of a mask's rim. Two empty masks score 1.
    Source: Cheng, Girshick, Dollár, Berg, Kirillov, Boundary IoU, CVPR 2021.
    """
    if distance is None:
        distance = max(1, round(0.02 * hypot(*target.shape)))
    p, t = (_rim(_with_unknown(mask, known), distance) for mask in (prediction, target))
    if known is not None:
        p, t = p & known, t & known
    union = np.count_nonzero(p | t)
    return np.count_nonzero(p & t) / union if union else 1.0


def surface_counts(
    prediction: np.ndarray, target: np.ndarray, tolerance: int, known: np.ndarray | None = None
) -> np.ndarray:
    """int64 (2,): boundary pixels of either mask that lie within `tolerance` pixels of the other's, and all of them.

    The ratio of the two is the normalised surface distance (1 where both are 0). A boundary pixel is a hand
    pixel with one of its four neighbours outside; where the image's border cuts a hand there is no boundary.
    known: bool H×W, the pixels that count, as in `boundary_iou`.
    Source: Nikolov et al., Deep learning to achieve clinically applicable segmentation, arXiv 1809.04430, 2018.
    """
    p, t = (_outline(_with_unknown(mask, known)) for mask in (prediction, target))
    if known is not None:
        p, t = p & known, t & known
    near = np.count_nonzero(p & _grown(t, tolerance)) + np.count_nonzero(t & _grown(p, tolerance))
    return np.array([near, np.count_nonzero(p) + np.count_nonzero(t)], np.int64)


def _with_unknown(mask: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """bool H×W, as if the mask went on wherever nothing is known, so that it doesn't end there."""
    inside = mask.astype(bool)
    return inside if known is None else inside | ~known


def _rim(mask: np.ndarray, width: int) -> np.ndarray:
    """The mask without what lies more than `width` steps (of eight neighbours) inside it."""
    inner: np.ndarray = np.pad(mask, width)
    for axis in (0, 1):
        inner = _running_and(inner, width, axis)
    rim: np.ndarray = mask & ~inner[width:-width, width:-width]
    return rim


def _running_and(mask: np.ndarray, reach: int, axis: int) -> np.ndarray:
    """At each place whether all within `reach` along an axis are set; windows double, so that it takes log steps."""
    window, length = mask, 1
    wanted = 2 * reach + 1
    while length < wanted:
        step = min(length, wanted - length)
        window = window & np.roll(window, -step, axis)
        length += step
    return np.roll(window, reach, axis)


def _outline(mask: np.ndarray) -> np.ndarray:
    inside = mask.copy()
    inside[1:] &= mask[:-1]
    inside[:-1] &= mask[1:]
    inside[:, 1:] &= mask[:, :-1]
    inside[:, :-1] &= mask[:, 1:]
    outline: np.ndarray = mask & ~inside
    return outline


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """All places within a Euclidean distance of a set one."""
    height, width = mask.shape
    padded = np.pad(mask, radius)
    grown = np.zeros_like(mask)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy <= radius * radius:
                grown |= padded[radius + dy : radius + dy + height, radius + dx : radius + dx + width]
    return grown
