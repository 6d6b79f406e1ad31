"""Landmarks of the hands in image folders, found by MediaPipe Hands, for `handseg train --landmarks`.

    python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe==0.10.21
    mediapipe-env/bin/python docs/models/collect_landmarks.py landmarks.json DATA/utg DATA/yhg DATA/hgr

It runs in an environment of its own, since mediapipe needs older packages than handseg. What is kept are points, no
images.
"""

import json
import sys
from pathlib import Path

import cv2
import mediapipe


def main(output: str, *folders: str) -> None:
    found = {}
    for folder in map(Path, folders):
        finder = mediapipe.solutions.hands.Hands(
            static_image_mode=True, max_num_hands=4, model_complexity=1, min_detection_confidence=0.3
        )
        images = sorted((folder / "images").iterdir())
        for path in images:
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            height, width = image.shape[:2]
            hands = finder.process(image).multi_hand_landmarks or []
            found[f"{folder.name}/{path.name}"] = [
                [[round(p.x * width, 1), round(p.y * height, 1)] for p in hand.landmark] for hand in hands
            ]
        some = sum(bool(found[f"{folder.name}/{path.name}"]) for path in images)
        print(f"{folder.name}: hands in {some} of {len(images)} images")
    Path(output).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
