"""From an image to the network's input, and where it went: the one copy for training, export and runtime.

The exact inverse is in `postprocess`. Normalisation is part of the network's graph (`nets.deployable`), so
that every engine is fed the same uint8 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from handseg.image import resize
from handseg.image.file import check_aspect_ratio
from handseg.inference.card import ModelCard


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network input: at the top left, `resized` large, in a canvas of `padded`.

    original, resized, padded: (height, width) in pixels.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]


def place(height: int, width: int, card: ModelCard) -> Placement:
    """The placement of an image of height × width.

    Raises ImageError for an aspect ratio beyond 64:1, of which a network could see nothing.
    """
    check_aspect_ratio(height, width)
    if card.resize == "stretch":
        resized = card.size
    else:
        scale = sqrt(card.size[0] * card.size[1] / (height * width))
        resized = max(1, round(height * scale)), max(1, round(width * scale))
    padded = tuple(n + -n % card.stride for n in resized)
    return Placement((height, width), resized, (padded[0], padded[1]))


def preprocess(image: np.ndarray, card: ModelCard) -> tuple[np.ndarray, Placement]:
    """Network input uint8 H'×W'×3 of an RGB uint8 H×W×3 image, and its placement.

    The padding has the card's mean colour, which the network sees as zero.
    """
    placement = place(image.shape[0], image.shape[1], card)
    content = resize(image, *placement.resized)
    if placement.padded == placement.resized:
        return content, placement
    height, width = placement.resized
    colour = np.round(card.mean).astype(np.uint8)
    canvas = np.empty((*placement.padded, 3), np.uint8)
    canvas[:height, :width] = content
    canvas[:height, width:] = colour
    canvas[height:] = colour
    return canvas, placement
