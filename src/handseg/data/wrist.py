"""Which part of a hand+forearm mask is hand and which forearm: guessed from its shape, or with a model's help.

By shape alone: a forearm enters the picture at its border and ends in a hand. So, along each arm, what lies close
to the far end is hand, and what lies several arm's widths away from it is not. Between the two the wrist may be
anywhere: there the label stays unknown. A human hand is about three times as long as the wrist is wide when it is
stretched, and half of that as a fist.

With a model that was trained on hands cut at the wrist: the mask says what is skin, the model only where in it
the hand ends. What it misses of a hand is thinner than an arm, a finger most often, and is put right.
"""

from __future__ import annotations

import cv2
import numpy as np

SURELY_HAND = 1.2  # in arm's widths from the far end
SURELY_FOREARM = 3.4
WORKING_SIZE = 160  # pixels of the long side at which distances are walked
SMALLEST = 30  # pixels, at that size
LONG = 5.0  # squared diagonal in units of the area: a region inside the picture that may have a forearm
TOO_LONG = 7.0  # the same: more than a hand


def split_at_wrist(mask: np.ndarray, probability: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """bool H×W each: surely hand, and unknown, of a mask (uint8 H×W) that shows hands with bare forearms.

    probability: of hand, float H×W, as a model sees it; None to go by shape alone. The rest of the mask is
    surely forearm. By shape, a region that doesn't reach the border is hand if it is short, and unknown if it is
    long; one that reaches it and is too short to tell is unknown. With a model, a region in which it sees no hand
    is unknown, and so is a hand that would be too long for one.
    """
    scale = min(1.0, WORKING_SIZE / max(mask.shape))
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) >= 128).astype(np.uint8)
    n, labels = cv2.connectedComponents(small, connectivity=8)
    hand = np.zeros_like(small)
    unknown = np.zeros_like(small)
    seen = None if probability is None else _smooth(cv2.resize(probability, size, interpolation=cv2.INTER_AREA), small)
    for i in range(1, n):
        region = (labels == i).astype(np.uint8)
        if region.sum() < SMALLEST:
            unknown |= region
            continue
        tip, middle = _along_arm(region) if seen is None else _as_seen(region, seen)
        hand |= tip
        unknown |= middle
    grow = (mask.shape[1], mask.shape[0])
    inside = mask > 0
    # The small mask's edge differs from the large one's: dilate, then cut by the mask itself.
    wide = np.ones((3, 3), np.uint8)
    between = (cv2.resize(cv2.dilate(unknown, wide), grow, interpolation=cv2.INTER_NEAREST) > 0) & inside
    near = (cv2.resize(cv2.dilate(hand, wide), grow, interpolation=cv2.INTER_NEAREST) > 0) & inside & ~between
    return near, between


def _smooth(probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Probability averaged over the mask's inside: at its outline a model hesitates between hand and scene, which
    says nothing about the wrist."""
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8))
    thin = cv2.dilate(inside, np.ones((5, 5), np.uint8)) == 0
    weight = np.where(thin, mask, inside).astype(np.float32)
    total = cv2.GaussianBlur(probability.astype(np.float32) * weight, (0, 0), 2.5)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(weight, (0, 0), 2.5), 1e-6))


def _as_seen(region: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surely hand and unknown, uint8, of one connected region, going by a model's smoothed probability."""
    nothing = np.zeros_like(region)
    hand: np.ndarray = region & (probability > 0.6)
    if hand.sum() < max(SMALLEST, 0.04 * region.sum()):
        return nothing, region
    distant: np.ndarray = region & (probability < 0.3)
    thick = _opened(distant, 0.45 * _radius(region))
    forearm = nothing.copy()
    for part in _parts(distant):
        if (thick & part).any():
            forearm |= part
        elif (cv2.dilate(part, np.ones((3, 3), np.uint8)) & hand).any():
            hand |= part  # too thin for an arm
    for part in _parts(region & ~hand & ~forearm & 1):
        if not (cv2.dilate(part, np.ones((3, 3), np.uint8)) & forearm).any():
            hand |= part  # no forearm beyond it, so no wrist
    for part in _parts(hand):
        if _length(part) > TOO_LONG:
            hand &= ~part & 1
    return hand, region & ~hand & ~forearm & 1


def _parts(mask: np.ndarray) -> list[np.ndarray]:
    n, labels = cv2.connectedComponents(mask, connectivity=8)
    return [(labels == i).astype(np.uint8) for i in range(1, n)]


def _radius(region: np.ndarray) -> float:
    """Of the largest disc that fits in; beyond the border the region ends."""
    return float(cv2.distanceTransform(np.pad(region, 1), cv2.DIST_L2, 3).max())


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Without what is thinner than a disc; beyond the border the mask goes on as it is there."""
    r = max(1, round(radius))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1))
    padded = np.pad(mask, r + 1, mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[r + 1 : -r - 1, r + 1 : -r - 1]
    return np.asarray(opened & mask)


def _length(region: np.ndarray) -> float:
    """Squared diagonal of its bounding box in units of its area: about 2 for a fist, 3 to 6 for a stretched hand."""
    extent = np.ptp(np.argwhere(region), axis=0) + 1
    return float(extent @ extent) / float(region.sum())


def _along_arm(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surely hand and unknown, uint8, of one connected region."""
    border = np.zeros_like(region)
    border[[0, -1]] = region[[0, -1]]
    border[:, [0, -1]] = region[:, [0, -1]]
    nothing = np.zeros_like(region)
    if not border.any():
        return (region, nothing) if _length(region) < LONG else (nothing, region)
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
