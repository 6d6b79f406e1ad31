"""Conditions: what an image is like, so that scores can be told apart by it."""

from __future__ import annotations

import numpy as np

from handseg.masks.regions import label_components

SIZES = ((0.01, "under 1 %"), (0.04, "1 to 4 %"), (np.inf, "over 4 %"))
LIGHTS = ((70, "dark"), (150, "medium"), (np.inf, "bright"))


def conditions(image: np.ndarray, mask: np.ndarray) -> dict[str, str]:
    """Named conditions of one labelled image.

    image: RGB uint8 H×W×3. mask: H×W, non-zero is hand.
    `hand size`: of the image's area, the mean over its connected regions of hand. `light`: mean luma (ITU-R BT.601),
    under 70, under 150, or brighter. `truncation`: whether the image's border cuts a hand.
    """
    inside = mask.astype(bool)
    luma = float(image.reshape(-1, 3).mean(0) @ np.array([0.299, 0.587, 0.114]))
    found = {"light": _first(luma, LIGHTS)}
    if not inside.any():
        return {**found, "hand size": "no hand", "truncation": "no hand"}
    _, hands = label_components(inside)
    cut = inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any()
    return {
        **found,
        "hand size": _first(float(inside.mean()) / hands, SIZES),
        "truncation": "cut by the border" if cut else "whole",
    }


def _first(value: float, limits: tuple[tuple[float, str], ...]) -> str:
    return next(name for limit, name in limits if value < limit)
