"""What the readers share: numbers from a file to a polygon that can be filled, or words for what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from handseg.errors import AnnotationError
from handseg.masks.instances import Instance, from_polygons

SLACK = 2.0  # pixels by which rounding may put a corner outside of the image


def flat_polygon(values: Any, where: str) -> np.ndarray:
    """float64 (n, 2) of a list of x, y, x, y …, three points or more. where: what to call it in an error."""
    numbers = _numbers(values, where, "x, y, x, y …")
    if len(numbers) % 2:
        raise AnnotationError(f"{where}: {len(numbers)} coordinates, an odd number; a polygon has an x and a y a point")
    return _polygon(np.array(numbers).reshape(-1, 2), where)


def point_list(values: Any, where: str) -> np.ndarray:
    """float64 (n, 2) of a list of [x, y]."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)):
        raise AnnotationError(f"{where}: its points are {_kind(values)}, not a list of [x, y]")
    pairs = [_numbers(pair, where, "[x, y]") for pair in values]
    if any(len(pair) != 2 for pair in pairs):
        raise AnnotationError(f"{where}: a point that isn't a pair of x and y")
    points = np.array(pairs).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise AnnotationError(f"{where}: a coordinate is NaN or infinite")
    return points


def polygon_of_points(values: Any, where: str) -> np.ndarray:
    """As `point_list`, but three points or more."""
    return _polygon(point_list(values, where), where)


def check_inside(outlines: Iterable[np.ndarray], height: int, width: int, where: str) -> None:
    """Raises AnnotationError where polygons don't lie in the image, or look as if they were measured otherwise."""
    points = np.concatenate(list(outlines))
    low, high = points.min(0), points.max(0)
    if (low < -SLACK).any() or (high > (width + SLACK, height + SLACK)).any():
        x, y = points[int(np.argmax(np.abs(points - (width / 2, height / 2)).max(1)))]
        raise AnnotationError(
            f"{where}: a corner at ({x:g}, {y:g}) lies outside of the image, {width}×{height} pixels; "
            "was it drawn on a picture of another size?"
        )
    if (high <= 1).all() and (points % 1).any():  # whole numbers are the outline of the first pixel
        raise AnnotationError(f"{where}: all coordinates lie between 0 and 1; they must be pixels, not fractions")


def drawn(outlines: Sequence[np.ndarray], height: int, width: int, score: float | None, where: str) -> Instance:
    """The instance of these polygons. Raises AnnotationError where they cover no pixel."""
    instance = from_polygons(outlines, height, width, score)
    if instance is None:
        raise AnnotationError(f"{where}: its outline covers no pixel of the image")
    return instance


def score_of(value: Any, where: str) -> float | None:
    """A score in [0, 1], or None where there is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= float(value) <= 1:
        raise AnnotationError(f"{where}: its score is {value!r}; it must be a number between 0 and 1")
    return float(value)


def _polygon(points: np.ndarray, where: str) -> np.ndarray:
    if len(points) < 3:
        raise AnnotationError(f"{where}: {len(points)} points; a polygon has three or more")
    if not np.isfinite(points).all():
        raise AnnotationError(f"{where}: a coordinate is NaN or infinite")
    return points


def _numbers(values: Any, where: str, wanted: str) -> list[float]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)):
        raise AnnotationError(f"{where}: {_kind(values)} where a list of {wanted} must be")
    wrong = [v for v in values if isinstance(v, bool) or not isinstance(v, (int, float, np.number))]
    if wrong:
        raise AnnotationError(f"{where}: {_kind(wrong[0])} among the coordinates; wanted is {wanted}")
    return [float(v) for v in values]


def _kind(value: Any) -> str:
    names = {str: "text", bytes: "text", list: "a list", tuple: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")
