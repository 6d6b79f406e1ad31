"""MediaPipe Hands as a segmenter, in the environment of its own that it needs; `compare.py` starts it.

    python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe==0.10.21

Reads image paths from standard input, a line each; answers each with a line of JSON, the milliseconds that it took, and
writes both masks to the file that is its argument. MediaPipe gives 21 landmarks a hand. They become a mask in two ways:
capsules around the bones and the filled palm, and the same corrected by skin colour, which is learned from the
capsules' core in that very image.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import mediapipe
import numpy as np

# Landmarks in mediapipe's numbering: 0 the wrist, 1 to 4 the thumb, ..., 17 to 20 the little finger. Widths in units of
# the palm's length, wrist to middle knuckle.
FINGERS = tuple(tuple(range(4 * i + 1, 4 * i + 5)) for i in range(5))
WIDTHS = (0.26, 0.21, 0.21, 0.20, 0.18)
PALM = (0, 1, 5, 9, 13, 17)
LIKELY = 9.0  # squared Mahalanobis distance in chroma up to which a pixel is taken for skin
REACH = 0.12  # palm lengths around the capsules within which colour decides


def capsules(shape: tuple[int, int], hands: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """uint8 0/1 mask of landmarks in pixels, and the mean palm length."""
    mask = np.zeros(shape, np.uint8)
    palms = []
    for points in hands:
        length = float(np.linalg.norm(points[9] - points[0]))
        palms.append(length)
        at = [tuple(int(v) for v in p) for p in points.round()]
        cv2.fillConvexPoly(mask, cv2.convexHull(np.array([at[i] for i in PALM])), 1)
        for i, j in zip(PALM, (*PALM[1:], PALM[0])):
            cv2.line(mask, at[i], at[j], 1, max(1, round(0.2 * length)))
        for finger, width in zip(FINGERS, WIDTHS):
            for i, j in pairwise(finger):
                cv2.line(mask, at[i], at[j], 1, max(1, round(width * length)))
    return mask, float(np.mean(palms)) if palms else 0.0


def refine(image: np.ndarray, mask: np.ndarray, palm: float) -> np.ndarray:
    """The capsules, grown and shrunk to what has the colour of their core."""
    reach = max(1, round(REACH * palm))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    core = cv2.erode(mask, disc) > 0
    if core.sum() < 50:
        return mask
    near = cv2.dilate(mask, disc)
    x, y, width, height = cv2.boundingRect(near)
    window = np.s_[y : y + height, x : x + width]
    chroma = cv2.cvtColor(image[window], cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32)
    seen = chroma[core[window]]
    a, b, _, c = np.linalg.inv(np.cov(seen.T) + 4 * np.eye(2)).astype(np.float32).ravel()
    u, v = np.moveaxis(chroma - np.median(seen, axis=0), -1, 0)
    skin = a * u * u + 2 * b * u * v + c * v * v < LIKELY
    found = np.zeros_like(mask)
    found[window] = cv2.medianBlur((((near[window] > 0) & skin) | core[window]).astype(np.uint8), 5)
    return found


def main() -> None:
    cv2.setNumThreads(1)
    finder = mediapipe.solutions.hands.Hands(
        static_image_mode=True, max_num_hands=4, model_complexity=1, min_detection_confidence=0.3
    )
    out = Path(sys.argv[1])
    print(json.dumps({"ready": mediapipe.__version__}), flush=True)
    for line in sys.stdin:
        image = cv2.cvtColor(cv2.imread(line.strip()), cv2.COLOR_BGR2RGB)
        start = time.perf_counter()
        found = finder.process(image)
        size = np.array([image.shape[1], image.shape[0]])
        hands = [np.array([(p.x, p.y) for p in hand.landmark]) * size for hand in found.multi_hand_landmarks or []]
        mask, palm = capsules(image.shape[:2], hands)
        drawn = time.perf_counter()
        refined = refine(image, mask, palm) if hands else mask
        end = time.perf_counter()
        np.save(out, np.stack([mask, refined]))
        print(json.dumps({"capsules": 1000 * (drawn - start), "refined": 1000 * (end - start)}), flush=True)


if __name__ == "__main__":
    main()
