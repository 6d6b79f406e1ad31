"""Write frames to a video file that plays everywhere, with the sound of another."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from handseg.errors import MissingExtraError, VideoError

try:
    import av
    from av.error import FFmpegError
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

Kind = Literal["video", "alpha"]
SUFFIX: dict[Kind, str] = {"video": ".mp4", "alpha": ".webm"}
TIME_BASE = Fraction(1, 90000)
# crf: constant quality. The pixel format is the one that browsers play; VP9 carries the alpha beside it.
CODECS: dict[Kind, tuple[str, str, dict[str, str]]] = {
    "video": ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}),
    "alpha": ("libvpx-vp9", "yuva420p", {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8"}),
}
COPIED_AUDIO = {"video": {"aac", "mp3"}, "alpha": {"opus", "vorbis"}}
AUDIO_ENCODER = {"video": "aac", "alpha": "libopus"}


class VideoWriter:
    """Writes H.264 in MP4 (`video`), or VP9 with alpha in WebM (`alpha`), at the times that the frames have.

    path: its suffix must be the kind's. sound: a file whose first audio stream is taken along: copied where the
    container plays its codec, else encoded anew. An odd height or width gains a row or column, as the formats want.

    The file has the name `<name>.partial<suffix>` until `close`; closed early, by `close(whole=False)` or by an
    exception in a `with` block, it keeps that name and plays up to there.
    Raises VideoError when it can't be written.
    """

    def __init__(self, path: Path, rate: Fraction, *, kind: Kind = "video", sound: Path | None = None) -> None:
        if path.suffix != SUFFIX[kind]:
            raise VideoError(f"{path}: {kind} is written as {SUFFIX[kind]}")
        self.path, self.kind, self.rate = path, kind, rate
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._sound = sound
        self._container: Any = None
        self._source: Any = None
        self._last = -1

    def write(self, image: np.ndarray, time: float) -> None:
        """Append a frame: RGB uint8 H×W×3, or RGBA H×W×4 for `alpha`; all of one size; time in seconds, increasing."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            if self._container is None:
                self._open(image)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgba" if self.kind == "alpha" else "rgb24")
            self._last = max(self._last + 1, round(time / TIME_BASE))
            frame.pts, frame.time_base = self._last, TIME_BASE
            self._container.mux(self._video.encode(frame.reformat(format=self._video.pix_fmt)))
            self._write_sound(until=time)
        except (FFmpegError, OSError) as error:
            raise VideoError(
                f"{self.path}: can't be written ({error}); choose another folder, or free space"
            ) from error

    def close(self, *, whole: bool = True) -> None:
        """Finish the file. whole: all frames are in it, so that it gets its name."""
        if self._container is None:
            return
        try:
            self._container.mux(self._video.encode())
            self._write_sound(until=None if whole else float(self._last * TIME_BASE))
            self._finish_sound()
            self._container.close()
        except (FFmpegError, OSError) as error:
            raise VideoError(
                f"{self.path}: can't be written ({error}); choose another folder, or free space"
            ) from error
        finally:
            self._container = None
            if self._source is not None:
                self._source.close()
        if whole:
            os.replace(self.partial, self.path)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(whole=error is None)

    def _open(self, image: np.ndarray) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The index at the front, so that a browser can start before it has the whole file.
        options = {"movflags": "+faststart"} if self.kind == "video" else {}
        self._container = av.open(str(self.partial), "w", options=options)
        codec, pixels, settings = CODECS[self.kind]
        self._video = self._container.add_stream(codec, rate=self.rate, options=settings)
        self._video.height, self._video.width = image.shape[:2]
        self._video.pix_fmt = pixels
        self._video.codec_context.time_base = TIME_BASE
        self._audio: Any = None
        self._encoder: Any = None
        if self._sound is not None:
            self._open_sound(self._sound)

    def _open_sound(self, path: Path) -> None:
        self._source = av.open(str(path))
        if not self._source.streams.audio:
            return
        stream = self._source.streams.audio[0]
        if stream.codec_context.name in COPIED_AUDIO[self.kind]:
            self._audio = self._container.add_stream_from_template(stream)
            self._packets = self._source.demux(stream)
        else:
            self._audio = self._encoder = self._container.add_stream(AUDIO_ENCODER[self.kind], rate=48000)
            self._packets = self._source.decode(stream)
        self._waiting: Any = None

    def _write_sound(self, until: float | None) -> None:
        """Sound up to a time in seconds; None: all of it."""
        if self._audio is None:
            return
        while True:
            if self._waiting is None:
                try:
                    self._waiting = next(self._packets, None)
                except FFmpegError:  # a damaged source: the sound ends where it does
                    self._waiting = None
            item = self._waiting
            if item is None or (until is not None and item.pts is not None and item.pts * item.time_base > until):
                return
            self._waiting = None
            if self._encoder is not None:
                self._container.mux(self._encoder.encode(item))
            elif item.dts is not None:
                item.stream = self._audio
                self._container.mux(item)

    def _finish_sound(self) -> None:
        if self._encoder is not None:
            self._container.mux(self._encoder.encode())
