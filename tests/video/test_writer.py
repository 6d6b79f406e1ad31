from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from handseg.errors import VideoError
from tests.video.conftest import av, beep, make_clip, square

from handseg.video import VideoReader, VideoWriter  # isort: skip

RATE = Fraction(25)


def test_frames_come_back_at_their_times(tmp_path: Path) -> None:
    times = [0, 0.04, 0.1, 0.3, 0.31, 1.0]
    with VideoWriter(tmp_path / "new" / "a.mp4", RATE) as writer:
        for i, time in enumerate(times):
            writer.write(square(i), time)
        assert not writer.path.exists()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.mp4"]
    with VideoReader(tmp_path / "new" / "a.mp4") as reader:
        frames = list(reader)
    assert [f.time for f in frames] == pytest.approx(times, abs=1e-3)
    assert np.abs(frames[3].image.astype(int) - square(3)).mean() < 5


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", RATE) as writer:
        for i in range(5):
            writer.write(square(i, 95, 127), i / 25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 128, 96)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_alpha_survives(tmp_path: Path) -> None:
    alpha = np.zeros((96, 128, 1), np.uint8)
    alpha[20:70, 30:90] = 255
    with VideoWriter(tmp_path / "a.webm", RATE, kind="alpha") as writer:
        for i in range(5):
            writer.write(np.dstack([square(i), alpha]), i / 25)
    with av.open(str(tmp_path / "a.webm")) as container:
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # ffmpeg's own decoder drops the alpha
        frames = [f for p in container.demux(video=0) for f in decoder.decode(p)]
    assert len(frames) == 5
    found = frames[2].to_ndarray(format="rgba")[..., 3]
    assert np.abs(found.astype(int) - alpha[..., 0]).mean() < 6


@pytest.mark.parametrize(
    ("source", "encoder", "kind"),
    [("s.mp4", "aac", "video"), ("s.mkv", "pcm_s16le", "video"), ("s.mkv", "libopus", "alpha")],
)
def test_the_sound_comes_along_in_time(tmp_path: Path, source: str, encoder: str, kind) -> None:
    clip = make_clip(tmp_path / source, 50, audio=encoder)
    out = tmp_path / f"out{'.webm' if kind == 'alpha' else '.mp4'}"
    with VideoReader(clip) as reader, VideoWriter(out, reader.rate, kind=kind, sound=clip) as writer:
        for frame in reader:
            image = frame.image if kind == "video" else np.dstack([frame.image, frame.image[..., :1]])
            writer.write(image, frame.time)
    start, end = beep(out)
    assert start == pytest.approx(beep(clip)[0], abs=1 / 25)
    assert end == pytest.approx(2.0, abs=0.1)


def test_closed_early_it_plays_up_to_there_under_another_name(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "s.mp4", 100, audio="aac")

    def stop_after(n: int) -> None:
        with VideoReader(clip) as reader, VideoWriter(tmp_path / "o.mp4", reader.rate, sound=clip) as writer:
            for frame in reader:
                if frame.index == n:
                    raise KeyboardInterrupt
                writer.write(frame.image, frame.time)

    with pytest.raises(KeyboardInterrupt):
        stop_after(40)
    assert not (tmp_path / "o.mp4").exists()
    partial = tmp_path / "o.partial.mp4"
    with VideoReader(partial) as reader:
        assert len(list(reader)) == 40
    start, end = beep(partial)
    assert start == pytest.approx(beep(clip)[0], abs=1 / 25)
    assert end == pytest.approx(40 / 25, abs=0.1)


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", RATE):
        pass
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.avi: video is written as \.mp4"):
        VideoWriter(tmp_path / "a.avi", RATE)
    writer = VideoWriter(Path("/proc/none/a.mp4"), RATE)
    with pytest.raises(VideoError, match=r"a\.mp4: can't be written"):
        writer.write(square(0), 0)


def test_a_frame_of_another_size_is_letterboxed_and_said(tmp_path: Path) -> None:
    white = np.full((60, 240, 3), 255, np.uint8)
    with VideoWriter(tmp_path / "a.mp4", RATE) as writer:
        for i in range(4):
            writer.write(square(i) if i < 2 else white, i / 25)
    assert writer.notes == [f"{tmp_path / 'a.mp4'}: letterboxed from 0.08 s on, where the picture has another shape"]
    with VideoReader(tmp_path / "a.mp4") as reader:
        image = list(reader)[3].image.astype(int)
    assert image.shape == (96, 128, 3)
    assert image[34:62].mean() > 245  # 128×32 in the middle
    assert image[:30].mean() < 5
    assert image[66:].mean() < 5


def test_a_frame_of_another_pixel_aspect_is_letterboxed(tmp_path: Path) -> None:
    white = np.full((96, 128, 3), 255, np.uint8)
    with VideoWriter(tmp_path / "a.mp4", RATE) as writer:
        writer.write(square(0), 0, Fraction(2))
        writer.write(white, 0.04, Fraction(1))
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert reader.pixel_aspect == 2
        image = list(reader)[1].image.astype(int)
    assert image[:, 36:92].mean() > 245  # half as wide as it was
    assert image[:, :28].mean() < 5


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(16, 11), (96, 186)), (Fraction(1, 2), (192, 128))])
def test_pixels_keep_their_shape_or_the_picture_its(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    """WebM can't say what shape its pixels have, as PyAV writes it; there the picture is stretched."""
    rgba = np.dstack([square(0), square(0)[..., :1]])
    for name, kind, image in (("a.mp4", "video", square(0)), ("a.mov", "prores", rgba), ("a.webm", "alpha", rgba)):
        with VideoWriter(tmp_path / name, RATE, kind=kind) as writer:
            writer.write(image, 0, aspect)
        with VideoReader(tmp_path / name) as reader:
            assert reader.pixel_aspect == (1 if kind == "alpha" else aspect)
            assert (reader.height, reader.width) == (size if kind == "alpha" else (96, 128))


def test_editors_get_prores_4444_with_its_alpha(tmp_path: Path) -> None:
    alpha = np.zeros((96, 128, 1), np.uint8)
    alpha[20:70, 30:90] = 255
    with VideoWriter(tmp_path / "a.mov", RATE, kind="prores") as writer:
        for i in range(3):
            writer.write(np.dstack([square(i), alpha]), i / 25)
    with av.open(str(tmp_path / "a.mov")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.profile) == ("prores", "4444")
        frame = list(container.decode(video=0))[2]
    assert frame.format.name.startswith("yuva444p")
    found = frame.to_ndarray(format="rgba").astype(int)
    assert np.array_equal(found[..., 3], alpha[..., 0])
    assert np.abs(found[..., :3] - square(2)).mean() < 3  # the picture is whole where it is transparent, too


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras name clips by their times; FFmpeg would look for a protocol called 12."""
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", 3, audio="aac").rename("12:30.mp4")
    for name in ("12:30.mp4", "./12:30.mp4", tmp_path / "12:30.mp4"):
        target = Path("file:out.mp4")
        with VideoReader(name) as reader, VideoWriter(target, reader.rate, sound=reader.path) as writer:
            for frame in reader:
                writer.write(frame.image, frame.time)
        with av.open(str(tmp_path / target)) as container:
            assert len(list(container.decode(video=0))) == 3
            assert container.streams.audio
