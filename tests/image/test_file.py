"""Files that are made to cost time, memory or more: each is refused, or read, at little cost, at every door."""

from __future__ import annotations

import io
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.errors import HandsegError, ImageError
from handseg.image import decode_image, image_size, load_image, load_label, load_mask
from handseg.image.file import is_image, open_image
from tests.image import files

PNG, JPEG, GIF = (files.encoded(kind) for kind in ("PNG", "JPEG", "GIF"))
FIRST = GIF.index(b",\0\0\0\0")  # where a GIF's picture begins
MEGA = 1_000_000
TIFF = {
    256: (3, 1),
    257: (3, 1),
    258: (3, 8),
    259: (3, 1),
    262: (3, 1),
    273: (4, 8),
    277: (3, 1),
    278: (3, 1),
    279: (4, 1),
}


def tiff(more: dict[int, tuple[int, int, int]], padding: int = 0, **changed: int) -> bytes:
    """One grey pixel with more tags: type, count and value."""
    tags = {tag: (kind, 1, struct.pack("<I", value)) for tag, (kind, value) in TIFF.items()}
    tags |= {tag: (kind, count, struct.pack("<I", value)) for tag, (kind, count, value) in more.items()}
    return b"II*\0" + struct.pack("<I", 8) + files.directory(tags) + bytes(padding)


def behind_a_thumbnail(page: bytes) -> bytes:
    """A TIFF of two pages, the first of which says that it is a copy of another; the second is another TIFF's."""
    first = tiff({254: (4, 1, 1)})
    return first[:-4] + struct.pack("<I", len(first)) + page[8:]


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes so often."""
    file = io.BytesIO()
    Image.new("L", (3000, 3000)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole.rfind(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def in_tiff(jpeg: bytes, side: int) -> bytes:
    """A TIFF of one strip that is a JPEG."""
    numbers = {256: side, 257: side, 259: 7, 278: side, 279: len(jpeg)}
    head = tiff({tag: (4, 1, number) for tag, number in numbers.items()})
    return tiff({tag: (4, 1, number) for tag, number in (numbers | {273: len(head)}).items()}) + jpeg


def shared_tags(count: int, size: int) -> bytes:
    """EXIF data whose tags share one value."""
    tags = {tag: (7, size, struct.pack("<I", 8)) for tag in range(500, 500 + count)}
    return b"II*\0" + struct.pack("<I", 8) + files.directory(tags) + bytes(size)


REFUSED = {
    "a.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n{} loop\n",
    "named.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n{} loop\n",
    "a.pdf": b"%PDF-1.4\n",
    "a.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a.psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 10, 10, 8, 3) + bytes(400),
    **{f"a.{kind.lower()}": files.encoded(kind) for kind in ("ICO", "ICNS", "DDS", "TGA", "SGI", "PCX")},
    "scans.jpg": scans(500),
    "scans.tif": in_tiff(scans(90), 3000),
    "parts.jpg": JPEG[:2] + b"\xff\xe5\0\2" * 3 * MEGA + JPEG[2:],
    "between.jpg": JPEG[:2] + bytes(10 * MEGA) + JPEG[2:],
    "wide.jpg": with_size(JPEG, 65500, 65500),
    "line.jpg": with_size(JPEG, 1, 65500),
    "parts.png": PNG[:33] + files.chunk(b"abCd", b"") * MEGA + PNG[33:],
    "comment.gif": GIF[:FIRST] + b"!\xfe" + (b"\xff" + bytes(255)) * 40_000 + b"\0" + GIF[FIRST:],
    "parts.gif": GIF[:FIRST] + b"!\xfe\1a\0" * 2 * MEGA + GIF[FIRST:],
    "screen.gif": GIF[:6] + struct.pack("<HH", 65000, 65000) + GIF[10:],
    "frame.gif": GIF[: FIRST + 5] + struct.pack("<HH", 65000, 65000) + GIF[FIRST + 9 :],
    "tile.tif": tiff({322: (4, 1, 32000), 323: (4, 1, 32000)}),
    "later.tif": behind_a_thumbnail(tiff({322: (4, 1, 32000), 323: (4, 1, 32000)})),
    "blobs.tif": tiff(dict.fromkeys(range(40000, 40300), (7, 10 * MEGA, 0)), 10 * MEGA),
    "tags.tif": tiff(dict.fromkeys(range(500, 30500), (4, 1, 0))),
    "strips.tif": tiff({273: (4, 2 * MEGA, 200), 279: (4, 2 * MEGA, 200)}, 8 * MEGA),
    "runs.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 1078, 40, 6900, 6900, 1, 8, 1, 0, 0, 0, 256, 0)
    + bytes(1024) + b"\1\0" * MEGA,
    "digits.ppm": b"P3 1800 1800 255\n" + b"0 " * 9_720_000,
    "header.ppm": b"P6 #" + bytes(5 * MEGA) + b"\n4 4 255\n" + bytes(48),
    "huge.ppm": b"P6 99999 99999 255\n",
    "empty.png": b"",
    "nearly.png": PNG[:16] + struct.pack(">II", 13000, 13000) + PNG[24:],  # nothing to see in so few bytes
}  # fmt: skip
READ = {
    "scans.jpg": scans(8),
    "scans.tif": in_tiff(scans(8), 3000),
    "exif.jpg": JPEG[:2]
    + b"\xff\xe1"
    + struct.pack(">H", 65008)
    + b"Exif\0\0"
    + shared_tags(1000, 52990)[:65000]
    + JPEG[2:],
    "exif.png": PNG[:33] + files.chunk(b"eXIf", shared_tags(300, 10 * MEGA)) + PNG[33:],
    "chain.tif": tiff({})[:-4] + struct.pack("<I", 8),  # its directory is followed by itself
    "copies.tif": tiff({254: (4, 1, 1)})[:-4] + struct.pack("<I", 8),  # which is a copy of another
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_refused_at_once(name: str) -> None:
    start = time.process_time()
    with pytest.raises(ImageError, match=rf"^{name}: .*; [a-z ]+"):
        decode_image(REFUSED[name], name)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", READ)
def test_what_only_looks_costly_is_read_at_once(name: str) -> None:
    start = time.process_time()
    assert decode_image(READ[name], name).ndim == 3
    assert time.process_time() - start < 1.5


def test_no_other_program_is_started(tmp_path: Path) -> None:
    """`gs` would be found, and would leave a trace; every door is tried."""
    folder = tmp_path / "set"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
        (folder / part / "a.png").write_bytes(REFUSED["a.eps"])
    for name in ("a.eps", "named.jpg", "unnamed"):
        (tmp_path / name).write_bytes(REFUSED["a.eps"])
    trace = tmp_path / "trace"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho started >> {trace}\n")
    (programs / "gs").chmod(0o755)
    assert shutil.which("gs", path=programs)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for arguments in (
        ["predict", *(str(tmp_path / name) for name in ("a.eps", "named.jpg", "unnamed")), "-o", str(tmp_path / "out")],
        ["data", "check", str(folder)],
    ):
        run = subprocess.run(
            [sys.executable, "-m", "handseg", *arguments], capture_output=True, text=True, env=environment, timeout=60
        )
        assert run.returncode == 1
        assert "Traceback" not in run.stderr
    for read in (load_image, load_mask, load_label, image_size):
        with pytest.raises(ImageError, match="not an image that can be read"):
            read(tmp_path / "named.jpg")
    assert not trace.exists()


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        with pytest.raises(ImageError, match="a pipe or a device, not a file"):
            load_image(path)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    reader = pytest.importorskip("handseg.video.reader", exc_type=HandsegError)
    shutil.copy(Path(__file__).parents[2] / "examples" / "hand.jpg", tmp_path / "secret.jpg")
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile secret.jpg\n")
    (tmp_path / "b.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.jpg\n#EXT-X-ENDLIST\n")
    (tmp_path / "c.mp4").write_bytes(REFUSED["a.ico"])
    for name in ("a.mp4", "b.m3u8", "c.mp4"):
        with pytest.raises(HandsegError, match=rf"{name}: not a video"):
            reader.VideoReader(tmp_path / name)


def test_memory_stays_small() -> None:
    """The peak of a process that is shown what took gigabytes."""
    code = (
        "import resource\nfrom tests.image.test_file import READ, REFUSED\n"
        "from handseg.errors import ImageError\nfrom handseg.image import decode_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name, content in (READ | REFUSED).items():\n"
        "    try: decode_image(content, name)\n"
        "    except ImageError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=100
    )
    assert int(run.stdout) < 150_000, run.stderr


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "AVIF"])
def test_damage_anywhere_is_an_error_of_ours_or_none(kind: str) -> None:
    whole = files.encoded(kind)
    chance = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(ImageError):
            assert decode_image(bytes(damaged), "a").dtype == np.uint8


def test_an_image_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(PNG)
    (tmp_path / "b.png").write_text("text")
    assert is_image(tmp_path / "a.txt")
    assert not is_image(tmp_path / "b.png")
    assert not is_image(tmp_path / "none")
    with pytest.raises(ImageError, match=r"a\.txt: damaged image \(told\); save"), open_image(tmp_path / "a.txt"):
        raise ValueError("told")


def test_a_large_mask_takes_few_bytes(tmp_path: Path) -> None:
    Image.new("1", (8000, 6400)).save(tmp_path / "a.png")
    assert not load_mask(tmp_path / "a.png").any()
    with pytest.raises(ImageError, match="are no photo"):
        load_image(tmp_path / "a.png")


def test_the_given_files(data: Path) -> None:
    folder = data.parent / "cases" / "hostile"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    for path in sorted(folder.iterdir()):
        if path.suffix in (".py", ""):
            continue
        start = time.process_time()
        with suppress(ImageError):
            assert load_image(path).nbytes < 150 * MEGA, path
        assert time.process_time() - start < 1.5, path


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"\xef\xbb\xbf\n<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\xff\x0a\0", "a JPEG XL picture"),
    ],
)
def test_what_a_file_is_instead_is_said(content: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=f"^a.jpg: not an image that can be read, but {what}"):
        decode_image(content, "a.jpg")
