"""The parts of a JPEG or a TIFF: counted before anything is decoded, since a small file can have very costly ones."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from handseg.errors import ImageError

MAX_SCANS = 32  # of a JPEG; libjpeg writes 10, of 2,012 photos none had more than 5, and each is decoded in full
MAX_TAGS, MAX_TAG_VALUES = 4096, 200_000  # of a TIFF
MOST_COPIES = 100  # pages in a row that are no pictures of their own; more are a trap
MAX_TILE = 4096 * 4096  # pixels of a TIFF's tile where the image has fewer
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # begins a part of a JPEG; within a scan FF is followed by others
TAG_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
TAG_BYTES = (1, 2, 6, 7)  # types of tags that stay bytes when they are read
TAG_NUMBERS = {3: "H", 4: "L", 16: "Q"}
NEW_SUBFILE, OLD_SUBFILE = 254, 255
WIDTH, LENGTH, COMPRESSION, STRIPS, TILE_WIDTH, TILE_LENGTH, TILES = 256, 257, 259, 273, 322, 323, 324
JPEG_COMPRESSIONS = (6, 7)  # of a TIFF
TOO_MANY_SCANS = f"a JPEG of more than {MAX_SCANS} scans; save it anew"
TOO_MANY_PARTS = "made of more parts than a photo has; save it anew as PNG or JPEG"
MAX_MARKERS = 200_000


def check_scans(content: bytes) -> None:
    """Raise ImageError for a JPEG of more scans than MAX_SCANS; as libjpeg does, look no further than its end."""
    position = scans = 0
    for _ in range(MAX_MARKERS):
        found = MARKER.search(content, position)
        if found is None or content[found.end() - 1] == 0xD9:
            return
        position = found.end()
        marker = content[position - 1]
        if marker not in (0x01, 0xD8):  # all others say how long they are
            position += int.from_bytes(content[position : position + 2], "big")
        scans += marker == 0xDA
        if scans > MAX_SCANS:
            raise ImageError(TOO_MANY_SCANS)
    raise ImageError(TOO_MANY_PARTS)


def is_copy(subfile: int | None, old_subfile: int | None) -> bool:
    """Whether a TIFF's page is a reduced copy of another one, or a transparency mask, by its tags NEW_SUBFILE and
    OLD_SUBFILE."""
    return bool((subfile or 0) & 0b101) or old_subfile == 2


def check_tags(file: BinaryIO, size: int) -> None:
    """Raise ImageError for a TIFF whose tags or tiles are much larger than the file or the image, or with JPEGs of too
    many scans in it; of its pages up to the first that is no copy of another."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (position,) = struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)
    for _ in range(MOST_COPIES):
        numbers, following = _check_directory(file, size, position, order, big)
        if not (is_copy(numbers.get(NEW_SUBFILE), numbers.get(OLD_SUBFILE)) and 0 < following < size):
            return
        position = following


def _check_directory(file: BinaryIO, size: int, position: int, order: str, big: bool) -> tuple[dict[int, int], int]:
    """Check the tags of one page; the first number of each, and where the next page's are, 0 after the last."""
    file.seek(position)
    (tags,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    if tags > MAX_TAGS:
        raise ImageError(TOO_MANY_PARTS)
    entry = order + ("HHQ8s" if big else "HHL4s")
    total, parts, numbers = 0, 1, {}
    for number, kind, count, value in struct.iter_unpack(entry, file.read(tags * struct.calcsize(entry))):
        total += count * TAG_SIZES.get(kind, 0)
        if kind not in TAG_BYTES and count > MAX_TAG_VALUES:
            raise ImageError(TOO_MANY_PARTS)
        if number in (STRIPS, TILES):
            parts = count
        if kind in TAG_NUMBERS:
            (numbers[number],) = struct.unpack_from(order + TAG_NUMBERS[kind], value.ljust(8, b"\0"))
    link = file.read(8 if big else 4)
    if total > 2 * size + 1_000_000:
        raise ImageError(TOO_MANY_PARTS)
    if numbers.get(COMPRESSION) in JPEG_COMPRESSIONS:
        file.seek(0)
        if file.read().count(b"\xff\xda") > MAX_SCANS * parts:
            raise ImageError(TOO_MANY_SCANS)
    tile = numbers.get(TILE_WIDTH, 0) * numbers.get(TILE_LENGTH, 0)
    if tile > max(MAX_TILE, numbers.get(WIDTH, 0) * numbers.get(LENGTH, 0)):
        raise ImageError(f"a tile of {tile // 1_000_000} megapixels is larger than the image; save it anew")
    return numbers, int.from_bytes(link, "little" if order == "<" else "big")
