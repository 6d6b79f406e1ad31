from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handseg.errors import VideoError
from tests.video.conftest import make_clip, square

from handseg.video import VideoReader  # isort: skip


def read(path: Path) -> list:
    with VideoReader(path) as reader:
        return list(reader)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv444p10le"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.ts", "mpeg2video", "yuv420p"),
    ],
)
def test_containers_and_codecs(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = make_clip(tmp_path / name, codec=codec, pixels=pixels)
    with VideoReader(path) as reader:
        assert (reader.height, reader.width) == (96, 128)
        assert float(reader.rate) == pytest.approx(25, rel=0.05)
        frames = list(reader)
    assert [f.index for f in frames] == list(range(20))
    assert np.diff([f.time for f in frames]) == pytest.approx(0.04, abs=2e-3)
    for frame in frames[::5]:
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - square(frame.index)).mean() < 8


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 0.03, 0.1, 0.5, 0.52, 1.3]
    assert [f.time for f in read(make_clip(tmp_path / "v.mp4", 6, times=times))] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_metadata_is_applied(tmp_path: Path, rotation: int) -> None:
    frame = read(make_clip(tmp_path / "r.mp4", 3, rotation=rotation))[0]
    expected = np.rot90(square(0), rotation // 90)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 8


@pytest.mark.parametrize("size", [(95, 127), (2, 2), (96, 3)])
def test_odd_and_tiny_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "o.mkv"
    make_clip(path, 3, codec="ffv1", pixels="yuv444p", size=size)
    assert [f.image.shape for f in read(path)] == [(*size, 3)] * 3


def test_one_frame(tmp_path: Path) -> None:
    assert len(read(make_clip(tmp_path / "one.mp4", 1))) == 1


def test_a_wrong_suffix_does_no_harm(tmp_path: Path) -> None:
    assert len(read(make_clip(tmp_path / "a.mp4").rename(tmp_path / "a.mpg"))) == 20


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video" * 99)
    whole = make_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "head.mp4").write_bytes(whole[: len(whole) // 2])  # its index was at the end
    with av_audio(tmp_path / "sound.m4a"):
        pass
    for name, reason in (
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "not a video"),
        ("head.mp4", "cut short"),
        ("sound.m4a", "no video in it"),
        ("missing.mp4", "no such file"),
    ):
        with pytest.raises(VideoError, match=rf"{name}: .*{reason}"):
            VideoReader(tmp_path / name)


def av_audio(path: Path):
    import av

    container = av.open(str(path), "w")
    stream = container.add_stream("aac", rate=48000)
    block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), "s16", "mono")
    block.sample_rate, block.pts = 48000, 0
    container.mux(stream.encode(block))
    container.mux(stream.encode())
    return container


@pytest.mark.parametrize(("name", "options"), [("cut.mkv", {}), ("cut.mp4", {"movflags": "faststart"})])
def test_a_truncated_video_gives_what_it_has_and_says_where_it_ends(tmp_path: Path, name: str, options: dict) -> None:
    path = make_clip(tmp_path / name, 100, options=options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    frames = []
    with VideoReader(path) as reader, pytest.raises(VideoError, match=r"damaged .* frames up to|ends at frame \d+"):
        for frame in reader:
            frames.append(frame.index)
    assert 20 < len(frames) < 99
    assert frames == list(range(len(frames)))
