"""Clips made on the spot: a bright square that moves by a known step from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATA

av = pytest.importorskip("av", reason="PyAV isn't installed: handseg[video]")

CASES = DATA.parent / "cases"


def case(name: str) -> Path:
    """A folder of small files that broke something."""
    if not (CASES / name).is_dir():
        pytest.skip(f"no cases at {CASES}; set HANDSEG_DATA")
    return CASES / name


def square(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A frame whose square stands at 8 · (index + 1), modulo its room."""
    image = np.full((height, width, 3), 40, np.uint8)
    x = 8 * (index + 1) % (width - 24)
    image[30:50, x : x + 20] = (250, 200, 180)
    return image


def make_clip(
    path: Path,
    frames: int = 20,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (96, 128),
    times: list[float] | None = None,
    rotation: int = 0,
    audio: str | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    picture: Callable[[int], np.ndarray] | None = None,
    setup: Callable[[Any], object] = lambda _: None,
    colours: dict[str, int] | None = None,
    sound_from: float = 0.0,
) -> Path:
    """Write a clip; times: seconds of each frame, default at `rate`. audio: encoder of a beep 0.4 s after the sound
    begins, at `sound_from` seconds. picture: of a frame by its index, default `square`. setup: is called with the
    stream. colours: of the conversion from RGB."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.options = {"g": "5"}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 90000)
        setup(stream)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = container.add_stream(audio, rate=48000) if audio else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i) if picture else square(i, *size), "rgb24").reformat(
                format=pixels, **(colours or {})
            )
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 90000), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            mux_beep(container, sound, frames / rate, (0.4, 0.5), sound_from)
    return path


def mux_beep(container, stream, seconds: float, loud: tuple[float, float], begin: float = 0.0) -> None:
    """Write silence with a beep in it, mono at 48 kHz."""
    t = np.arange(round(48000 * seconds)) / 48000
    wave = (np.sin(2 * np.pi * 880 * t) * ((t > loud[0]) & (t < loud[1])) * 20000).astype(np.int16)
    for start in range(0, len(wave), 1024):
        block = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "s16", "mono")
        block.sample_rate, block.pts = 48000, round(48000 * begin) + start
        container.mux(stream.encode(block))
    container.mux(stream.encode())


def beep(path: Path) -> tuple[float, float]:
    """Seconds at which the sound of a file sets in, and at which its last sample lies."""
    start = end = None
    with av.open(str(path)) as container:
        for block in container.decode(audio=0):
            wave = np.abs(block.to_ndarray().astype(np.float32))
            # Planar: a row a channel. Packed: one row with the channels in turn.
            wave = (
                wave.max(axis=0) if block.format.is_planar else wave.reshape(-1, block.layout.nb_channels).max(axis=1)
            )
            wave = wave / (32768 if wave.max(initial=0) > 2 else 1)
            loud = np.flatnonzero(wave > 0.2)
            if start is None and len(loud):
                start = block.time + loud[0] / block.sample_rate
            end = block.time + len(wave) / block.sample_rate
    assert start is not None
    assert end is not None
    return start, end
