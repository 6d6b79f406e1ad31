"""Label photos with a model's masks, as far as a hand tracker's landmarks say that there is a hand.

    python docs/models/collect_photos.py docs/models/hands.txt photos
    mediapipe-env/bin/python docs/models/collect_landmarks.py photos.json photos
    python docs/models/label_photos.py photos photos.json default

A pixel is labelled hand where the model sees hand or forearm near a hand's landmarks, on the hand's side of its wrist;
all else (faces, arms, what the model took for hands) is none. Writes `masks/` and an `index.csv`: label policy `hand`,
one session for each package. `hands.txt` names the photos whose labels made so were looked at and found right.
"""

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np

import handseg
from handseg.data.landmarks import KNUCKLES

REACH = 0.4  # palm lengths (wrist to the mean of the knuckles) around the landmarks
WRIST = -0.2  # palm lengths behind the wrist's landmark: about where EgoHands' labels end


def near(hand: np.ndarray, height: int, width: int) -> np.ndarray:
    """bool H×W: around the landmarks (float (21, 2) in pixels) of a hand, up to its wrist."""
    wrist, along = hand[0], hand[list(KNUCKLES)].mean(0) - hand[0]
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(hand).round().astype(np.int32), 1)
    for finger in range(1, 21, 4):
        line = np.vstack([wrist[None], hand[finger : finger + 4]]).round().astype(np.int32)
        cv2.polylines(inside, [line[:, None]], False, 1)
    # A palm seen along the arm looks short; its hand is still as large.
    palm = max(float(np.linalg.norm(along)), 0.35 * float(np.ptp(hand, axis=0).max()))
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    y, x = np.mgrid[:height, :width]
    position = ((x - wrist[0]) * along[0] + (y - wrist[1]) * along[1]) / float(along @ along)
    return (distance < REACH * palm) & ((position > WRIST) | (inside > 0))


def main(folder: str, landmarks: str, model: str) -> None:
    root, found = Path(folder), json.loads(Path(landmarks).read_text())
    both = [handseg.load(model, policy=policy, test_time="flip") for policy in ("hand", "hand+forearm")]
    (root / "masks").mkdir(exist_ok=True)
    images = sorted((root / "images").iterdir())
    with (root / "index.csv").open("w", newline="") as file:
        index = csv.writer(file)
        index.writerow(("name", "image", "mask", "video", "session", "policy"))
        for image in images:
            skin = np.maximum(*(segmenter(image).probability for segmenter in both)) >= 0.5
            hands = [np.asarray(hand, np.float32) for hand in found[f"{root.name}/{image.name}"]]
            mask = skin & np.any([near(hand, *skin.shape) for hand in hands], axis=0)
            name = f"{image.stem}.png"
            cv2.imwrite(str(root / "masks" / name), mask.astype(np.uint8) * 255)
            session = image.stem.split("_")[0]
            index.writerow((image.stem, f"images/{image.name}", f"masks/{name}", image.stem, session, "hand"))
    print(f"{len(images)} masks in {root / 'masks'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
