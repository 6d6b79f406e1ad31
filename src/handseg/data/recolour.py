"""Hands of another colour in the same scene: skin tones, and gloves. For augmentation, and to test for fairness."""

from __future__ import annotations

from math import hypot

import cv2
import numpy as np


def shift_skin(image: np.ndarray, mask: np.ndarray, lightness: float, a: float = 0.0, b: float = 0.0) -> np.ndarray:
    """Shift the colour of what is in the mask, in CIE L*a*b*: lightness in [−100, 100], a and b about ± 20.

    image: RGB uint8 H×W×3. mask: H×W, non-zero is skin. Returns RGB uint8; the edge is soft.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) + np.array([lightness, a, b], np.float32)
    lab[..., 0] = np.clip(lab[..., 0], 3, 97)
    return _within(image, mask, cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255)


def glove(image: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float], share: float = 1.0) -> np.ndarray:
    """Tint what is in the mask as a glove of `colour` (RGB, each in [0, 1]) would be, its shading kept.

    share: 0 leaves the image as it is, 1 takes the skin's colour away altogether.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    tinted = np.clip(grey * np.array(colour, np.float32) * 1.6, 0, 255)
    return _within(image, mask, image * (1 - share) + tinted * share)


def random_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A bright colour of any hue, as RGB in [0, 1]."""
    hsv = np.array([[[rng.integers(180), 200, 200]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] / 255
    return float(red), float(green), float(blue)


def _within(image: np.ndarray, mask: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """`changed` on the mask, `image` elsewhere, with an edge as soft as a thousandth of the diagonal."""
    soft = max(0.5, hypot(*mask.shape) / 1000)
    alpha = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), soft)[..., None]
    mixed: np.ndarray = np.clip(np.rint(image * (1 - alpha) + changed * alpha), 0, 255).astype(np.uint8)
    return mixed
