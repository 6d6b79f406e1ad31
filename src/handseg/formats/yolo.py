"""YOLO's segmentation labels: a text file an image, a line an instance."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce

import numpy as np

from handseg.errors import AnnotationError
from handseg.formats.outlines import drawn, score_of
from handseg.masks.instances import Instance, Instances, InstancesLike, as_instances
from handseg.masks.polygons import TOLERANCE, joined, polygons

ROUNDING = 0.01  # by which a coordinate may leave [0, 1]


def yolo_lines(hands: InstancesLike, *, tolerance: float = TOLERANCE, scores: bool = False) -> str:
    """A line an instance: class 0, then x y … as fractions of width and height.

    A line holds one polygon: pieces are joined, and holes cut open, by a way there and back that covers nothing.
    tolerance: pixels by which it may stray. scores: end each line with the score, as Ultralytics' `save_conf` does;
    training can't read such lines.
    """
    instances = as_instances(hands)
    lines = []
    for item in instances:
        outline = reduce(joined, polygons(item.mask, tolerance)) + item.box[:2]
        numbers = (outline / (instances.width, instances.height)).clip(0, 1).ravel().tolist()
        if scores and item.score is not None:
            numbers.append(item.score)
        lines.append("0 " + " ".join(f"{v:.6f}" for v in numbers))
    return "".join(line + "\n" for line in lines)


def yolo_instances(
    text: str, height: int, width: int, *, classes: Collection[int] | None = None, source: str = "YOLO"
) -> Instances:
    """The instances of an image's labels. An odd number behind the coordinates is the score.

    classes: the indices of those that are hands; None: all. source: the file, for the errors.
    Raises AnnotationError, as `handseg.formats` says: for boxes, coordinates in pixels and whatever is no label too.
    """
    items = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{source}: line {number}"
        index, *values = _numbers(line, where)
        if index != int(index) or index < 0:
            raise AnnotationError(f"{where}: begins with {index:g}, which is no class; is it a YOLO label?")
        if classes is None or int(index) in classes:
            items.append(_instance(values, height, width, where))
    return Instances(height, width, tuple(items))


def yolo_mask(
    text: str, height: int, width: int, *, classes: Collection[int] | None = None, source: str = "YOLO"
) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of an image's labels; as `yolo_instances`."""
    return yolo_instances(text, height, width, classes=classes, source=source).mask


def _instance(values: list[float], height: int, width: int, where: str) -> Instance:
    if len(values) in (4, 5):
        raise AnnotationError(f"{where}: a box, not an outline; segmentation labels have three points or more")
    if len(values) < 6:
        raise AnnotationError(f"{where}: {len(values)} numbers behind the class; an outline has three points or more")
    coordinates = np.array(values[: len(values) // 2 * 2])
    low, high = coordinates.min(), coordinates.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        looks = "pixels" if high > 1.5 else "outside of the image"
        raise AnnotationError(
            f"{where}: coordinates from {low:g} to {high:g}, {looks}; they must be fractions of width and height"
        )
    score = score_of(values[-1], where) if len(values) % 2 else None
    return drawn([coordinates.reshape(-1, 2) * (width, height)], height, width, score, where)


def _numbers(line: str, where: str) -> list[float]:
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError as error:
        raise AnnotationError(f"{where}: not numbers only: {line.strip()[:40]!r}; is it a YOLO label?") from error
    if not np.isfinite(numbers).all():
        raise AnnotationError(f"{where}: a number is NaN or infinite")
    return numbers
