"""Rasterise polygons."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw


def fill_polygons(polygons: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W, 255 inside any of the polygons.

    polygons: each float (n, 2) of (x, y); pixel centres lie at whole numbers. A polygon of fewer than three
    points fills nothing. Agrees with `skimage.draw.polygon` up to the pixels on the boundary.
    """
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        if len(polygon) >= 3:
            draw.polygon([(float(x), float(y)) for x, y in polygon], fill=255)
    return np.array(image)
