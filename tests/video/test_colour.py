"""Colours: read as the file means them, written so that a player shows the same, and named in the file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.video.conftest import av, case, make_clip

from handseg.video import VideoReader, VideoWriter  # isort: skip

COLOUR = (30, 160, 60)
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # Kr and Kb of H.273's matrices
HD, SD = (720, 1280), (96, 128)


def plain(size: tuple[int, int], colour: tuple[int, int, int] = COLOUR) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def encoded(path: Path, matrix: int, full: bool, size: tuple[int, int], *, tagged: bool = True, **more: object) -> Path:
    """A clip of one colour."""

    def setup(stream) -> None:
        context = stream.codec_context
        if tagged:
            context.colorspace, context.color_range = matrix, 2 if full else 1

    colours = {"src_color_range": 2, "dst_colorspace": {6: 5}.get(matrix, matrix), "dst_color_range": 2 if full else 1}
    picture = {"picture": lambda _: plain(size)}
    return make_clip(path, 2, size=size, setup=setup, colours=colours, **picture, **more)  # type: ignore[arg-type]


def first(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return next(iter(reader)).image


@pytest.mark.parametrize(
    ("name", "matrix", "full", "size", "more"),
    [
        ("hd.mp4", 1, False, HD, {}),
        ("hd_untagged.mp4", 1, False, HD, {"tagged": False}),
        ("hd_full.mp4", 1, True, HD, {}),
        ("upright_untagged.mp4", 1, False, (640, 360), {"tagged": False}),
        ("sd_untagged.mp4", 6, False, SD, {"tagged": False}),
        ("sd_709.mp4", 1, False, SD, {}),
        ("hd_601.mp4", 6, False, HD, {}),
        ("ten_bits.mp4", 1, False, HD, {"pixels": "yuv420p10le"}),
        ("422.mov", 1, False, SD, {"codec": "prores_ks", "pixels": "yuv422p10le"}),
        ("444_full.mp4", 6, True, SD, {"pixels": "yuv444p"}),
        ("jpeg.avi", 6, True, HD, {"codec": "mjpeg", "pixels": "yuvj420p", "tagged": False}),
        ("rgb.mkv", 1, True, HD, {"codec": "libx264rgb", "pixels": "rgb24", "tagged": False}),
        ("qtrle.mov", 1, True, HD, {"codec": "qtrle", "pixels": "rgb24", "tagged": False}),
        ("vp9.webm", 1, False, HD, {"codec": "libvpx-vp9"}),
    ],
)
def test_colours_are_read_as_the_file_means_them(
    tmp_path: Path, name: str, matrix: int, full: bool, size: tuple[int, int], more: dict
) -> None:
    image = first(encoded(tmp_path / name, matrix, full, size, **more))
    assert image[size[0] // 2, size[1] // 2].tolist() == pytest.approx(COLOUR, abs=2)


def test_grey_without_a_tag_has_the_full_range(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "g.mkv", 1, codec="ffv1", pixels="gray", picture=lambda _: plain(SD, (250, 250, 250)))
    assert first(path)[9, 9].tolist() == pytest.approx((250, 250, 250), abs=1)


@pytest.mark.parametrize("size", [HD, SD])
@pytest.mark.parametrize("kind", ["video", "alpha", "prores"])
def test_a_player_shows_the_colours_that_were_written(tmp_path: Path, kind, size: tuple[int, int]) -> None:
    path = tmp_path / {"video": "a.mp4", "alpha": "a.webm", "prores": "a.mov"}[kind]
    image = plain(size) if kind == "video" else np.dstack([plain(size), plain(size)[..., :1]])
    with VideoWriter(path, Fraction(25), kind=kind) as writer:
        writer.write(image, 0)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    matrix = 1 if size == HD else 6
    assert (frame.colorspace, frame.color_range) == (matrix, 1)
    bits = 4 if kind == "prores" else 0  # beyond eight
    planes = [np.frombuffer(bytes(p), np.uint16 if bits else np.uint8) for p in frame.planes]
    y, u, v = (float(plane[len(plane) // 2]) / 2**bits for plane in planes[:3])
    (kr, kb), luma = WEIGHTS[matrix], (y - 16) / 219
    r, b = luma + 2 * (1 - kr) * (v - 128) / 224, luma + 2 * (1 - kb) * (u - 128) / 224
    shown = [255 * c for c in (r, (luma - kr * r - kb * b) / (1 - kr - kb), b)]
    assert shown == pytest.approx(COLOUR, abs=3)


def signal_of(light: float, transfer: int) -> float:
    """HDR's signal for light that is grey: 1 is the reference white, 203 cd/m²."""
    if transfer == 16:
        p = (light * 203 / 10000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * p) / (1 + 18.6875 * p)) ** 78.84375
    scene = (light * 0.203) ** (1 / 1.2)
    return (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


def hdr(path: Path, transfer: int, rgb: tuple[float, float, float], *, primaries: int = 9) -> np.ndarray:
    """A clip of signals in [0, 1], 10 bits, tagged; its first frame as it is read."""

    def setup(stream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range = 9, 1
        context.color_trc, context.color_primaries = transfer, primaries

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SD, "yuv444p10le"
        setup(stream)
        kr, kb = WEIGHTS[9]
        y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2]
        values = 64 + 876 * y, 512 + 448 * (rgb[2] - y) / (1 - kb), 512 + 448 * (rgb[0] - y) / (1 - kr)
        frame = av.VideoFrame(SD[1], SD[0], "yuv444p10le")
        for plane, value in zip(frame.planes, values):
            plane.update(np.full(plane.buffer_size // 2, round(value), np.uint16).tobytes())
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode()])
    return first(path)[9, 9]


@pytest.mark.parametrize("primaries", [9, 2])
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_comes_out_as_the_same_scene_in_sdr(tmp_path: Path, transfer: int, primaries: int) -> None:
    for i, (light, expected) in enumerate([(1.0, 255), (0.18, 118), (0.05, 63), (0.0, 0), (4.0, 255)]):
        read = hdr(tmp_path / f"{i}.mkv", transfer, (signal_of(light, transfer),) * 3, primaries=primaries)
        assert read.tolist() == pytest.approx((expected,) * 3, abs=3)


def test_the_hlg_of_a_phone() -> None:
    image = first(case("video_hdr") / "hlg.mp4")
    assert image[100, 50].tolist() == pytest.approx((255, 255, 255), abs=3)
    assert image[100, 250].tolist() == pytest.approx((118, 118, 118), abs=3)


def test_wide_colours_of_sdr_are_brought_to_srgb(tmp_path: Path) -> None:
    grey = hdr(tmp_path / "grey.mkv", 14, (0.5, 0.5, 0.5))
    assert grey.tolist() == pytest.approx((127.5, 127.5, 127.5), abs=2)
    red = hdr(tmp_path / "red.mkv", 14, (0.6, 0.4, 0.4)).astype(int)
    assert red[0] > 153 + 8  # what BT.2020 calls that is more saturated than BT.709's
    assert red[1] < 102
