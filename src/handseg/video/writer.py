"""Write frames to a video file, with the sound of another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from handseg.errors import MissingExtraError, VideoError
from handseg.image import resize
from handseg.video.colour import FromRgb, tag
from handseg.video.containers import location
from handseg.video.frame import SQUARE
from handseg.video.sound import Sound, SoundFormat

try:
    import av
    from av.error import FFmpegError
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

Kind = Literal["video", "alpha", "prores"]
TIME_BASE = Fraction(1, 90000)


@dataclass(frozen=True)
class Format:
    """suffix: of the file. container: its options. codec, pixels, options: of the encoder. square: pixels of another
    shape can't be said, so that the picture is stretched instead."""

    suffix: str
    container: dict[str, str]
    codec: str
    pixels: str
    options: dict[str, str]
    sound: SoundFormat
    square: bool = False


FORMATS: dict[Kind, Format] = {
    # What browsers play, with the index at the front, so that they can start before they have the whole file. crf:
    # constant quality.
    "video": Format(
        ".mp4",
        {"movflags": "+faststart"},
        "libx264",
        "yuv420p",
        {"crf": "18", "preset": "veryfast"},
        SoundFormat(frozenset(["aac", "mp3"]), "aac", preroll=1.0),
    ),
    # VP9 carries the alpha beside it. Opus begins 6.5 ms before its sound.
    "alpha": Format(
        ".webm",
        {},
        "libvpx-vp9",
        "yuva420p",
        {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8"},
        SoundFormat(frozenset(["opus", "vorbis"]), "libopus", preroll=0.0066),
        square=True,
    ),
    # What editors take: ProRes 4444, each frame for itself, with straight alpha.
    "prores": Format(
        ".mov",
        {},
        "prores_ks",
        "yuva444p10le",
        {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
        SoundFormat(frozenset(["aac", "mp3", "pcm_s16le", "pcm_s24le"]), "pcm_s16le", preroll=1.0),
    ),
}


class VideoWriter:
    """Writes H.264 in MP4 (`video`), VP9 with alpha in WebM (`alpha`) or ProRes 4444 with alpha in MOV (`prores`).

    path: its suffix must be the kind's. rate: frames a second, about; each frame has its own time. sound: a video
    whose audio is taken along from its first picture on: copied where the container plays its codec, else encoded
    anew. An odd height or width gains a row or column, as the formats want. Colours are BT.709, with the
    matrix of BT.601 below HD, and say so.

    The first frame is at 0, the others, and the sound, as much later as they are. Its pixel aspect is kept; in WebM,
    which can't say it, pictures are stretched to square pixels. A frame of another shape than the first is
    letterboxed. notes: that this was done, and what of the sound couldn't be taken along.

    The file has the name `<name>.partial<suffix>` until `close`; closed early, by `close(whole=False)` or by an
    exception in a `with` block, it keeps that name and plays up to there.
    Raises VideoError when it can't be written.
    """

    def __init__(self, path: Path, rate: Fraction, *, kind: Kind = "video", sound: Path | None = None) -> None:
        self._format = FORMATS[kind]
        if path.suffix != self._format.suffix:
            raise VideoError(f"{path}: {kind} is written as {self._format.suffix}; give it that ending")
        self.path, self.kind, self.rate = path, kind, rate
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self.notes: list[str] = []
        self._sound_path = sound
        self._sound: Sound | None = None
        self._container: Any = None
        self._is_letterboxed = False
        self._last = -1

    def write(self, image: np.ndarray, time: float, pixel_aspect: Fraction = SQUARE) -> None:
        """Append a frame: RGB uint8 H×W×3, or RGBA H×W×4 for kinds with alpha; time in seconds, increasing.

        pixel_aspect: width of its pixels by their height, as `VideoFrame` has it.
        """
        try:
            if self._container is None:
                self._open(image, pixel_aspect, time)
            frame = self._from_rgb(self._fitted(image, pixel_aspect, time))
            self._last = max(self._last + 1, round((time - self._start) / TIME_BASE))
            frame.pts, frame.time_base = self._last, TIME_BASE
            self._container.mux(self._video.encode(frame))
            if self._sound is not None:
                self._sound.write(until=time - self._start)
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def close(self, *, whole: bool = True) -> None:
        """Finish the file. whole: all frames are in it, so that it gets its name."""
        if self._container is None:
            return
        try:
            self._container.mux(self._video.encode())
            if self._sound is not None:
                self._sound.write(until=None if whole else float(self._last * TIME_BASE))
                self.notes += self._sound.notes
            self._container.close()
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._container = None
            if self._sound is not None:
                self._sound.close()
        if whole:
            os.replace(self.partial, self.path)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(whole=error is None)

    def _open(self, image: np.ndarray, aspect: Fraction, time: float) -> None:
        self._start = time
        height, width = image.shape[:2]
        if self._format.square:
            height, width, aspect = round(height * max(1, 1 / aspect)), round(width * max(1, aspect)), SQUARE
        self._size, self._aspect = (height, width), aspect
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(location(self.partial), "w", options=self._format.container)
        self._video = self._container.add_stream(self._format.codec, rate=self.rate, options=self._format.options)
        self._video.height, self._video.width = height + height % 2, width + width % 2
        self._video.pix_fmt = self._format.pixels
        context = self._video.codec_context
        context.time_base = TIME_BASE
        context.sample_aspect_ratio = aspect
        tag(context)
        self._from_rgb = FromRgb(self._format.pixels)
        if self._sound_path is not None:
            self._sound = Sound(self._sound_path, self._container, self._format.sound, time)

    def _fitted(self, image: np.ndarray, aspect: Fraction, time: float) -> np.ndarray:
        """The frame at the video's size, with a border where its shape is another; even, with its edge repeated."""
        height, width = self._size
        shown = float(aspect / self._aspect) * image.shape[1]  # its width in the video's pixels
        scale = min(height / image.shape[0], width / shown)
        image = resize(image, max(1, round(image.shape[0] * scale)), max(1, round(shown * scale)))
        if image.shape[:2] != self._size:
            if not self._is_letterboxed:
                self.notes.append(f"{self.path}: letterboxed from {time:.2f} s on, where the picture has another shape")
            self._is_letterboxed = True
            top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
            inner, image = image, np.zeros((height, width, image.shape[2]), np.uint8)
            image[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return image

    def _failure(self, error: Exception) -> VideoError:
        return VideoError(f"{self.path}: can't be written ({error}); choose another folder, or free space")
