"""Hands with bare forearms in EgoHands frames, whose own labels end at the wrist.

    python benchmarks/forearms.py DATA/egohands_more -m default

forearms.json has polygons of the bare forearms, from elbow to wrist, in 14 frames of the packaged models' validation
side, and of the arm that is left open (upper arms, elbows that can't be told), in pixels of 1280×720. They were drawn
by eye on enlarged frames, so a band of 8 pixels on both sides of a forearm's outline counts neither way. Hands are
EgoHands' own labels.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import cv2
import numpy as np

import handseg
from handseg.data import read_dataset
from handseg.metrics import bootstrap_interval, count, score

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


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("-m", "--model", multiple=True, default=("default",), show_default=True)
@click.option("--threshold", type=float, help="Default: the model's own.")
def main(data: Path, model: tuple[str, ...], threshold: float | None) -> None:
    drawn = json.loads(LABELS.read_text())
    samples = [sample for sample in read_dataset(data) if sample.name in drawn]
    if len(samples) < len(drawn):
        raise click.ClickException(f"{data}: holds {len(samples)} of the {len(drawn)} frames; name egohands_more")
    print("model                 precision  recall  of forearms     F1  95 % over frames")
    for name in model:
        segmenter = handseg.load(name, policy="hand+forearm", threshold=threshold, threads=1, second_look=False)
        counts, found = [], np.zeros(2)
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
            found += (mask & arm).sum(), arm.sum()
        p = score(np.stack(counts))["pixel"]
        low, high = bootstrap_interval(np.stack(counts), range(len(counts)), lambda s: s["pixel"]["f1"])
        row = f"{p['precision']:9.3f} {p['recall']:7.3f} {found[0] / found[1]:12.3f} {p['f1']:6.3f}"
        print(f"{Path(name).name:<21} {row}  [{low:.3f}, {high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
