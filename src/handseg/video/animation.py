"""Animated pictures as videos: GIF, WebP, APNG, AVIF and TIFF of several pictures. Needs none of a video's packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType

from PIL import Image

from handseg.errors import DamagedVideoError, ImageError, VideoError
from handseg.image.colour import to_rgb
from handseg.image.file import TIFF_HEADS, is_page_copy, open_image, open_pages
from handseg.image.parts import MOST_COPIES
from handseg.video.frame import SQUARE, VideoFrame

PAGE = 1.0  # seconds of a page that has no duration: too far apart to be smoothed over
SHORTEST, INSTEAD = 0.01, 0.1  # seconds; browsers show a picture of up to the first for the second


def is_animated(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a GIF, WebP, PNG, AVIF or TIFF of several pictures, whatever its suffix says.

    Reads headers only, and never raises an error: what isn't there, isn't such a picture or is damaged isn't animated.
    A TIFF's thumbnails, overviews and masks are no pictures of their own.
    """
    try:
        if not _may_move(Path(path)):
            return False
        with open_image(Path(path)) as image:
            return sum(1 for _ in islice(_seek_each(image, image.seek), 2)) == 2
    except Exception:  # PIL's readers raise nearly anything on damaged data
        return False


class AnimationReader:
    """The frames of an animated picture, in the way of a VideoReader; of a TIFF a page a second. Iterate it once.

    Pages may differ in size. Raises VideoError when the first picture can't be decoded; while iterating, after the
    last that could be, DamagedVideoError.
    """

    frames = None  # to count them means to read the whole file
    has_audio = False
    pixel_aspect = SQUARE

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self._damage = ""
        if not self.path.is_file():
            raise VideoError(f"{path}: no such file")
        self._stack = ExitStack()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if not _may_move(self.path):
            raise VideoError(f"{self.path}: not an animated picture; name a GIF, WebP, PNG, AVIF or TIFF")
        try:
            self._pages = self._stack.enter_context(open_pages(self.path))
        except ImageError as error:
            raise VideoError(str(error)) from error
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            why = self._damage or "there is none"
            raise VideoError(f"{self.path}: no picture of it can be decoded ({why}); copy it anew")
        self.height, self.width = self._first[0].image.shape[:2]
        self.rate = Fraction(min(max(1 / self._first[1], 1.0), 1000.0)).limit_denominator(1000)

    def __iter__(self) -> Iterator[VideoFrame]:
        current, last = self._first, None
        while current is not None:
            last = current[0]
            yield last
            current = next(self._decoded, None)
        if self._damage and last is not None:
            raise DamagedVideoError(
                f"{self.path}: damaged ({self._damage}); what could be decoded is done, {last.index + 1} pictures"
            )

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> AnimationReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self) -> Iterator[tuple[VideoFrame, float]]:
        """Each frame and its duration in seconds."""
        time = 0.0
        image = self._pages.image
        numbers = _seek_each(image, self._pages.seek)
        index = 0
        while True:
            try:
                if next(numbers, None) is None:
                    return
                picture = to_rgb(image)
            except Exception as error:
                self._damage = _reason(error)
                return
            self._pages.renew()
            duration = _duration(image)
            yield VideoFrame(index, time, picture), duration
            index, time = index + 1, time + duration


def _may_move(path: Path) -> bool:
    """Whether a file begins as one of a format that has animations. Raises OSError where it can't be read."""
    if not path.is_file():  # of a pipe or a device there might be no end
        return False
    with path.open("rb") as file:
        head = file.read(64)
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return bool(head[20] & 2)  # the flag "animation"
    return head.startswith((b"GIF87a", b"GIF89a", b"\x89PNG\r\n\x1a\n", *TIFF_HEADS)) or head[4:12] == b"ftypavis"


def _seek_each(image: Image.Image, seek: Callable[[int], None]) -> Iterator[int]:
    """The numbers of the pictures that count, each sought before it is given."""
    number = skipped = 0
    while skipped <= MOST_COPIES:
        try:
            seek(number)
        except EOFError:
            return
        is_one = not (number == 0 and image.info.get("default_image"))  # an APNG's picture for old programs
        if image.format == "TIFF":
            is_one = not is_page_copy(image)
        skipped = 0 if is_one else skipped + 1
        if is_one:
            yield number
        number += 1


def _duration(image: Image.Image) -> float:
    """Seconds that the picture sought last, and loaded, is shown."""
    if image.format == "TIFF":
        return PAGE
    seconds = float(image.info.get("duration", 0)) / 1000
    return seconds if seconds > SHORTEST else INSTEAD


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
