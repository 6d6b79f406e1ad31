"""How pictures are drawn and stored, as far as that is a matter of taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from handseg import draw
from handseg.batch.background import Background
from handseg.masks.result import HandMask

Format = Literal["png", "jpg", "webp"]
EDGED = ("cutout", "cutout-prores", "cutout-png", "background")  # kinds that have an alpha, or are made by one
CROPPED = ("mask", "overlay", "cutout", "matte", "heatmap", "blur", "background", "indexed", "json")
LOSSY = ("overlay", "cutout", "heatmap", "blur", "background")
MARGIN = 0.02  # around cropped hands, as a share of their box's longer side


@dataclass(frozen=True)
class Style:
    """background: what the hands of `background` are before. crop: cut the pictures of an image to its hands.

    hard: edges of cutouts without transitions. format: of pictures that aren't masks. quality: of JPEG and WebP, 1 to
    100.
    """

    background: Background | None = None
    crop: bool = False
    hard: bool = False
    format: Format = "png"
    quality: int = 90

    def alpha(self, result: HandMask) -> np.ndarray:
        """uint8 H×W: how much of each pixel is hand."""
        return result.mask if self.hard else draw.soft_alpha(result.probability, result.mask, result.threshold)

    def box(self, result: HandMask) -> tuple[int, int, int, int]:
        """(x, y, width, height) of what is kept when it is cropped: all hands; everything where there are none."""
        height, width = result.mask.shape
        boxes = np.array([hand.box for hand in result.hands]).reshape(-1, 4)
        if not len(boxes):
            return 0, 0, width, height
        left, top = boxes[:, :2].min(0).tolist()
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(0).tolist()
        margin = max(2, round(MARGIN * max(right - left, bottom - top)))
        left, top = max(0, left - margin), max(0, top - margin)
        return left, top, min(width, right + margin) - left, min(height, bottom + margin) - top

    def cut(self, picture: np.ndarray, result: HandMask) -> np.ndarray:
        """A picture of a result as it is stored, H×W or H×W×channels."""
        if not self.crop:
            return picture
        x, y, width, height = self.box(result)
        return picture[y : y + height, x : x + width]

    def settings(self, kind: str) -> dict[str, Any]:
        """What an output of a kind depends on, as plain values; {} where it doesn't."""
        settings: dict[str, Any] = {}
        if kind in EDGED:
            settings["edges"] = "hard" if self.hard else "soft"
        if kind == "background" and self.background is not None:
            settings["background"] = self.background.name
        if kind in CROPPED and self.crop:
            settings["crop"] = True
        if kind in LOSSY and self.format != "png":
            settings["quality"] = self.quality
        return settings


PLAIN = Style()
