"""The values that a label file stores: class or instance numbers, grey levels or colours, never scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from handseg.errors import ImageError
from handseg.image.mask_values import COLOUR
from handseg.image.orientation import orientation, turn

FEW = 3  # grey levels beyond which a picture with an alpha channel isn't a mask itself
PACKED = {"L;2": 85, "L;4": 17}  # what Pillow multiplies the values of 2 and 4 bits by


def stored_values(image: Image.Image) -> np.ndarray:
    """H×W, the right way up: uint8, wider integers or floats as they are stored; 0 and 255 of a bilevel image.

    A palette's indices, or its greys where it is one of greys, or what is used of it is black and white. Of RGB the
    greys, and COLOUR | 0xRRGGBB for other colours. Where an alpha channel differs from pixel to pixel, it is the label
    if the colours don't tell; else what is transparent is 0.
    Raises ImageError for values that are no numbers.
    """
    tiles: Any = list(getattr(image, "tile", []))
    decoder, args = (tiles[0][0], tiles[0][3]) if tiles else ("", "")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or (image.mode == "P" and "transparency" in image.info):
        values = _with_alpha(image)
    elif image.mode == "P":
        values = _of_palette(image)
    elif image.mode == "1":
        values = np.where(np.asarray(image), 255, 0).astype(np.uint8)
    elif image.mode == "L":
        values = np.asarray(image)
    elif image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        values = values.astype(values.dtype.newbyteorder("="))
    else:
        values = _colours(np.asarray(image.convert("RGB")))
    raw = str(args if isinstance(args, str) else args[0] if args else "")
    if image.mode == "L" and (step := PACKED.get(raw[:3])):
        values = values // step
    if decoder.startswith("ppm") and image.mode in ("L", "I") and isinstance(args, tuple):
        values = _unscaled(values, int(args[-1]))
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError("holds values that are no numbers; replace them first")
        if (values == np.floor(values)).all() and np.abs(values).max(initial=0) < COLOUR:
            values = values.astype(np.int64)
    return turn(values, orientation(image))


def _of_palette(image: Image.Image) -> np.ndarray:
    indices = np.asarray(image)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    if len(palette) <= used[-1]:
        return indices
    levels = palette[:, 0]
    grey = (palette == palette[:, :1]).all(axis=1)
    black_and_white = grey[used].all() and set(levels[used].tolist()) in ({0, 255}, {255})
    told_apart = len(set(levels[used].tolist())) == len(used) and len(set(levels.tolist())) > 1
    if told_apart and (grey.all() or black_and_white):
        return np.asarray(np.pad(levels, (0, 256 - len(levels)))[indices])
    return indices


def _with_alpha(image: Image.Image) -> np.ndarray:
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    colours = _of_palette(image) if image.mode == "P" else _colours(np.asarray(image.convert("RGBA"))[..., :3])
    if alpha.min() == alpha.max():
        return colours
    seen = colours[alpha > 0]
    if image.mode == "P" or seen.min() == seen.max() or len(np.unique(seen)) > FEW:
        return alpha
    return np.where(alpha > 0, colours, 0).astype(colours.dtype)


def _colours(rgb: np.ndarray) -> np.ndarray:
    """Grey levels, uint8, of RGB uint8 H×W×3; int64 where some pixels are of other colours."""
    red, green, blue = np.moveaxis(rgb, 2, 0)
    grey = (red == green) & (green == blue)
    if grey.all():
        return np.ascontiguousarray(red)
    packed = red.astype(np.int64) << 16 | green.astype(np.int64) << 8 | blue
    return np.asarray(np.where(grey, red, COLOUR | packed))


def _unscaled(values: np.ndarray, most: int) -> np.ndarray:
    """Of a PGM whose largest value is `most`, which Pillow stretches to 255 or 65535."""
    stretched = 255 if values.dtype == np.uint8 else 65535
    if most in (1, stretched):  # a bilevel one is 0 and 255, as elsewhere
        return values
    result = np.rint(values * (most / stretched))
    return result.astype(np.uint8 if most < 256 else np.int32)
