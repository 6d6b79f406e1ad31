"""The one door to image files: which formats are opened, and what is refused before a pixel is decoded.

Pillow knows some forty formats. One starts another program (PostScript), others decode more than their header says
(icons) or are hardly ever read. In those that photographs come in, a small file can still be made to cost minutes or
gigabytes; so its header is looked at first, and what Pillow reads of it is rationed.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from PIL import Image, UnidentifiedImageError

from handseg.errors import HandsegError, ImageError, MissingExtraError
from handseg.image.parts import MOST_COPIES, NEW_SUBFILE, OLD_SUBFILE, TOO_MANY_PARTS, check_scans, check_tags, is_copy

T = TypeVar("T")

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM")
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis")  # ISO/IEC 23008-12; other HEIF, as AVIF, Pillow reads by itself
MAX_PIXELS = 178_000_000  # 534 MB as RGB; Pillow itself refuses more than 178.9 million
MAX_ASPECT_RATIO = 64  # of a longer picture a network would see nothing
EMPTY_PIXELS, EMPTY_DENSITY = 50_000_000, 64  # beyond so many pixels, with so many to a byte, there is nothing to see
MAX_DIGITS = 500_000  # pixels of a PPM that is written in digits
HEADER_READS, READS, BYTES_PER_READ = 10_000, 200_000, 64
TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# How other files begin, in small letters, and what they are.
OTHERS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"{", "a JSON file"),
    (b"version https://git-lfs", "a pointer of Git LFS (git lfs pull fetches the file)"),
    (b"%pdf", "a PDF"),
    (b"%!ps", "a PostScript file"),
    (b"8bps", "a Photoshop file"),
    (b"pk\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\0\0\x0cjp  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cjxl ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
)
SUB_IFDS, CANON_RAW = 330, slice(8, 10)  # a TIFF's tag of pages within a page; where Canon's raw photos have "CR"
RAW_PHOTO = "a raw photo, of which only a small copy can be read; develop it to JPEG or TIFF first"


def read(path: Path, convert: Callable[[Image.Image], T]) -> T:
    """What `convert` makes of the image that `open_image` gives; the same errors."""
    with open_image(path) as image:
        return convert(image)


def read_photo(
    path: Path, convert: Callable[[Image.Image], T], content: bytes | None = None, max_pixels: int | None = None
) -> T:
    """The same of a photo, not of a mask: one with hardly a byte for its pixels is refused too."""
    with open_image(path, content, max_pixels) as image:
        size = path.stat().st_size if content is None else len(content)
        _check_density(image, size)
        return convert(image)


@contextmanager
def open_image(path: Path, content: bytes | None = None, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """An image file as a PIL image that is checked, but not decoded yet.

    content: the file's, where it isn't on disk. max_pixels: an image of more is refused; default: MAX_PIXELS.
    Raises ImageError, which names the file, for whatever goes wrong, in the `with` block too; MissingExtraError for a
    HEIC photo without the extra that reads them.
    """
    with open_pages(path, content, max_pixels) as pages:
        yield pages.image


@contextmanager
def open_pages(path: Path, content: bytes | None = None, max_pixels: int | None = None) -> Iterator[Pages]:
    """The pages of an image file, at the first one; the same arguments and errors as `open_image`."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of large pictures and odd tags; both are seen to here
            file: BinaryIO = io.BytesIO(content) if content is not None else _regular(path).open("rb")
            with file:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                yield _open(path, file, size, max_pixels)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except HandsegError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: is a folder, not an image; name a file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: may not be read; check the file's rights") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged data
        said = " ".join(str(error).split())  # one line, whatever the decoder says
        raise ImageError(f"{path}: damaged image ({said}); save or copy it anew") from error


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file is an image that `read` opens, whatever its suffix says."""
    try:
        return read(Path(path), lambda _: True)
    except MissingExtraError:
        return True
    except ImageError:
        return False


class Ration:
    """A file that Pillow may read only so often and so much, as an image of that size needs.

    Pillow walks through the parts of a file in Python, a few reads for each, and keeps most of what it finds: millions
    of empty parts take it minutes, and hundreds of tags that share one blob take gigabytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.renew()
        self._reads = HEADER_READS

    def header_is_read(self) -> None:
        """From now on there is more to read: the pixels."""
        self._reads = max(READS, self._size // BYTES_PER_READ)

    def renew(self) -> None:
        self.header_is_read()
        self._bytes = 4 * self._size + 1_000_000

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._reads -= 1
        self._bytes -= len(data)
        if self._reads < 0 or self._bytes < 0:
            raise ImageError(TOO_MANY_PARTS)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class Pages:
    """A file's pages, as `image` has them one at a time. What may be read counts for all of them together, until
    `renew` is called."""

    def __init__(self, image: Image.Image, ration: Ration, size: int, max_pixels: int | None) -> None:
        self.image = image
        self._ration = ration
        self._size = size
        self._max_pixels = max_pixels

    def seek(self, number: int) -> None:
        """Turn to a page. Raises EOFError after the last; ImageError for one of a size that is refused."""
        self.image.seek(number)
        check_size(self.image.height, self.image.width, self._max_pixels)
        _check_density(self.image, self._size)

    def renew(self) -> None:
        """Allow as much to be read again as one image needs: for who has decoded a page and goes on."""
        self._ration.renew()


def _regular(path: Path) -> Path:
    """The path, unless reading it might never end."""
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # of a folder, opening it complains
        raise ImageError("a pipe or a device, not a file; save it as one first")
    return path


def _open(path: Path, file: BinaryIO, size: int, max_pixels: int | None) -> Pages:
    """A file that is checked, but not decoded yet."""
    if not size:
        raise ImageError("the file is empty; save or copy it anew")
    head = file.read(64)
    if head[:4] in TIFF_HEADS:
        if head[CANON_RAW] == b"CR":
            raise ImageError(RAW_PHOTO)
        check_tags(file, size)
    file.seek(0)
    ration: Any = Ration(file, size)
    try:
        image = _heic(path, ration) if _is_heic(head) else Image.open(ration, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image that can be read{_what_it_is(head)}; save or copy it anew") from error
    except Image.DecompressionBombError as error:
        most = MAX_PIXELS if max_pixels is None else max_pixels
        raise ImageError(f"more than {most // 1_000_000} megapixels; shrink it first") from error
    if image.format == "TIFF":
        _turn_to_picture(image)
    check_size(image.height, image.width, max_pixels)
    if image.format in ("JPEG", "MPO"):
        file.seek(0)
        check_scans(file.read())
    tiles: Any = getattr(image, "tile", [])
    if tiles and tiles[0][0] == "ppm_plain" and image.width * image.height > MAX_DIGITS:
        raise ImageError("a large picture written in digits; save it as PNG")
    ration.header_is_read()
    return Pages(image, ration, size, max_pixels)


def is_page_copy(image: Any) -> bool:
    """Whether the page that a TIFF is at is a thumbnail, an overview or a mask of another one."""
    return is_copy(image.tag_v2.get(NEW_SUBFILE), image.tag_v2.get(OLD_SUBFILE))


def _turn_to_picture(image: Any) -> None:
    """Turn a TIFF to its first page that is a picture of its own: a thumbnail may come before it."""
    is_raw = SUB_IFDS in image.tag_v2
    for number in range(MOST_COPIES):
        try:
            image.seek(number)
        except EOFError:
            break
        if not is_page_copy(image):
            return
    if is_raw:
        raise ImageError(RAW_PHOTO)
    image.seek(0)  # nothing else is there


def _check_density(image: Image.Image, size: int) -> None:
    """Raise ImageError for a large image that has hardly a byte of its file's `size` for its pixels."""
    if image.width * image.height > max(EMPTY_PIXELS, EMPTY_DENSITY * size):
        raise ImageError(f"{image.width}×{image.height} pixels in {size} bytes are no photo; shrink it first")


def _what_it_is(head: bytes) -> str:
    """What a file that is no image may be instead, in words, by how it begins; "" where that says nothing."""
    for begin, name in OTHERS:
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(begin):
            return f", but {name}"
    return ""


def _is_heic(head: bytes) -> bool:
    """Whether a file that begins so is a photo as iPhones write them, whatever its suffix says."""
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return head[4:8] == b"ftyp" and any(brand in brands for brand in HEIC_BRANDS)


def _heic(path: Path, file: Any) -> Image.Image:
    """HEIC's reader isn't registered with PIL: it would take AVIF files too, and fail."""
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise MissingExtraError(f"{path}: HEIC", "heif") from error
    image: Image.Image = HeifImageFile(file)
    return image


def check_size(height: int, width: int, max_pixels: int | None = None) -> None:
    """Raise ImageError for an image of more pixels than max_pixels (default: MAX_PIXELS), or too long."""
    most = MAX_PIXELS if max_pixels is None else max_pixels
    if width * height > most:
        raise ImageError(f"{width}×{height} is more than {most // 1_000_000} megapixels; shrink it first")
    check_aspect_ratio(height, width)


def check_aspect_ratio(height: int, width: int) -> None:
    """Raise ImageError for an image that is longer than MAX_ASPECT_RATIO, or has no pixels."""
    if not height * width:
        raise ImageError(f"an image of {width}×{height} pixels has none; give one that has some")
    if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
        raise ImageError(
            f"an image of {width}×{height} pixels is longer than {MAX_ASPECT_RATIO}:1; cut it into pieces first"
        )
