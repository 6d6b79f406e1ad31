"""How far EgoHands' polygons lie from the hands: hand by hand, the shift of the label that fits a model's mask best.

A model that has learned from many frames draws the same hand in the same way; where its outline and the label
differ by a shift that has another direction in each frame, the label is what moved.

    python benchmarks/label_noise.py DATA/egohands [--model MODEL] [--split SPLIT]
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import cv2
import numpy as np

import handseg
from handseg.data import Split, read_dataset

REACH = 14  # pixels of the 1280×720 frame, in steps of 2
SMALLEST = 3000  # pixels; smaller hands say little
FOUND = 0.6  # IoU from which on a hand counts as found


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="default", show_default=True)
@click.option("--split", type=click.Path(path_type=Path), help="Use its training side: what the model has seen.")
@click.option("--every", default=8, show_default=True, help="Take every n-th frame.")
def main(data: Path, model: str, split: Path | None, every: int) -> None:
    segmenter = handseg.load(model)
    samples = read_dataset(data)
    if split is not None:
        names = set(Split.load(split).train)
        samples = [s for s in samples if s.name in names]
    found: dict[str, list[tuple[float, float, int, int]]] = defaultdict(list)
    for sample in samples[::every]:
        mask = sample.load_mask()
        predicted = segmenter(sample.load_image()).mask > 0
        n, labels, boxes, _ = cv2.connectedComponentsWithStats(mask)
        for i in range(1, n):
            x, y, width, height, area = boxes[i]
            if area < SMALLEST:
                continue
            window = np.s_[max(0, y - 30) : y + height + 30, max(0, x - 30) : x + width + 30]
            hand, others = (labels == i)[window], ((labels > 0) & (labels != i))[window]
            row = best_shift(hand, predicted[window] & ~others)
            if row[0] >= FOUND:
                found[sample.video].append(row)
    print("video                     hands  IoU    after the shift  mean shift (y, x)  |shift|: median, 90 %")
    for video, rows in [*sorted(found.items()), ("all", [row for some in found.values() for row in some])]:
        table = np.array(rows)
        length = np.hypot(table[:, 2], table[:, 3])
        print(
            f"{video:<26}{len(rows):>4}  {table[:, 0].mean():.3f}  {table[:, 1].mean():>10.3f}"
            f"{table[:, 2].mean():>15.1f}, {table[:, 3].mean():.1f}"
            f"{np.median(length):>19.1f}, {np.percentile(length, 90):.1f} px"
        )


def best_shift(hand: np.ndarray, predicted: np.ndarray) -> tuple[float, float, int, int]:
    """IoU as it is, IoU after the best shift of the label, and that shift (y, x) in pixels."""

    def iou(dy: int, dx: int) -> float:
        moved = np.roll(hand, (dy, dx), (0, 1))
        return float((moved & predicted).sum() / max(1, (moved | predicted).sum()))

    steps = range(-REACH, REACH + 1, 2)
    best, dy, dx = max((iou(dy, dx), dy, dx) for dy in steps for dx in steps)
    return iou(0, 0), best, dy, dx


if __name__ == "__main__":
    main()
