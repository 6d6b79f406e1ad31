"""Animated pictures are videos; pictures with one frame stay pictures."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, features

from handseg.errors import DamagedVideoError, VideoError
from handseg.image import load_image, load_mask
from handseg.video.animation import AnimationReader, is_animated
from tests.cli.test_predict import EXAMPLE, handseg
from tests.video.conftest import square

from handseg.video import VideoReader, open_video  # isort: skip

PICTURES = [Image.fromarray(square(i)) for i in range(4)]


def save(path: Path, **options: object) -> Path:
    PICTURES[0].save(path, save_all=True, append_images=PICTURES[1:], **options)
    return path


def read(path: Path) -> list:
    with open_video(path) as reader:
        return list(reader)


@pytest.mark.parametrize(
    ("name", "options", "times"),
    [
        ("a.gif", {"duration": [100, 200, 50, 70]}, [0, 0.1, 0.3, 0.35]),
        ("quick.gif", {"duration": 0}, [0, 0.1, 0.2, 0.3]),  # as browsers show it
        ("a.webp", {"duration": 80, "lossless": True}, [0, 0.08, 0.16, 0.24]),
        ("a.png", {"duration": 50}, [0, 0.05, 0.1, 0.15]),
        ("a.tif", {}, [0, 1, 2, 3]),
        ("deflated.tiff", {"compression": "tiff_adobe_deflate"}, [0, 1, 2, 3]),
        ("a.jpg", {"format": "GIF", "duration": 100}, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_every_frame_comes_at_its_time(tmp_path: Path, name: str, options: dict, times: list[float]) -> None:
    path = save(tmp_path / name, **options)
    assert is_animated(path)
    frames = read(path)
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert [f.time for f in frames] == pytest.approx(times)
    for i, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - square(i)).mean() < 3


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_too(tmp_path: Path) -> None:
    path = save(tmp_path / "a.avif", duration=100)
    assert is_animated(path)
    assert len(read(path)) == 4


def test_a_picture_for_old_programs_is_none_of_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (128, 96), (255, 0, 255)).save(
        path, save_all=True, append_images=PICTURES[:2], default_image=True, duration=50
    )
    frames = read(path)
    assert len(frames) == 2
    assert np.array_equal(frames[0].image, square(0))


def test_pages_may_differ_in_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    PICTURES[0].save(path, save_all=True, append_images=[PICTURES[1].resize((60, 100)), PICTURES[2].convert("L")])
    assert [f.image.shape for f in read(path)] == [(96, 128, 3), (100, 60, 3), (96, 128, 3)]


def test_what_has_one_picture_stays_a_picture(tmp_path: Path) -> None:
    for name in ("a.gif", "a.webp", "a.png", "a.tif", "a.jpg", "a.bmp"):
        PICTURES[0].save(tmp_path / name)
    PICTURES[0].save(tmp_path / "all.webp", save_all=True)
    PICTURES[0].save(tmp_path / "all.gif", save_all=True)
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "thumbnail.tif"), True) as file:
        for tags in ({}, {254: 1}, {254: 4}, {255: 2}):  # reduced, a mask, and reduced in the old way
            PICTURES[0].save(file, "TIFF", tiffinfo=tags)
            file.newFrame()
    (tmp_path / "empty.gif").touch()
    (tmp_path / "text.gif").write_text("GIF89a, or is it?")
    (tmp_path / "eps.gif").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "folder.gif").mkdir()
    for path in [*tmp_path.iterdir(), tmp_path / "missing.gif"]:
        assert not is_animated(path), path


@pytest.mark.parametrize("kind", ["gif", "png", "tif"])
def test_millions_of_parts_are_not_walked_through(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "gif":
        path.write_bytes(b"GIF89a\x08\0\x08\0\0\0\0" + b"!\xfe\x01a\0" * 3_000_000)
    elif kind == "png":
        file = io.BytesIO()
        PICTURES[0].save(file, "PNG")
        data = file.getvalue()
        path.write_bytes(data[:33] + b"\0\0\0\0teSt\x94\x0e\x1b\x8a" * 1_500_000 + data[33:])
    else:
        ifds = b"".join(b"\0\0" + (8 + 6 * (i + 1)).to_bytes(4, "little") for i in range(1_000_000))
        path.write_bytes(b"II*\0\x08\0\0\0" + ifds)
    start = time.monotonic()
    assert not is_animated(path)
    assert time.monotonic() - start < 8


def test_a_truncated_one_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4, 96, 128, 3), dtype=np.uint8)
    path = tmp_path / "a.gif"
    first, *others = (Image.fromarray(n) for n in noise)
    first.save(path, save_all=True, append_images=others)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    frames = []
    with AnimationReader(path) as reader, pytest.raises(DamagedVideoError, match=r"a\.gif: damaged .* 2 pictures"):
        frames.extend(reader)
    path.write_bytes(data[:1500])
    with pytest.raises(VideoError, match=r"a\.gif: no picture of it can be decoded"):
        AnimationReader(path)


def test_on_the_command_line(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    hand = Image.fromarray(load_image(EXAMPLE)[::4, ::4])
    hand.save(folder / "a.gif", save_all=True, append_images=[Image.new("RGB", hand.size), hand.rotate(10)])
    hand.save(folder / "pages.tif", save_all=True, append_images=[hand.resize((100, 150))])
    hand.save(folder / "one.gif")
    with (folder / "raw.mjpeg").open("wb") as file:
        for angle in range(3):
            hand.rotate(angle).save(file, "JPEG")
    result = handseg("predict", folder, "-o", out, "-m", "nano", "--save", "mask,overlay")
    assert result.returncode == 0, result.stderr
    assert load_mask(out / "one.png").shape == (160, 240)
    assert [(load_mask(out / "a" / f"{i:06d}.png") > 0).mean() > 0.05 for i in range(3)] == [True, False, True]
    assert load_mask(out / "pages" / "000001.png").shape == (150, 100)
    assert len(list((out / "raw").glob("*.png"))) == 3
    with VideoReader(out / "pages_overlay.mp4") as reader:
        assert [f.image.shape for f in reader] == [(160, 240, 3)] * 2
    assert "note: " in result.stderr
    assert "pages_overlay.mp4: letterboxed from 1.00 s on" in result.stderr


def test_each_page_may_be_as_much_as_a_file_is(tmp_path: Path) -> None:
    """Pillow reads all of a compressed TIFF for each of its pages."""
    noise = np.random.default_rng(0).integers(0, 255, (12, 300, 400, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(picture) for picture in noise]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression="tiff_adobe_deflate")
    with AnimationReader(tmp_path / "a.tif") as reader:
        assert all(np.array_equal(frame.image, picture) for frame, picture in zip(reader, noise, strict=True))


def test_a_page_that_is_too_large_is_damage(tmp_path: Path) -> None:
    small, large = Image.new("L", (40, 30)), Image.new("L", (8000, 8000))
    small.save(tmp_path / "a.tif", save_all=True, append_images=[large], compression="tiff_adobe_deflate")
    with AnimationReader(tmp_path / "a.tif") as reader, pytest.raises(DamagedVideoError, match="no photo"):
        assert len(list(reader)) == 1
