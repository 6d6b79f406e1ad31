"""Load and save images: the only caller of PIL. Everything inside handseg is RGB uint8 H×W×3."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar, Union

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from handseg.errors import HandsegError, ImageError, MissingExtraError

T = TypeVar("T")
ImageLike = Union[str, "os.PathLike[str]", Image.Image, np.ndarray]

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".hif"),
        *(".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"),
    }
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis")  # ISO/IEC 23008-12; other HEIF, as AVIF, PIL reads by itself
MAX_PIXELS = 200_000_000  # 600 MB as RGB; beyond that a file is more likely a bomb than a photograph


def load_image(source: ImageLike) -> np.ndarray:
    """RGB uint8 H×W×3 of a path, a PIL image or an array.

    Files and PIL images: EXIF rotation is applied, grey and palette become RGB, 16-bit is scaled to 8,
    alpha is dropped. Arrays: uint8, H×W×3 (RGB), H×W×4 (RGBA) or H×W (grey).
    Raises ImageError, naming the file, when it can't be read or decoded; MissingExtraError for a HEIC photo without
    the extra that reads them.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _to_rgb(source)
    return _read(Path(source), _to_rgb)


def decode_image(content: bytes, name: str, *, max_pixels: int | None = None) -> np.ndarray:
    """RGB uint8 H×W×3 of what an image file holds, as `load_image` reads it; errors call it `name`.

    max_pixels: an image of more is refused before it is decoded; default: MAX_PIXELS.
    """
    return _read(Path(name), _to_rgb, content, max_pixels)


def load_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Mask uint8 H×W of a file: 0 for background, 255 for every other value. EXIF rotation is applied."""
    return _read(Path(path), lambda image: np.where(_label(image) > 0, 255, 0).astype(np.uint8))


def load_label(path: str | os.PathLike[str]) -> np.ndarray:
    """The raw values of a one-channel label file, uint8 H×W (palette indices for a palette image; 0 and 255
    for a bilevel one)."""
    return _read(Path(path), _label)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) of a file after EXIF rotation, from its header: the pixels are not decoded."""

    def size(image: Image.Image) -> tuple[int, int]:
        turned = image.getexif().get(0x0112, 1) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)

    return _read(Path(path), size)


def image_orientation(path: str | os.PathLike[str]) -> int:
    """How a file lies, by its EXIF data: 1 upright, up to 8; the readers above turn it upright."""
    return _read(Path(path), lambda image: int(image.getexif().get(0x0112, 1)))


def save_png(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write uint8 H×W, H×W×3 or H×W×4 as a PNG; the file appears whole or not at all."""
    write_atomically(path, lambda file: _write_png(file, array))


def encode_png(array: np.ndarray) -> bytes:
    """The PNG file of uint8 H×W, H×W×3 or H×W×4."""
    file = io.BytesIO()
    _write_png(file, array)
    return file.getvalue()


def save_indexed_png(path: str | os.PathLike[str], label: np.ndarray, palette: bytes) -> None:
    """Write uint8 H×W class indices as a palette PNG; `palette` holds R, G, B per index."""

    def write(file: BinaryIO) -> None:
        image = Image.fromarray(label)
        image.putpalette(palette)
        image.save(file, "PNG", compress_level=4)

    write_atomically(path, write)


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a file that replaces `path` once it is complete.

    Raises HandsegError when the folder can't be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    except OSError as error:
        raise HandsegError(
            f"{path.parent}: can't write there ({error.strerror or error}); choose a folder that you may write to"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise HandsegError(
                f"{path}: can't write ({error.strerror or error}); check the disk's space and the folder's rights"
            ) from error
        raise


def resize(array: np.ndarray, height: int, width: int, *, nearest: bool = False) -> np.ndarray:
    """Resize uint8 H×W×3, uint8 H×W or float32 H×W: bilinear, antialiased when shrinking; or `nearest`.

    Shrinking by two or more begins with means over whole blocks, which takes half the time (docs/results/speed.md).
    """
    if array.shape[:2] == (height, width):
        return array
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    gap = None if nearest else 1.0
    # A copy: PIL's own is read-only.
    return np.array(Image.fromarray(array).resize((width, height), method, reducing_gap=gap))


def blur(array: np.ndarray, radius: float) -> np.ndarray:
    """Blur uint8 H×W×3 or H×W; radius: standard deviation in pixels of the Gaussian that PIL comes near."""
    return np.array(Image.fromarray(array).filter(ImageFilter.GaussianBlur(radius)))


def _write_png(file: BinaryIO, array: np.ndarray) -> None:
    Image.fromarray(array).save(file, "PNG", compress_level=4)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(
    path: Path, convert: Callable[[Image.Image], T], content: bytes | None = None, max_pixels: int | None = None
) -> T:
    """Open, check the size, convert; every failure becomes an ImageError that names the file.

    content: the file's, where it isn't on disk.
    """
    max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
    megapixels = f"more than {max_pixels // 1_000_000} megapixels; shrink it first"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with _open(path, content) as image:
                if image.width * image.height > max_pixels:
                    raise ImageError(f"{path}: {image.width}×{image.height} is {megapixels}")
                return convert(image)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: is a folder, not an image; name a file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: may not be read; check the file's rights") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: {megapixels}") from error
    except HandsegError:
        raise
    except Exception as error:  # PIL's decoders raise nearly anything on damaged data
        if not (path.stat().st_size if content is None else content):
            reason = "the file is empty"
        elif "cannot identify" in str(error):
            reason = "not an image that can be read"
        else:
            reason = f"damaged image ({' '.join(str(error).split())})"  # one line, whatever the decoder says
        raise ImageError(f"{path}: {reason}; save or copy it anew") from error


def _is_heic(head: bytes) -> bool:
    """Whether a file that begins so is a photo as iPhones write them, whatever its suffix says."""
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return head[4:8] == b"ftyp" and any(brand in brands for brand in HEIC_BRANDS)


def _open(path: Path, content: bytes | None) -> Image.Image:
    """A file as a PIL image. HEIC's reader isn't registered with PIL: it would take AVIF files too, and fail."""
    if content is None:
        with path.open("rb") as file:
            head = file.read(64)
    else:
        head = content[:64]
    source = path if content is None else io.BytesIO(content)
    if not _is_heic(head):
        return Image.open(source)
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise MissingExtraError(f"{path}: HEIC", "heif") from error
    image: Image.Image = HeifImageFile(source)
    return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image)
        # "I" and "F" may hold 8-bit values; anything beyond them is taken for 16-bit.
        scale = 257 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 1
        grey = np.clip(values / scale, 0, 255).round().astype(np.uint8)
        return np.asarray(np.repeat(grey[..., None], 3, axis=2))
    return np.array(image.convert("RGB"))


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise ImageError(f"array of {array.dtype}: an image array is uint8 with values 0 to 255")
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.size == 0:
        raise ImageError(f"array of shape {array.shape}: an image array is H×W×3, H×W×4 or H×W")
    return array[..., :3]


def _label(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode == "P":
        return np.array(image)
    if image.mode == "1":
        return np.array(image).astype(np.uint8) * 255
    return np.asarray(_to_rgb(image).max(axis=2))
