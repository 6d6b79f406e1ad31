"""Load images and labels. Everything inside handseg is RGB uint8 H×W×3, sRGB."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union, cast

import numpy as np
from PIL import Image, ImageColor

from handseg.errors import DataError, HandsegError, ImageError
from handseg.image import file as image_file
from handseg.image.colour import to_rgb
from handseg.image.given import SupportsArray, SupportsRead, array_of, check_path, content_of
from handseg.image.mask_values import HAND, Stored, default_meaning
from handseg.image.orientation import orientation
from handseg.image.stored import stored_values

ImageLike = Union[str, "os.PathLike[str]", bytes, SupportsRead, Image.Image, np.ndarray, SupportsArray]

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".hif"),
        *(".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"),
    }
)


def load_image(source: ImageLike, *, bgr: bool = False) -> np.ndarray:
    """RGB uint8 H×W×3, sRGB, of a path, an image file's bytes, an open file or stream, a PIL image, an array or tensor.

    Files and PIL images: EXIF rotation is applied, colours are converted to sRGB where a profile says what they are,
    grey and palette become RGB, more bits are scaled to 8 (`depth.white_of`), alpha is dropped. Of 16-bit colours a PIL
    image holds the upper bytes alone; give the path where they may be dark. Arrays: uint8, H×W×3 (RGB), H×W×4 (RGBA)
    or H×W (grey). Tensors of torch: uint8, or floats in [0, 1]; H×W×3 or 3×H×W, with one or four channels too.
    bgr: arrays and tensors are blue, green, red, as OpenCV has them; files and PIL images say themselves what they are.
    Raises ImageError, naming the file, when it can't be read or decoded, or is refused (`image.file`), and for what
    is no image; MissingExtraError for a HEIC photo without the extra that reads them.
    """
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source), bgr)  # of a subclass (np.matrix) the same operations do something else
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if (given := content_of(source)) is not None:
        return decode_image(*given)
    if (array := array_of(source)) is not None:
        return _from_array(array, bgr)
    check_path(source)
    return image_file.read_photo(Path(os.fsdecode(cast("str", source))), to_rgb)


def decode_image(content: bytes, name: str, *, max_pixels: int | None = None) -> np.ndarray:
    """RGB uint8 H×W×3 of what an image file holds, as `load_image` reads it; errors call it `name`.

    max_pixels: an image of more is refused before it is decoded; default: `image.file.MAX_PIXELS`.
    """
    return image_file.read_photo(Path(name), to_rgb, content, max_pixels)


def load_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Mask uint8 H×W of a file that stands alone: 255 where it is surely hand, else 0 (`default_meaning`).

    A dataset's masks are read together, see `handseg.data.Sample.load_mask`.
    Raises DataError, naming the file and its values, where they may mean several things.
    """
    label = load_label(path)
    meaning, problems = default_meaning([Stored.of(str(path), label)])
    if problems:
        raise DataError(f"{path}: {problems[0].message}")
    return np.where(meaning(label) == HAND, 255, 0).astype(np.uint8)


def load_label(path: str | os.PathLike[str]) -> np.ndarray:
    """The values that a label file stores, H×W, never scaled: see `stored_values`."""
    return image_file.read(Path(path), stored_values)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) of a file after EXIF rotation, from its header.

    Of a PNG the pixels are decoded too, if no EXIF block comes before them.
    """

    def size(image: Image.Image) -> tuple[int, int]:
        return (image.width, image.height) if _lies(image) >= 5 else (image.height, image.width)

    return image_file.read(Path(path), size)


def image_orientation(path: str | os.PathLike[str]) -> int:
    """How a file lies, by its EXIF data: 1 upright, up to 8; the readers above turn it upright."""
    return image_file.read(Path(path), _lies)


def _lies(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        image.load()  # the EXIF block may come after the pixels
    return orientation(image)


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """(R, G, B) of a colour as CSS names it: `white`, `#fff`, `#ffffff`, `rgb(255, 255, 255)`; None: it is none."""
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
    return red, green, blue


def _from_pil(image: Image.Image) -> np.ndarray:
    try:
        image_file.check_size(image.height, image.width)
        return to_rgb(image)
    except HandsegError:
        raise
    except Exception as error:  # it is decoded only now, which raises nearly anything
        name = getattr(image, "filename", "") or "PIL image"
        said = " ".join(str(error).split())
        raise ImageError(f"{name}: can't be decoded ({said}); open it anew, or give the path") from error


def _from_array(array: np.ndarray, bgr: bool) -> np.ndarray:
    if array.dtype != np.uint8:
        remedy = ""
        if array.dtype.kind in "bf":
            remedy = "; of values from 0 to 1 make them with: (255 * array).round().astype('uint8')"
        raise ImageError(f"array of {array.dtype}: an image array is uint8 with values 0 to 255{remedy}")
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.size == 0:
        raise ImageError(f"array of shape {array.shape}: an image array is H×W×3, H×W×4 or H×W")
    return np.ascontiguousarray(array[..., 2::-1]) if bgr else array[..., :3]
