"""Save images as PNG files, whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from handseg.errors import ImageError
from handseg.files import write_atomically

# Formats that pictures are written in, and the longest side that they can hold; 0: whatever there is.
WRITTEN = {".png": ("PNG", 0), ".jpg": ("JPEG", 65_500), ".jpeg": ("JPEG", 65_500), ".webp": ("WEBP", 16_383)}


def save_png(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write uint8 H×W, H×W×3 or H×W×4 as a PNG; the file appears whole or not at all."""
    write_atomically(path, lambda file: _write_png(file, array))


def encode_png(array: np.ndarray) -> bytes:
    """The PNG file of uint8 H×W, H×W×3 or H×W×4."""
    file = io.BytesIO()
    _write_png(file, array)
    return file.getvalue()


def save_picture(
    path: str | os.PathLike[str], array: np.ndarray, suffix: str = "", *, quality: int = 90, lossless: bool = False
) -> None:
    """Write uint8 H×W, H×W×3 or H×W×4 in the format of a suffix of WRITTEN; default: the path's own.

    quality: 1 to 100, of JPEG, and of WebP unless `lossless`. The file appears whole or not at all.
    Raises ImageError when the format can't hold it.
    """
    suffix = (suffix or Path(path).suffix).lower()
    if suffix not in WRITTEN:
        raise ImageError(f"{path}: pictures are written as {', '.join(WRITTEN)}; choose one of these suffixes")
    kind, longest = WRITTEN[suffix]
    height, width = array.shape[:2]
    if longest and max(height, width) > longest:
        raise ImageError(f"{path}: {width}×{height} pixels, but {kind} holds {longest} at most; choose .png")
    if kind == "JPEG" and array.shape[2:] == (4,):
        raise ImageError(f"{path}: JPEG has no transparency; choose .png or .webp")
    options: dict[str, dict[str, Any]] = {
        "PNG": {"compress_level": 4},
        "JPEG": {"quality": quality, "subsampling": 0 if quality >= 90 else 2},
        "WEBP": {"quality": quality, "lossless": lossless, "exact": lossless},
    }
    write_atomically(path, lambda file: Image.fromarray(array).save(file, kind, **options[kind]))


def save_indexed_png(path: str | os.PathLike[str], label: np.ndarray, palette: bytes) -> None:
    """Write uint8 H×W class indices as a palette PNG; `palette` holds R, G, B per index."""

    def write(file: BinaryIO) -> None:
        image = Image.fromarray(label)
        image.putpalette(palette)
        image.save(file, "PNG", compress_level=4)

    write_atomically(path, write)


def _write_png(file: BinaryIO, array: np.ndarray) -> None:
    Image.fromarray(array).save(file, "PNG", compress_level=4)
