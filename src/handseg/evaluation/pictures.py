"""Pictures of an evaluation: best, median and worst overlays, the precision-recall curve, and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handseg.draw import outline
from handseg.errors import MissingExtraError
from handseg.evaluation.calibration import reliability
from handseg.evaluation.evaluate import BLOG_THRESHOLD, Evaluation
from handseg.image import resize, save_png
from handseg.image.mask_values import BACKGROUND, HAND, IGNORE
from handseg.inference.segmenter import Segmenter
from handseg.metrics import score

HIT, FALSE, MISSED, UNKNOWN = (60, 200, 80), (255, 60, 50), (70, 110, 255), (150, 150, 150)


def gallery(evaluation: Evaluation, segmenter: Segmenter, path: Path, columns: int = 4) -> None:
    """A PNG of three rows: the best, median and worst images by IoU.

    Green: hit. Red: false hand. Blue: missed hand. Grey: unknown.
    """
    iou = np.array([score(row)["image"]["iou"] for row in evaluation.counts()])
    order = np.argsort(-iou, kind="stable")
    n = min(columns, len(order))
    middle = (len(order) - n) // 2
    rows = (order[:n], order[middle : middle + n], order[len(order) - n :])
    tiles = [[_tile(evaluation, segmenter, int(i)) for i in row] for row in rows]
    save_png(path, np.vstack([np.hstack(row) for row in tiles]))


def precision_recall_curve(evaluation: Evaluation, path: Path) -> None:
    """A PNG of the pooled precision-recall curve, with the thresholds in use marked."""
    figure = _figure()
    _, precision, recall = evaluation.precision_recall()
    axes = figure.subplots()
    axes.plot(recall[1:], precision[1:])
    for threshold in sorted({BLOG_THRESHOLD, 0.5, evaluation.threshold}):
        i = round(threshold * 1000)
        f1 = evaluation.scores(threshold)["pixel"]["f1"]
        axes.plot(recall[i], precision[i], "o", label=f"threshold {threshold:.3g}: F1 {f1:.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def reliability_plot(evaluation: Evaluation, path: Path) -> None:
    """A PNG of how often pixels are hand against the probability they were given."""
    figure = _figure()
    probability, fraction, _ = reliability(evaluation.hand, evaluation.background)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(probability, fraction, marker="o")
    axes.set(xlabel="probability given", ylabel="fraction that is hand", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("A curve", "train") from error
    return Figure(figsize=(5, 5), layout="constrained")


def _tile(evaluation: Evaluation, segmenter: Segmenter, index: int, width: int = 400) -> np.ndarray:
    sample = evaluation.samples[index]
    image, mask = sample.load_image(), sample.load_mask()
    target, background = mask == HAND, mask == BACKGROUND
    found = segmenter(image).mask > 0
    height = round(width * 0.75)
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    picture = resize(image, *size).copy()
    parts = ((target & found, HIT), (background & found, FALSE), (target & ~found, MISSED), (mask == IGNORE, UNKNOWN))
    for inside, colour in parts:
        paint(picture, resize(inside.astype(np.uint8) * 255, *size) >= 128, colour)
    return centred(picture, height, width)


def paint(picture: np.ndarray, inside: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Tint a part of RGB uint8 H×W×3, in place, and outline it. inside: bool H×W."""
    picture[inside] = picture[inside] // 2 + np.array(colour, np.uint8) // 2
    picture[outline(inside)] = colour


def centred(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """RGB uint8 on a dark tile that is as large or larger."""
    tile = np.full((height, width, 3), 24, np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    tile[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return tile
