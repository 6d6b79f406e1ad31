"""Are instances hands? Hands found and false ones a photo, touching hands told apart, single ones cut, owners told.

    python benchmarks/instances.py ../shared/data [--every 3] [--model default]

A hand is found where an instance's box has an IoU of .5 or more with the label's, each used once; all others are false,
though a label may lack a hand. Touching: a connected region of the mask that holds 10 % or more of itself of two
labelled hands, with 40 % of each; told apart: an instance with an IoU of .5 for either.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import handseg
from handseg.data import read_dataset
from handseg.data.folder import read_datasets
from handseg.image import load_image
from handseg.masks.regions import binarise, label_components

BOXES = "everyday", "webcam", "first_person"
OWNERS = "own", "own", "other", "other"
SIDES = "left", "right", "left", "right"


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes (x0, y0, x1, y1)."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def box_of(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def found(hands: list[handseg.Hand], boxes: list[np.ndarray]) -> int:
    mine = [np.array([*h.box[:2], h.box[0] + h.box[2], h.box[1] + h.box[3]]) for h in hands]
    pairs = sorted(((iou(a, b), i, j) for i, a in enumerate(mine) for j, b in enumerate(boxes)), reverse=True)
    used: tuple[set[int], set[int]] = set(), set()
    for value, i, j in pairs:
        if value >= 0.5 and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
    return len(used[0])


def compare(result: handseg.HandMask, labels: list[np.ndarray], count: Counter[str]) -> None:
    """Cuts and owners against EgoHands' four masks."""
    regions, n = label_components(binarise(result.probability, result.threshold))
    for i in range(1, n + 1):
        region = regions == i
        area = np.count_nonzero(region)
        numbers = [k for k in np.unique(result.regions[region]) if k]
        shared = [np.count_nonzero(region & label) for label in labels]
        large = [j for j in range(4) if shared[j] > max(0.1 * area, 0.4 * np.count_nonzero(labels[j]))]
        if not numbers:
            continue
        if len(large) > 1:
            count["touching"] += 1
            best = [
                max(
                    np.count_nonzero((result.regions == k) & labels[j])
                    / np.count_nonzero((result.regions == k) | labels[j])
                    for k in numbers
                )
                for j in large
            ]
            count["told apart"] += int(len(numbers) >= len(large) and min(best) >= 0.5)
        elif sum(s > 0.03 * area for s in shared) == 1:
            count["single"] += 1
            count["cut"] += len(numbers) > 1
    for i, hand in enumerate(result.hands, start=1):
        shared = [np.count_nonzero((result.regions == i) & label) for label in labels]
        j = int(np.argmax(shared))
        if shared[j] > 0.6 * hand.area:
            count["wrong owner"] += hand.owner not in (None, OWNERS[j])
            count["wrong side"] += hand.side not in (None, SIDES[j])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    segmenter = handseg.load(given.model)
    photos: dict[str, list[tuple[Path, list[np.ndarray], list[np.ndarray]]]] = defaultdict(list)
    for sample in read_datasets([given.data / "egohands", given.data / "egohands_more"])[:: given.every]:
        labels = [label > 0 for label in sample.load_hands() or ()]
        boxes = [box_of(label) for label in labels if label.any()]
        photos["egohands_more" if "egohands_more" in sample.image.parts else "egohands"].append(
            (sample.image, boxes, labels)
        )
    for sample in read_dataset(given.data / "irllabs")[:: given.every]:
        photos["irllabs"].append((sample.image, [box_of(sample.load_mask())], []))
    for name in BOXES:
        known = defaultdict(list)
        with (given.data / name / "boxes.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                known[row["image"]].append(np.array([float(row[k]) for k in ("x0", "y0", "x1", "y1")]))
        images = sorted((given.data / name / "images").iterdir())[:: given.every]
        photos[name] = [(image, known[image.name], []) for image in images]
    photos["gestures_unlabelled"] = [(p, [], []) for p in sorted((given.data / "gestures_unlabelled").glob("*.jpg"))]
    for name, rows in photos.items():
        count: Counter[str] = Counter()
        for image, boxes, labels in rows:
            result = segmenter(load_image(image))
            right = found(result.hands, boxes)
            count.update({"labelled": len(boxes), "found": right, "false": len(result.hands) - right})
            count.update(f"{hand.owner}" for hand in result.hands)
            if labels:
                compare(result, labels, count)
        print(f"{name}, {len(rows)} photos: {dict(count)}", flush=True)


if __name__ == "__main__":
    main()
