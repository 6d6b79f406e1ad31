"""What a live picture shows: one function a view, and the words on it. Images RGB uint8 H×W×3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handseg import draw
from handseg.errors import MissingExtraError
from handseg.video.live import LiveItem

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("A live picture", "video") from error

GREY = np.full((1, 1, 3), 60, np.uint8)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def overlay(item: LiveItem) -> np.ndarray:
    """The hands in red, each with the number of its track."""
    picture = draw.overlay(item.frame.image, item.result.mask)
    for track in item.tracks:
        x, y = track.hand.centroid
        _write(picture, str(track.id), (round(x), round(y)))
    return picture


VIEWS: dict[str, Callable[[LiveItem], np.ndarray]] = {
    "overlay": overlay,
    "blur": lambda item: draw.blur_background(item.frame.image, item.result.matte),
    "cutout": lambda item: draw.replace_background(item.frame.image, item.result.matte, GREY),
    "heatmap": lambda item: draw.heatmap(item.frame.image, item.result.probability),
    "mask": lambda item: np.repeat(item.result.mask[..., None], 3, axis=2),
    "camera": lambda item: item.frame.image.copy(),
}


def caption(picture: np.ndarray, text: str) -> None:
    """Write a line into the picture, at its upper left."""
    _write(picture, text, (round(_size(picture) * 12), round(_size(picture) * 30)))


def _size(picture: np.ndarray) -> float:
    """Scale of letters, as large as they look at 640 pixels."""
    return float(max(0.4, 0.7 * picture.shape[1] / 640))


def _write(picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
    size = _size(picture)
    for colour, width in ((BLACK, round(5 * size)), (WHITE, max(1, round(2 * size)))):
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)
