"""Resize and blur images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def resize(array: np.ndarray, height: int, width: int, *, nearest: bool = False) -> np.ndarray:
    """Resize uint8 H×W×3, uint8 H×W or float32 H×W: bilinear, antialiased when shrinking; or `nearest`.

    Shrinking by two or more begins with means over whole blocks, which takes half the time (docs/results/speed.md).
    """
    if array.shape[:2] == (height, width):
        return array
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    gap = None if nearest else 1.0
    # A copy: PIL's own is read-only.
    return np.array(Image.fromarray(array).resize((width, height), method, reducing_gap=gap))


def blur(array: np.ndarray, radius: float) -> np.ndarray:
    """Blur uint8 H×W×3 or H×W; radius: standard deviation in pixels of the Gaussian that PIL comes near."""
    channels = np.atleast_3d(array)
    result = np.empty_like(channels)
    for i in range(channels.shape[2]):  # one by one: Pillow holds three times what it works on
        result[..., i] = Image.fromarray(channels[..., i]).filter(ImageFilter.GaussianBlur(radius))
    return result.reshape(array.shape)
