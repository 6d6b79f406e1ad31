"""The kinds of output, of images and of videos: what they are called, and what they hold. The only list of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handseg import draw, formats
from handseg.batch.style import PLAIN, Style
from handseg.errors import HandsegError
from handseg.files import write_atomically
from handseg.image import save_indexed_png, save_picture
from handseg.inference.segmenter import Segmenter
from handseg.masks.result import HandMask

COCO_FILE = "annotations.json"


@dataclass(frozen=True)
class Segmented:
    """An image and what was found in it. source: its file. segmenter: what found it. style: of its pictures."""

    source: Path
    image: np.ndarray
    result: HandMask
    segmenter: Segmenter
    style: Style = PLAIN


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    image, video: what follows the name of an image or a video in its output's; None: of those there is no such output,
    or one file for all. frames: of a video it is a folder of PNG files, one a frame.
    draw: image RGB uint8 H×W×3, result and style → uint8 H×W, H×W×3 or H×W×4; a picture of an image, a film of a video.
    write: of an image: path to write to, what was found, and the path where the output will lie at last.
    sound: a film of it takes the video's sound along.
    names_place: it says where its image lies, and is out of date when that moves.
    holds_values: its pixels are values, that no lossy format may change. has_alpha: JPEG can't hold it.
    """

    image: str | None
    video: str | None = None
    draw: Callable[[np.ndarray, HandMask, Style], np.ndarray] | None = None
    write: Callable[[Path, Segmented, Path], None] | None = None
    frames: bool = False
    sound: bool = False
    names_place: bool = False
    holds_values: bool = False
    has_alpha: bool = False

    def suffix(self, style: Style, *, is_video: bool) -> str | None:
        """What follows an input's name in the output's; None: there is none, or one for all."""
        if is_video or self.image is None or self.draw is None or self.holds_values:
            return self.video if is_video else self.image
        return self.image.removesuffix(".png") + f".{style.format}"

    def save(self, path: Path, segmented: Segmented, place: Path) -> None:
        """Write an image's output to `path`, whole or not at all; `place` is where it will lie at last."""
        if self.write is not None:
            self.write(path, segmented, place)
        elif self.draw is not None:
            style, result = segmented.style, segmented.result
            picture = style.cut(self.draw(segmented.image, result, style), result)
            save_picture(path, picture, place.suffix, quality=style.quality, lossless=self.holds_values)


def image_path(source: Path, place: Path) -> str:
    """How a file at `place` names an image so that it is found from there: relative, with slashes."""
    image = os.path.join(os.path.realpath(source.parent), source.name)
    try:
        return Path(os.path.relpath(image, os.path.realpath(place.parent))).as_posix()
    except ValueError:  # another drive of Windows
        return Path(image).as_posix()


def _cutout(image: np.ndarray, result: HandMask, style: Style) -> np.ndarray:
    return draw.cutout(image, style.alpha(result))


def _background(image: np.ndarray, result: HandMask, style: Style) -> np.ndarray:
    if style.background is None:
        raise HandsegError("background: which one isn't said; name a colour or a picture with --background")
    return draw.replace_background(image, style.alpha(result), style.background.picture)


def _indexed(path: Path, segmented: Segmented, _place: Path) -> None:
    result = segmented.result
    save_indexed_png(path, segmented.style.cut(draw.indexed(result.regions), result), draw.PALETTE)


def _json(path: Path, segmented: Segmented, _place: Path) -> None:
    described = segmented.segmenter.describe(segmented.result, segmented.source.name)
    if segmented.style.crop:
        described["crop"] = list(segmented.style.box(segmented.result))
    _write_json(path, described)


def _yolo(path: Path, segmented: Segmented, _place: Path) -> None:
    _write_text(path, formats.yolo_lines(segmented.result))


def _labelme(path: Path, segmented: Segmented, place: Path) -> None:
    _write_json(path, formats.labelme(segmented.result, image_path(segmented.source, place)))


def _write_json(path: Path, content: Any) -> None:
    _write_text(path, json.dumps(content, indent=1) + "\n")


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


# An earlier kind keeps its name where a later one would have the same: masks are first.
KINDS: dict[str, Kind] = {
    "mask": Kind(".png", "", draw=lambda _, result, style: result.mask, frames=True, holds_values=True),
    "overlay": Kind(
        "_overlay.png", "_overlay.mp4", draw=lambda image, result, style: draw.overlay(image, result.mask), sound=True
    ),
    "cutout": Kind("_cutout.png", "_cutout.webm", draw=_cutout, sound=True, has_alpha=True),
    "cutout-prores": Kind(None, "_cutout.mov", draw=_cutout, sound=True),
    "cutout-png": Kind(None, "_cutout", draw=_cutout, frames=True),
    "matte": Kind("_matte.png", "_matte.mp4", draw=lambda _, result, style: result.matte, holds_values=True),
    "heatmap": Kind(
        "_heatmap.png", "_heatmap.mp4", draw=lambda image, result, style: draw.heatmap(image, result.probability)
    ),
    "blur": Kind(
        "_blur.png",
        "_blur.mp4",
        draw=lambda image, result, style: draw.blur_background(image, result.matte),
        sound=True,
    ),
    "background": Kind("_background.png", "_background.mp4", draw=_background, sound=True),
    "indexed": Kind("_indexed.png", write=_indexed),
    "json": Kind(".json", ".jsonl", write=_json),
    "yolo": Kind(".txt", write=_yolo),
    "labelme": Kind("_labelme.json", write=_labelme, names_place=True),
    "coco": Kind(None),  # COCO_FILE, one for all images
}
IMAGE_KINDS = tuple(name for name, kind in KINDS.items() if kind.image is not None or name == "coco")
VIDEO_KINDS = tuple(name for name, kind in KINDS.items() if kind.video is not None)
