"""Images of more than 8 bits: what white is in them, and their values as 8 bits.

Pillow gives grey of 16 or 32 bits and floats as they are, but of 16-bit colours only the upper byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from handseg.errors import ImageError

WHITES = (255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits
OVERSHOOT = 0.1  # of white, by which floats may pass it, or zero, as they do where a picture was enlarged or sharpened
DIM = 0.75  # of the white of 14 bits; below it a picture is taken for a dim one of 16
BRIGHTEST = 16  # of floats from 0 to 1 in a picture that keeps how bright its lights were
ROWS = 256  # turned to 8 bits at a time
# Raw modes that read the lower byte where these read the upper one.
LOWER = {f"{m};16{a}": f"{m};16{b}" for m in ("RGB", "RGBA", "RGBX") for a, b in ("BL", "LB", "NB")}
GREY_AND_ALPHA = "LA;16B"
BITS_PER_SAMPLE, PHOTOMETRIC, PLANES, SAMPLE_FORMAT = 258, 262, 284, 339  # TIFF's tags,
WHITE_IS_ZERO, APART, SIGNED = 0, 2, 2  # and values of the last three
IN_PLANES = "its colours, of 16 bits each, lie in separate planes; save it with its colours together, or as PNG"


def white_of(values: np.ndarray, most: int = 65535) -> int:
    """The value that stands for white in a picture of integers or floats, of which no more is known.

    Cameras put 10, 12 or 14 bits into files of 16, which don't say so. So the brightest pixel tells: of 8, 10, 12, 14
    and 16 bits (`most`) the fewest that hold it. Two kinds of dark pictures are 16 bits all the same: those whose
    values are all multiples of 256 or 257, which were widened from 8; and those whose brightest pixel lies between 12
    bits and three quarters of 14, which can be seen as they are. A darker one would be black; it comes out brighter
    than it is. Floats: 1 where they end below BRIGHTEST, else as integers.
    Raises ImageError for values that are no numbers, far below zero, or above 65535.
    """
    low, top = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(top)):
        raise ImageError("holds values that are no numbers; replace them first")
    real = np.issubdtype(values.dtype, np.floating)
    whites = [white for white in WHITES if white < most] + [most]
    if real and top <= BRIGHTEST:
        white = 1
    else:
        slack = 1 + OVERSHOOT * real
        white = next((white for white in whites if top <= white * slack), 0)
    if low < -OVERSHOOT * white or not white:
        raise ImageError(f"holds values from {low:g} to {top:g}; a picture's lie between 0 and 1, 255 or 65535")
    if real or white in (255, most):
        return white
    widened = not ((values % 256).any() and (values % 257).any())
    return most if widened or (white == WHITES[3] and top < DIM * white) else white


def to_8_bits(values: np.ndarray, white: int) -> np.ndarray:
    """uint8: 255 for white and above, 0 for 0 and below."""
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), ROWS):
        rows = slice(top, top + ROWS)
        result[rows] = np.clip(values[rows] / (white / 255), 0, 255).round()
    return result


def load_deep(image: Image.Image) -> np.ndarray | None:
    """Decode a PIL image; its values as uint8 H×W or H×W×3 where Pillow's own 8 bits aren't right, else None."""
    file, tiles = getattr(image, "fp", None), list(getattr(image, "tile", []))
    decoder, raw_mode = (tiles[0][0], _raw_mode(tiles[0])) if tiles else ("", "")
    if decoder == "ppm" and image.mode in ("L", "I", "RGB"):
        return _ppm(image, file, tiles[0])
    in_planes = _first(image, PLANES) == APART and _first(image, BITS_PER_SAMPLE) == 16 and len(image.getbands()) > 1
    if in_planes and decoder == "raw":  # Pillow would take each two bytes for two pixels
        raise ImageError(IN_PLANES)
    image.load()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = to_8_bits(values, _declared_white(image) or white_of(values, _most(image)))
        return 255 - grey if _first(image, PHOTOMETRIC) == WHITE_IS_ZERO else grey  # Pillow sees to it in 8 bits alone
    if image.mode == "L" and _first(image, SAMPLE_FORMAT) == SIGNED:
        raise ImageError("holds signed numbers of 8 bits, which no picture does; save it anew")
    if raw_mode not in LOWER and raw_mode != GREY_AND_ALPHA:
        return None
    extremes: Any = image.getextrema()
    if max(high for _, high in extremes[:3]) > WHITES[3] >> 8 or file is None or getattr(file, "closed", False):
        return None
    if in_planes:
        raise ImageError(IN_PLANES)
    lower = np.asarray(_open_again(image, file, tiles, LOWER.get(raw_mode, "RGBA")))
    if raw_mode == GREY_AND_ALPHA:  # read as four bytes: both of grey, both of alpha
        values = lower[..., 0].astype(np.uint16) << 8 | lower[..., 1]
    else:
        values = np.asarray(image)[..., :3].astype(np.uint16) << 8 | lower[..., :3]
    white = white_of(values)
    return to_8_bits(values, white) if white < WHITES[-1] else None


def _ppm(image: Image.Image, file: Any, tile: Any) -> np.ndarray:
    """A binary PPM or PGM with another white than 255, which it declares. Pillow takes seconds for a megapixel."""
    white = tile[3][-1]
    file.seek(tile[2])
    kind = np.dtype(">u2" if white > 255 else np.uint8)
    shape = (image.height, image.width, 3)[: 3 if image.mode == "RGB" else 2]
    content = file.read(int(np.prod(shape)) * kind.itemsize)
    if len(content) < np.prod(shape) * kind.itemsize:
        raise ImageError("damaged image (it ends early); save or copy it anew")
    values = np.frombuffer(content, kind).reshape(shape)
    return to_8_bits(values, white_of(values) if white == WHITES[-1] else white)


def _open_again(image: Image.Image, file: Any, tiles: list[Any], raw_mode: str) -> Any:
    """The same image, decoded once more with another raw mode."""
    file.seek(0)
    plugin: Any = type(image)
    again = plugin(file)
    again.tile = [
        tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:])) for tile in tiles
    ]
    again.load()
    return again


def _raw_mode(tile: Any) -> str:
    args = tile[3]
    return str(args if isinstance(args, str) else args[0] if args else "")


def _declared_white(image: Image.Image) -> int | None:
    """What a TIFF of 12 bits declares."""
    bits = _first(image, BITS_PER_SAMPLE)
    return (1 << bits) - 1 if bits and bits < 16 else None


def _most(image: Image.Image) -> int:
    return 32767 if _first(image, SAMPLE_FORMAT) == SIGNED and _first(image, BITS_PER_SAMPLE) == 16 else 65535


def _first(image: Image.Image, tag: int) -> int | None:
    """The first value of a TIFF's tag."""
    values = np.ravel(getattr(image, "tag_v2", {}).get(tag, ()))
    return int(values[0]) if len(values) else None
