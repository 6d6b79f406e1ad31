"""Guess which part of a hand+forearm mask is surely hand and which surely forearm, from its shape alone.

A forearm enters the picture at its border and ends in a hand. So, along each arm, what lies close to the far
end is hand, and what lies several arm's widths away from it is not. Between the two the wrist may be anywhere:
there the label stays unknown. A human hand is about three times as long as the wrist is wide when it is
stretched, and half of that as a fist.
"""

from __future__ import annotations

import cv2
import numpy as np

SURELY_HAND = 1.2  # in arm's widths from the far end
SURELY_FOREARM = 3.4
WORKING_SIZE = 160  # pixels of the long side at which distances are walked
SMALLEST = 30  # pixels, at that size


def split_at_wrist(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """bool H×W each: surely hand, and unknown, of a mask (uint8 H×W) that shows hands with bare forearms.

    The rest of the mask is surely forearm. A region that doesn't reach the border is hand if it is short, and
    unknown if it is long; one that reaches it and is too short to tell is unknown.
    """
    scale = min(1.0, WORKING_SIZE / max(mask.shape))
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) >= 128).astype(np.uint8)
    n, labels = cv2.connectedComponents(small, connectivity=8)
    hand = np.zeros_like(small)
    unknown = np.zeros_like(small)
    for i in range(1, n):
        region = (labels == i).astype(np.uint8)
        if region.sum() < SMALLEST:
            unknown |= region
            continue
        tip, middle = _along_arm(region)
        hand |= tip
        unknown |= middle
    grow = (mask.shape[1], mask.shape[0])
    inside = mask > 0
    # The small mask's edge differs from the large one's: dilate, then cut by the mask itself.
    wide = np.ones((3, 3), np.uint8)
    between = (cv2.resize(cv2.dilate(unknown, wide), grow, interpolation=cv2.INTER_NEAREST) > 0) & inside
    near = (cv2.resize(cv2.dilate(hand, wide), grow, interpolation=cv2.INTER_NEAREST) > 0) & inside & ~between
    return near, between


def _along_arm(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surely hand and unknown, uint8, of one connected region."""
    border = np.zeros_like(region)
    border[[0, -1]] = region[[0, -1]]
    border[:, [0, -1]] = region[:, [0, -1]]
    nothing = np.zeros_like(region)
    if not border.any():
        height, width = np.ptp(np.argwhere(region), axis=0) + 1
        length = float(np.hypot(height, width))
        short = length * length < 5.0 * float(region.sum())
        return (region, nothing) if short else (nothing, region)
    steps = _walk(region, border)
    furthest = int(steps.max())
    proximal = (steps >= 0) & (steps <= furthest / 2)
    width = float(proximal.sum()) / max(1.0, furthest / 2)
    if furthest < 2.0 * width:
        return nothing, region
    from_tip = furthest - steps
    near = ((steps >= 0) & (from_tip < SURELY_HAND * width)).astype(np.uint8)
    forearm = (steps >= 0) & (from_tip > SURELY_FOREARM * width)
    return near, (region & ~near & ~forearm.astype(np.uint8)) & 1


def _walk(region: np.ndarray, start: np.ndarray) -> np.ndarray:
    """int H×W: steps from `start` within the region (octagonal: 4- and 8-neighbours in turn); -1 outside."""
    steps = np.where(start > 0, 0, -1)
    reached = start.copy()
    kernels = (cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.ones((3, 3), np.uint8))
    for step in range(1, region.size):
        grown = cv2.dilate(reached, kernels[step % 2]) & region
        new = grown & ~reached & 1
        if not new.any():
            break
        steps[new > 0] = step
        reached = grown
    return steps
