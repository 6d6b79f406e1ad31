"""Times and sound: what is written begins at 0, with its sound at the same distance from the pictures as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.video.conftest import av, beep, case, make_clip, mux_beep, square

from handseg.video import VideoReader, VideoWriter  # isort: skip
from av.stream import Disposition  # isort: skip

FLASH = 10  # the frame that is bright; at 0.4 s, as the beep is when both begin together


def flash(index: int) -> np.ndarray:
    return np.full((96, 128, 3), 250 if index == FLASH else 40, np.uint8)


def copied(source: Path, target: Path) -> list[str]:
    """Write a clip anew; what the writer noted."""
    alpha = target.suffix != ".mp4"
    kind = {".mp4": "video", ".webm": "alpha", ".mov": "prores"}[target.suffix]
    with VideoReader(source) as reader, VideoWriter(target, reader.rate, kind=kind, sound=source) as writer:  # type: ignore[arg-type]
        for frame in reader:
            writer.write(np.dstack([frame.image, frame.image[..., :1]]) if alpha else frame.image, frame.time)
    return writer.notes


def flashed(path: Path) -> tuple[float, float]:
    """Times of the first frame and of the bright one, as the file says."""
    with av.open(str(path)) as container:
        frames = [(f.time, f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]
    return frames[0][0], next(time for time, mean in frames if mean > 150)


@pytest.mark.parametrize(
    ("name", "encoder", "start", "sound_from", "suffix"),
    [
        ("stream.ts", "aac", 3600.0, 3600.0, ".mp4"),
        ("stream.ts", "aac", 3600.0, 3600.0, ".webm"),
        ("late.mkv", "aac", 100.0, 100.0, ".mov"),
        ("late_opus.mkv", "libopus", 50.0, 50.0, ".webm"),
        ("late_pcm.mkv", "pcm_s16le", 50.0, 50.0, ".mp4"),
        ("late_pcm.mkv", "pcm_s16le", 50.0, 50.0, ".mov"),
        ("sound_first.mkv", "aac", 10.3, 10.0, ".mp4"),
        ("sound_first_opus.mkv", "libopus", 10.3, 10.0, ".webm"),
        ("sound_first_pcm.mkv", "pcm_s16le", 10.3, 10.0, ".mov"),
        ("sound_later.mp4", "aac", 0.0, 0.3, ".mp4"),
        ("sound_later_opus.mkv", "libopus", 0.0, 0.3, ".webm"),
        ("sound_later_pcm.mkv", "pcm_s16le", 0.0, 0.3, ".mp4"),
    ],
)
def test_outputs_begin_at_0_in_time_with_their_sound(
    tmp_path: Path, name: str, encoder: str, start: float, sound_from: float, suffix: str
) -> None:
    times = [start + i / 25 for i in range(25)]
    source = make_clip(
        tmp_path / name, 25, times=times, audio=encoder, sound_from=sound_from, picture=lambda i: flash(i)
    )
    target = tmp_path / f"out{suffix}"
    assert copied(source, target) == []
    first, bright = flashed(target)
    assert first == pytest.approx(0, abs=0.002)
    assert bright == pytest.approx(0.4, abs=0.002)
    assert beep(target)[0] - bright == pytest.approx(sound_from - start, abs=0.012)
    with av.open(str(target)) as container:
        assert container.duration / 1e6 == pytest.approx(1.0 + max(0.0, sound_from - start), abs=0.1)


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    for start in (-0.5, 100.0):
        times = [start + t for t in (0, 0.03, 0.1, 0.5, 0.52, 1.3)]
        with VideoReader(make_clip(tmp_path / f"{start}.mkv", 6, times=times)) as reader:
            assert [f.time for f in reader] == pytest.approx([t - start for t in times], abs=2e-3)
            assert reader.start >= 0


@pytest.mark.parametrize("layout", ["5.1", "quad", "mono"])
def test_any_layout_is_mixed_down(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 96, 128, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=44100)
        sound.layout = layout
        for i in range(10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(square(i), "rgb24").reformat(format="yuv420p")))
        container.mux(video.encode())
        wave = np.zeros((1, 17640 * sound.layout.nb_channels), np.int16)
        wave[0, wave.shape[1] // 2 :] = 9000 * (np.arange(wave.shape[1] - wave.shape[1] // 2) // 500 % 2)
        block = av.AudioFrame.from_ndarray(wave, "s16", layout)
        block.sample_rate, block.pts = 44100, 0
        container.mux([*sound.encode(block), *sound.encode()])
    assert copied(path, tmp_path / "out.mp4") == []
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name) == (48000, "mono" if layout == "mono" else "stereo")
    assert beep(tmp_path / "out.mp4")[0] == pytest.approx(0.2, abs=0.02)


def test_sound_that_no_decoder_knows_is_left_out_and_said(tmp_path: Path) -> None:
    notes = copied(case("video_undecodable_sound") / "apac.mp4", tmp_path / "out.mp4")
    assert len(notes) == 1
    assert "apac.mp4: its sound is left out: no decoder knows it" in notes[0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_sound_that_is_damaged_ends_and_is_said(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", 50, audio="ac3")
    data = bytearray(source.read_bytes())
    at = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\x0b\x77"]  # AC-3's sync words
    for i in at[5:]:
        data[i : i + 2] = b"\0\0"
    source.write_bytes(data)
    notes = copied(source, tmp_path / "out.mp4")
    assert len(notes) == 1
    assert "its sound can't be decoded from" in notes[0]
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert len(list(reader)) == 50


def test_of_several_sounds_the_main_one_comes_along(tmp_path: Path) -> None:
    source, target = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.height, pictures.width, pictures.pix_fmt = 96, 128, "yuv420p"
        sounds = [container.add_stream("aac", rate=48000) for _ in range(2)]
        sounds[0].disposition = Disposition(0)
        sounds[1].disposition = Disposition.default
        for i in range(20):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(square(i), "rgb24").reformat(format="yuv420p")))
        container.mux(pictures.encode())
        for sound, begin in zip(sounds, (0.1, 0.5)):
            mux_beep(container, sound, 0.8, (begin, begin + 0.1))
    copied(source, target)
    assert beep(target)[0] == pytest.approx(0.5, abs=0.03)
