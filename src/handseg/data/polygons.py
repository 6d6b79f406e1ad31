"""Rasterise polygons."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def fill_polygons(polygons: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W, 255 where a pixel's centre lies inside any of the polygons.

    polygons: each float (n, 2) of (x, y); pixel centres lie at whole numbers. A polygon of fewer than three
    points fills nothing. Even-odd rule, as `skimage.draw.polygon`; the two may differ on the boundary itself.
    """
    inside = np.zeros((height, width), bool)
    for polygon in polygons:
        if len(polygon) >= 3:
            _fill(np.asarray(polygon, np.float64), inside)
    return np.where(inside, 255, 0).astype(np.uint8)


def _fill(polygon: np.ndarray, inside: np.ndarray) -> None:
    """Set the polygon's pixels in bool H×W. An edge toggles, in each row that it crosses, all pixels from there on."""
    height, width = inside.shape
    (ax, ay), (bx, by) = polygon.T, np.roll(polygon, -1, axis=0).T
    first = np.clip(np.ceil(np.minimum(ay, by)), 0, height).astype(int)
    stop = np.clip(np.ceil(np.maximum(ay, by)), 0, height).astype(int)
    edge = np.repeat(np.arange(len(polygon)), stop - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(stop - first) - stop, stop - first)
    crossing = ax[edge] + (bx - ax)[edge] * ((row - ay[edge]) / (by - ay)[edge])  # a fraction: no overflow
    column = np.clip(np.ceil(crossing), 0, width).astype(int)
    top, left = int(first.min()), int(column.min(initial=width))
    toggles = np.zeros((int(stop.max()) - top, int(column.max(initial=left)) - left + 1), np.int32)
    np.add.at(toggles, (row - top, column - left), 1)
    odd = np.cumsum(toggles[:, :-1], axis=1) % 2 == 1  # past the last crossing the count is even
    inside[top : top + odd.shape[0], left : left + odd.shape[1]] |= odd
