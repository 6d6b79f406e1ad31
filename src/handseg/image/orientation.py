"""Which way up an image is, by its EXIF or XMP data."""

from __future__ import annotations

import re
import struct

import numpy as np
from PIL import Image

TAG = 0x0112
IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def orientation(image: Image.Image) -> int:
    """1 to 8 as in EXIF; 1, the right way up, where nothing sensible is said.

    A TIFF is turned by Pillow itself. Only this tag is looked for: EXIF data may be made so that reading all of it
    takes gigabytes.
    """
    if image.format == "TIFF":
        return 1
    value = 1
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:  # as ImageMagick puts it into a PNG
        try:
            exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        except ValueError:
            exif = None
    if exif is not None:
        value = _in_exif(bytes(exif))
    if value == 1:
        xmp = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp") or b""
        found = IN_XMP.search(xmp.encode() if isinstance(xmp, str) else xmp)
        value = int(found[1]) if found else 1
    return value if value in range(1, 9) else 1


def turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """H×W or H×W×C the right way up, from how it lies in a file of that orientation."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(array[rows, columns])


def _in_exif(block: bytes) -> int:
    """The tag's value in an EXIF block, which is a TIFF file without pixels."""
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for i in range(count):
            tag, kind = struct.unpack_from(order + "HH", block, start + 2 + 12 * i)
            if tag == TAG:
                (value,) = struct.unpack_from(order + ("L" if kind == 4 else "H"), block, start + 10 + 12 * i)
                return int(value)
    except struct.error:  # it ends before it should
        pass
    return 1
