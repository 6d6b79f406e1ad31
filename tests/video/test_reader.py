from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.errors import DamagedVideoError, VideoError
from tests.video.conftest import av, case, make_clip, square

from av.stream import Disposition  # isort: skip
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


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fragmented.mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("with_sound.mkv", {"audio": "aac"}),
        ("flash.flv", {"audio": "aac"}),
        ("old.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    ],
)
def test_whatever_is_cut_short_keeps_all_that_can_be_decoded(tmp_path: Path, name: str, options: dict) -> None:
    path = make_clip(tmp_path / name, 100, **options)
    data = path.read_bytes()
    assert len(read(path)) == 100
    path.write_bytes(data[: int(len(data) * 0.63)])
    frames = []
    with VideoReader(path) as reader, pytest.raises(DamagedVideoError, match=rf"{name}: damaged \("):
        frames.extend(reader)
    assert [f.index for f in frames] == list(range(len(frames)))
    for frame in frames[:-1]:  # the last may be half a picture
        assert np.abs(frame.image.astype(int) - square(round(frame.time * 25))).mean() < 8
    assert len(frames) > 40


@pytest.mark.parametrize(("name", "count"), [("fragcut.mp4", 117), ("truncfrag.mp4", 27)])
def test_a_fragment_cut_in_the_middle(name: str, count: int) -> None:
    frames = []
    path = case("video_cut_fragment") / name
    with VideoReader(path) as reader, pytest.raises(DamagedVideoError, match=f"damaged .* {count} frames up to"):
        frames.extend(reader)
    assert len(frames) == count


def test_transport_streams_joined_are_not_damaged() -> None:
    with VideoReader(case("resize_midway") / "resize.ts") as reader:
        sizes = [f.image.shape[:2] for f in reader]
    assert sizes == [(240, 320)] * 12 + [(320, 480)] * 12


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    sound = io.BytesIO()
    with av.open(sound, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=44100)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 44100), np.int16), "s16", "stereo")
        block.sample_rate, block.pts = 44100, 0
        container.mux([*stream.encode(block), *stream.encode()])
    picture = io.BytesIO()
    Image.fromarray(square(0)).save(picture, "JPEG")
    body = b"\0image/jpeg\0\3\0" + picture.getvalue()
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    (tmp_path / "song.mp3").write_bytes(b"ID3\3\0\0" + size + frame + sound.getvalue())
    with pytest.raises(VideoError, match=r"song\.mp3: no video in it, only a cover picture"):
        VideoReader(tmp_path / "song.mp3")


def test_of_two_videos_the_main_one_is_read_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for height, width in ((48, 64), (96, 128)):
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            streams.append(stream)
        streams[1].disposition = Disposition.default
        for i in range(5):
            for stream in streams:
                picture = av.VideoFrame.from_ndarray(square(i, stream.height, stream.width), "rgb24")
                container.mux(stream.encode(picture.reformat(format="yuv420p")))
        for stream in streams:
            container.mux(stream.encode())
    with VideoReader(path) as reader:
        assert (reader.height, reader.width) == (96, 128)
        assert reader.notes == [f"{path}: has 2 videos; number 2 is read"]
        assert len(list(reader)) == 5


def test_raw_motion_jpeg_with_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter with the clock
    path = tmp_path / "a.mjpeg"
    with path.open("wb") as file:
        for i in range(5):
            Image.fromarray(square(i)).save(file, "JPEG", quality=95, exif=exif)
    frames = read(path)
    assert len(frames) == 5
    assert np.abs(frames[4].image.astype(int) - np.rot90(square(4), -1)).mean() < 8


def test_interlaced_frames_have_no_comb(tmp_path: Path) -> None:
    """A bar that moves by its half from field to field."""

    def field(number: int) -> np.ndarray:
        image = np.full((96, 128, 3), 40, np.uint8)
        image[20:80, 8 * number + 8 : 8 * number + 24] = 240
        return image

    def woven(index: int) -> np.ndarray:
        image = field(2 * index)
        image[1::2] = field(2 * index + 1)[1::2]
        return image

    def setup(stream) -> None:
        stream.codec_context.flags |= 1 << 18 | 1 << 29  # interlaced blocks and motion
        stream.codec_context.colorspace = 1
        stream.options = {"qscale": "2"}

    path = make_clip(
        tmp_path / "a.ts", 6, codec="mpeg2video", setup=setup, picture=woven, colours={"dst_colorspace": 1}
    )
    with av.open(str(path)) as container:
        assert all(f.interlaced_frame for f in container.decode(video=0))
    frames = read(path)
    assert [f.time for f in frames] == pytest.approx([i / 25 for i in range(6)], abs=1e-3)
    for frame in frames[1:5]:
        image = frame.image.astype(int)
        assert np.abs(np.diff(image[30:70], axis=0)).mean() < 2
        moments = [field(2 * frame.index + i) for i in range(2)]
        assert min(np.abs(image - moment)[30:70].mean() for moment in moments) < 2
