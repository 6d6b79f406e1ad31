"""Pictures of a result. Images RGB uint8 H×W×3, masks uint8 H×W (non-zero is hand)."""

from __future__ import annotations

import numpy as np

RED = (255, 40, 40)


def overlay(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int] = RED, opacity: float = 0.5
) -> np.ndarray:
    """The image with the mask laid over it, and a solid outline two pixels wide."""
    inside = mask > 0
    result = image.copy()
    tint = np.array(colour, np.float32) * opacity
    result[inside] = (image[inside] * (1 - opacity) + tint).round().astype(np.uint8)
    result[outline(mask)] = colour
    return result


def outline(mask: np.ndarray) -> np.ndarray:
    """bool H×W: the pixels within the mask that have a neighbour outside it, or the image, at one or two steps."""
    inside = np.pad(mask > 0, 2)
    core = inside.copy()
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            core &= np.roll(inside, step, axis)
    return (inside & ~core)[2:-2, 2:-2]


def cutout(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """RGBA uint8 H×W×4: the hands, on a transparent ground."""
    return np.dstack([image, np.where(mask > 0, 255, 0).astype(np.uint8)])
