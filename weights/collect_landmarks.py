"""Landmarks of the hands in image folders, found by MediaPipe Hands: where the wrist is in labels with forearms.

    python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe==0.10.21
    mediapipe-env/bin/python weights/collect_landmarks.py landmarks.json DATA/utg DATA/yhg DATA/hgr [--every N]

It runs in an environment of its own, since mediapipe needs older packages than handseg. What is kept are points, no
images. --every: only each N-th image.
"""

import argparse
import json
from pathlib import Path

import cv2
import mediapipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    found = {}
    for folder in options.folders:
        finder = mediapipe.solutions.hands.Hands(
            static_image_mode=True, max_num_hands=4, model_complexity=1, min_detection_confidence=0.3
        )
        images = sorted((folder / "images").iterdir())[:: options.every]
        for path in images:
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            height, width = image.shape[:2]
            hands = finder.process(image).multi_hand_landmarks or []
            found[f"{folder.name}/{path.name}"] = [
                [[round(p.x * width, 1), round(p.y * height, 1)] for p in hand.landmark] for hand in hands
            ]
        some = sum(bool(found[f"{folder.name}/{path.name}"]) for path in images)
        print(f"{folder.name}: hands in {some} of {len(images)} images")
    options.output.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
