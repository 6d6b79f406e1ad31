"""Hands with bare forearms in EgoHands frames, whose own labels end at the wrist.

forearms.json has polygons of the bare forearms, from elbow to wrist, in 14 frames of the packaged models' validation
side, and of the arm that is left open (upper arms, elbows that can't be told), in pixels of 1280×720. They were drawn
by eye on enlarged frames, so a band of 8 pixels on both sides of a forearm's outline counts neither way. Hands are
EgoHands' own labels.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from handseg.data import read_dataset
from handseg.errors import DataError
from handseg.metrics import count
from handseg.segmenter import Segmenter

LABELS = Path(__file__).with_suffix(".json")
WIDTH, HEIGHT, BAND = 1280, 720, 8


def filled(polygons: list[list[list[int]]], height: int, width: int) -> np.ndarray:
    """bool H×W."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        points = np.array(polygon) * (width / WIDTH, height / HEIGHT)
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask > 0


def near(mask: np.ndarray, distance: int) -> np.ndarray:
    """bool H×W: what lies within `distance` pixels of a mask."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * distance + 1, 2 * distance + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)


def forearm_counts(segmenter: Segmenter, data: Path) -> tuple[np.ndarray, int, int]:
    """int (14, 4), see `handseg.metrics.count`, of hands and forearms; and the pixels of bare forearms that were found,
    and that are there. data: the folder egohands_more.

    Raises DataError when it lacks some of the frames.
    """
    drawn = json.loads(LABELS.read_text())
    samples = [sample for sample in read_dataset(data) if sample.name in drawn]
    if len(samples) < len(drawn):
        raise DataError(f"{data}: holds {len(samples)} of the {len(drawn)} frames; name egohands_more")
    counts, seen, there = [], 0, 0
    for sample in samples:
        image, hand = sample.load_image(), sample.load_mask() > 0
        height, width = hand.shape
        forearm, upper = (filled(drawn[sample.name][part], height, width) for part in ("forearm", "open"))
        band = max(1, round(BAND * width / WIDTH))
        unsure = near(forearm, band) & near(~forearm, band) | near(upper, band)
        sure = hand | ~unsure
        mask = segmenter(image).mask > 0
        counts.append(count(mask[sure], (hand | forearm)[sure]))
        arm = forearm & sure & ~hand
        seen, there = seen + int((mask & arm).sum()), there + int(arm.sum())
    return np.stack(counts), seen, there
