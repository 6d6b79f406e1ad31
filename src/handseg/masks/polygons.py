"""Polygons without holes, as COCO, YOLO and LabelMe hold them: from a mask, and back. Numpy only.

Coordinates are (x, y) in pixels; the upper left corner of the image is (0, 0), the centre of its first pixel (½, ½).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from handseg.masks.contours import area, simplify, trace

TOLERANCE = 1.0  # pixels by which a simplified polygon may stray
LEFT_OVER = 0.5  # of its area; an outline that loses more when it is simplified stays as it is
BLOCK = 1024  # corners whose distances are looked at together


def polygons(mask: np.ndarray, tolerance: float = TOLERANCE) -> list[np.ndarray]:
    """Outlines of the regions of a mask, simplified; float64 (n, 2), three points or more each.

    Holes are cut open towards the outline around them. tolerance: pixels; 0: filled, they give the mask exactly.
    """
    exact = trace(mask)
    outer = sorted((o for o in exact if area(o) > 0), key=area)
    drawn = [_simplified(o, tolerance) for o in outer]
    for hole in (o for o in exact if area(o) < 0):
        simple = simplify(hole, tolerance).astype(np.float64)
        if len(simple) > 2:
            owner = next(i for i, o in enumerate(outer) if _contains(o, _beside(hole)))
            drawn[owner] = joined(drawn[owner], simple)
    return drawn


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One polygon of two: it walks around the first, crosses to the second at the nearest corners, and comes back.

    The way there and back cancel out where it is filled by the even-odd rule.
    """
    nearest = []
    for at in range(0, len(first), BLOCK):
        distance = ((first[at : at + BLOCK, None] - second[None]) ** 2).sum(2)
        row, column = divmod(int(np.argmin(distance)), len(second))
        nearest.append((float(distance[row, column]), at + row, column))
    _, i, j = min(nearest)
    around = np.concatenate([second[j:], second[: j + 1]])
    return np.concatenate([first[: i + 1], around, first[i:]])


def fill(outlines: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W: 255 where a pixel's centre lies within one of the polygons (even-odd rule in each)."""
    mask = np.zeros((height, width), np.uint8)
    for outline in outlines:
        inside, top, left = fill_box(np.asarray(outline, np.float64), height, width)
        mask[top : top + inside.shape[0], left : left + inside.shape[1]][inside] = 255
    return mask


def fill_box(outline: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """What a polygon fills of an image: bool h×w in a box, and the row and column of the box.

    An edge toggles, in each row whose centre it crosses, all pixels from there on. It is followed downwards, so that a
    way there and back crosses at the same place, to the last bit.
    """
    if len(outline) < 3:
        return np.zeros((0, 0), bool), 0, 0
    (ax, ay), (bx, by) = outline.T - 0.5, np.roll(outline, -1, axis=0).T - 0.5
    upwards = ay > by
    ax, ay, bx, by = (np.where(upwards, b, a) for a, b in ((ax, bx), (ay, by), (bx, ax), (by, ay)))
    first = np.clip(np.ceil(ay), 0, height).astype(int)
    stop = np.clip(np.ceil(by), 0, height).astype(int)
    edge = np.repeat(np.arange(len(outline)), stop - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(stop - first) - stop, stop - first)
    crossing = ax[edge] + (bx - ax)[edge] * ((row - ay[edge]) / (by - ay)[edge])
    column = np.clip(np.ceil(crossing), 0, width).astype(int)
    top, left = int(first.min()), int(column.min(initial=width))
    flips = np.zeros((int(stop.max()) - top, int(column.max(initial=left)) - left + 1), bool)
    np.logical_xor.at(flips, (row - top, column - left), True)
    return np.logical_xor.accumulate(flips, axis=1)[:, :-1], top, left


def _simplified(outline: np.ndarray, tolerance: float) -> np.ndarray:
    simple = simplify(outline, tolerance)
    kept = simple if len(simple) > 2 and area(simple) >= LEFT_OVER * area(outline) else outline
    return np.asarray(kept, np.float64)


def _beside(hole: np.ndarray) -> np.ndarray:
    """The centre of a pixel in a hole, from its exact outline: to the left of its last edge."""
    step = np.sign(hole[0] - hole[-1])
    middle: np.ndarray = hole[-1] + step * 0.5 + np.array([step[1], -step[0]]) * 0.5
    return middle


def _contains(outline: np.ndarray, point: np.ndarray) -> bool:
    x, y = point
    (x0, y0), (x1, y1) = outline.T, np.roll(outline, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & right) % 2)
