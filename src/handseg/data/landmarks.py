"""Where a hand ends, from the 21 landmarks of a hand tracker: a second way to find the wrist in labels with forearms.

A file of landmarks is made by weights/collect_landmarks.py, JSON: `{"utg/train_001_002.jpg": [[[x, y], … 21], …]}`,
by the image's folder and file name, in pixels; 0 the wrist, 1 to 4 the thumb, …, 17 to 20 the little finger.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError

# In palm lengths (wrist to the mean of the four knuckles), along the arm from the wrist's landmark. EgoHands' labels
# end at -.18 in the median, between -.32 and -.04 in half of the hands (169 hands of the training side).
SURELY_HAND = -0.15
SURELY_FOREARM = -0.45
KNUCKLES = (5, 9, 13, 17)
REACH = 2.0  # times the landmarks' extent: what lies further from the palm's centre isn't of this arm
SEEN_ALONG = 0.25  # palm length over extent: below, the hand is seen along the arm, and its direction isn't known


def with_landmarks(samples: Sequence[Sample], path: Path) -> list[Sample]:
    """The samples, those whose label includes the forearm with their landmarks.

    Raises DataError when the file isn't one of landmarks, or has none for any of these samples.
    """
    try:
        found = {
            key: tuple(_hand(hand) for hand in hands) for key, hands in json.loads(path.read_text("utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a file of landmarks ({error}); see weights/collect_landmarks.py") from error
    kept = [replace(s, landmarks=found.get(_key(s.image), ())) if s.policy == "hand+forearm" else s for s in samples]
    if not any(s.landmarks for s in kept):
        raise DataError(f"{path}: has landmarks for none of these images; collect them from the same folders")
    return kept


def wrist_probability(hands: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Probability of hand against forearm, float32 H×W, as far as the landmarks (float (21, 2) each, in pixels of the
    image) tell: 1 on the hand's side of the wrist, 0 on the other, between them .6 to .3; NaN out of reach of all."""
    result = np.full((height, width), np.nan, np.float32)
    nearest = np.full((height, width), np.inf, np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for hand in hands:
        wrist, along = hand[0], hand[list(KNUCKLES)].mean(0) - hand[0]
        palm, extent = float(np.linalg.norm(along)), float(np.ptp(hand, axis=0).max())
        if palm < max(1.0, SEEN_ALONG * extent):
            continue
        position = ((x - wrist[0]) * along[0] + (y - wrist[1]) * along[1]) / palm**2
        between = 0.3 + 0.3 * (position - SURELY_FOREARM) / (SURELY_HAND - SURELY_FOREARM)
        probability = np.where(position > SURELY_HAND, 1.0, np.where(position < SURELY_FOREARM, 0.0, between))
        probability = np.maximum(probability, _fingers(hand, height, width, round(palm / 4)))  # bent back to the arm
        centre = wrist + along / 2
        distance = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / extent**2
        mine = (distance < nearest) & (distance < REACH**2)
        result[mine], nearest[mine] = probability[mine], distance[mine]
    return result


def _fingers(hand: np.ndarray, height: int, width: int, thickness: int) -> np.ndarray:
    drawn = np.zeros((height, width), np.uint8)
    for finger in range(1, 21, 4):
        line = hand[finger : finger + 4].round().astype(np.int32)
        cv2.polylines(drawn, [line[:, None]], False, 1, max(1, thickness))
    return drawn


def _hand(points: list[list[float]]) -> np.ndarray:
    hand = np.asarray(points, np.float32)
    if hand.shape != (21, 2) or not np.isfinite(hand).all():
        raise ValueError("a hand has 21 points (x, y)")
    return hand


def _key(image: Path) -> str:
    """Folder of the dataset and file name: `utg/images/a.jpg` is utg/a.jpg."""
    return f"{image.parent.parent.name}/{image.name}"
