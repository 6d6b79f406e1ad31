"""Image files made byte by byte: of depths and with faults that no library writes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_GREY, PNG_RGB, PNG_GREY_ALPHA, PNG_RGBA = 0, 2, 4, 6
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # TIFF's sample formats


def encoded(kind: str, width: int = 64, height: int = 48) -> bytes:
    """A plain picture, as Pillow writes it."""
    file = io.BytesIO()
    Image.new("P" if kind == "GIF" else "RGB", (width, height)).save(file, kind)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_16(values: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits. values: H×W, or H×W×channels."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def tiff(
    values: np.ndarray,
    sample_format: int = UNSIGNED,
    order: str = "<",
    deflate: bool = False,
    more: dict[int, int] | None = None,
) -> bytes:
    """A TIFF of the array's own type. values: H×W, or H×W×3. order: < or >. more: other tags, of 16 bits."""
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    pixels = zlib.compress(pixels) if deflate else pixels
    channels = values[0, 0].size
    bits = values.dtype.itemsize * 8
    numbers = {256: values.shape[1], 257: values.shape[0], 259: 8 if deflate else 1, 262: 2 if channels > 1 else 1}
    numbers |= {277: channels, 278: values.shape[0]}
    numbers |= more or {}
    tags = {tag: (3, 1, struct.pack(order + "HH", value, 0)) for tag, value in numbers.items()}
    tags[273] = (4, 1, struct.pack(order + "I", 8))
    tags[279] = (4, 1, struct.pack(order + "I", len(pixels)))
    end = 8 + len(pixels)
    behind = b""
    for tag, value in ((258, bits), (339, sample_format)):
        content = struct.pack(f"{order}{channels}H", *[value] * channels)
        if len(content) > 4:
            content, behind = struct.pack(order + "I", end + len(behind)), behind + content
        tags[tag] = (3, channels, content.ljust(4, b"\0"))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", end + len(behind))
    return head + pixels + behind + directory(tags, order)


def tiff_in_planes(values: np.ndarray, deflate: bool = False) -> bytes:
    """A TIFF whose colours, H×W×3, lie one after the other."""
    height, width, channels = values.shape
    planes = [plane.astype(values.dtype.newbyteorder("<")).tobytes() for plane in np.moveaxis(values, 2, 0)]
    planes = [zlib.compress(plane) if deflate else plane for plane in planes]
    sizes = [len(plane) for plane in planes]
    end = 8 + sum(sizes)
    offsets = [8 + sum(sizes[:i]) for i in range(channels)]
    bits = values.dtype.itemsize * 8
    behind = struct.pack("<3H3I3I", *[bits] * 3, *offsets, *sizes)
    numbers = {256: width, 257: height, 259: 8 if deflate else 1, 262: 2, 277: 3, 278: height, 284: 2}
    tags = {tag: (3, 1, struct.pack("<HH", value, 0)) for tag, value in numbers.items()}
    tags |= {tag: (kind, 3, struct.pack("<I", end + at)) for tag, kind, at in ((258, 3, 0), (273, 4, 6), (279, 4, 18))}
    return b"II*\0" + struct.pack("<I", end + len(behind)) + b"".join(planes) + behind + directory(tags)


def directory(tags: dict[int, tuple[int, int, bytes]], order: str = "<") -> bytes:
    """A TIFF's tags: type, count, and value or its place, four bytes."""
    entries = [
        struct.pack(order + "HHI", tag, kind, count) + value for tag, (kind, count, value) in sorted(tags.items())
    ]
    return struct.pack(order + "H", len(tags)) + b"".join(entries) + bytes(4)


def pnm(values: np.ndarray, most: int) -> bytes:
    """A PGM or PPM whose white is `most`."""
    kind = b"P5" if values.ndim == 2 else b"P6"
    head = b"%s %d %d %d\n" % (kind, values.shape[1], values.shape[0], most)
    return head + values.astype(">u2" if most > 255 else np.uint8).tobytes()


def icc(primaries: tuple[tuple[float, float, float], ...], gamma: float, space: bytes = b"RGB ") -> bytes:
    """An ICC profile, version 2. primaries: XYZ under D50 of red, green and blue; for b"GRAY" none."""

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in (x, y, z)))

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79), b"wtpt": xyz(0.9642, 1, 0.8249)}
    tags |= {letter + b"XYZ": xyz(*colour) for letter, colour in zip((b"r", b"g", b"b"), primaries)}
    tags |= {letter + b"TRC": curve for letter in ((b"r", b"g", b"b") if primaries else (b"k",))}
    table, content = b"", b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    size = 132 + len(table) + len(content)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content
