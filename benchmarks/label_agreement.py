"""How well do EgoHands' labels agree with each other? The same hand in two successive labelled frames, a second apart.

Hands that hardly moved (95 % of their pixels by less than MOVED) and whose optical flow is the same there and back: the
second frame's label is carried back along the flow and compared with the first's. What the two outlines differ by was
drawn, not seen; so no model can agree with both.

    python benchmarks/label_agreement.py DATA/egohands
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import cv2
import numpy as np

from handseg.data import read_dataset

MOVED = 8.0  # pixels of the 1280×720 frame
CONSISTENT = 1.0  # pixels that the flow there and back may differ by, for 95 % of the hand
SMALLEST = 3000  # pixels
MARGIN = 25  # pixels around a hand


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
def main(data: Path) -> None:
    videos = defaultdict(list)
    for sample in sorted(read_dataset(data), key=lambda s: s.name):
        videos[sample.video].append(sample)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    print("| video | hands | pixel F1 of one label against the next | median |\n| --- | ---: | ---: | ---: |")
    everything: list[tuple[int, int, int]] = []
    for video, samples in videos.items():
        rows: list[tuple[int, int, int]] = []
        before = None
        for sample in samples:
            now = cv2.cvtColor(sample.load_image(), cv2.COLOR_RGB2GRAY), sample.load_mask()
            if before is not None:
                there, back = flow.calc(before[0], now[0], None), flow.calc(now[0], before[0], None)
                rows += agreements(before[1], now[1], there, back)
            before = now
        report(video, rows)
        everything += rows
    report("all", everything)


def agreements(
    first: np.ndarray, second: np.ndarray, there: np.ndarray, back: np.ndarray
) -> list[tuple[int, int, int]]:
    """Pixels in both labels, in the first and in the second, of each hand that is still enough."""
    found = []
    n, labels, boxes, _ = cv2.connectedComponentsWithStats(first)
    _, others = cv2.connectedComponents(second)
    for i in range(1, n):
        x, y, width, height, area = boxes[i]
        window = np.s_[max(0, y - MARGIN) : y + height + MARGIN, max(0, x - MARGIN) : x + width + MARGIN]
        hand = (labels == i)[window]
        near = cv2.dilate(hand.astype(np.uint8), np.ones((15, 15))) > 0
        same = np.setdiff1d(others[window][hand], [0])
        if area < SMALLEST or len(same) != 1:
            continue
        other = others == same[0]
        moved = np.hypot(*there[window][near].T)
        if other.sum() != other[window].sum() or np.percentile(moved, 95) > MOVED:
            continue
        rows, columns = np.indices(hand.shape, np.float32)
        at = columns + there[window][..., 0], rows + there[window][..., 1]
        returned = cv2.remap(back[window], *at, cv2.INTER_LINEAR) + there[window]
        if np.percentile(np.hypot(*returned[near].T), 95) > CONSISTENT:
            continue
        carried = cv2.remap(other[window].astype(np.uint8), *at, cv2.INTER_NEAREST) > 0
        found.append((int((hand & carried).sum()), int(hand.sum()), int(carried.sum())))
    return found


def report(name: str, rows: list[tuple[int, int, int]]) -> None:
    if rows:
        both, first, second = np.array(rows).T
        pooled = 2 * both.sum() / (first + second).sum()
        print(f"| {name} | {len(rows)} | {pooled:.3f} | {np.median(2 * both / (first + second)):.3f} |", flush=True)


if __name__ == "__main__":
    main()
