"""From any mode, depth and colour profile of an image file to those that handseg works in: sRGB, 8 bits."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from handseg.image.depth import load_deep
from handseg.image.orientation import orientation, turn

STRIP = 1 << 20  # pixels that are converted at a time, so that a large image isn't held several times
GREY = ("1", "L", "LA")
LARGEST_PROFILE = 4_000_000  # bytes; a printer's has 2 million
PROGRAM = b"mpet"  # type of tags that list any number of steps; each is run some 100,000 times to prepare a transform
SAME = 2  # levels by which a profile may differ from sRGB and still be taken for it

Convert = Callable[[Image.Image], Image.Image]


def to_rgb(image: Image.Image) -> np.ndarray:
    """RGB uint8 H×W×3, sRGB, the right way up, of a PIL image in any mode and depth (`depth.white_of`).

    Its colours are converted where it carries a profile; one that can't be used is passed over, as browsers do. Alpha
    is dropped.
    """
    deep = load_deep(image)
    pixels = image if deep is None else Image.fromarray(deep)
    convert = _converter(pixels.mode, image.info.get("icc_profile"))
    width, height = pixels.size
    result = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        result[top:bottom] = np.asarray(convert(pixels.crop((0, top, width, bottom))))
    return turn(result, orientation(image))


def _converter(mode: str, profile: bytes | None) -> Convert:
    """From a PIL image in that mode to one in RGB."""
    if mode == "LAB":
        transform = _transform(ImageCms.createProfile("LAB"), "LAB")
        return transform.apply if transform else _plain
    space, opened = _open_profile(profile)
    fitting = {"GRAY": "L" if mode in GREY else None, "CMYK": "CMYK" if mode == "CMYK" else None}
    source = fitting.get(space, "RGB" if space == "RGB" and mode != "CMYK" else None)
    transform = _transform(opened, source) if opened and source else None
    if transform is None or source is None or (source == "RGB" and _changes_nothing(transform)):
        return _plain
    return lambda image: transform.apply(image.convert(source))


def _plain(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # grey multiplied by alpha; Pillow goes one step at a time
        image = image.convert("LA")
    return image.convert("RGB")


def _open_profile(content: bytes | None) -> tuple[str, ImageCms.ImageCmsProfile | None]:
    """The colour space of an ICC profile and the profile; nothing where it can't be used."""
    if not content or len(content) > LARGEST_PROFILE or PROGRAM in content:
        return "", None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        return profile.profile.xcolor_space.strip(), profile
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):  # broken, or a Pillow without it
        return "", None


def _transform(profile: Any, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        return ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it is sRGB to sRGB, under whatever name: most photos say so, and are left as they are."""
    level = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(level, level, level), axis=-1).reshape(81, 9, 3)
    return int(np.abs(np.asarray(transform.apply(Image.fromarray(cube))) - cube.astype(int)).max()) <= SAME
