"""Read the frames of a video file, upright, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from handseg.errors import DamagedVideoError, MissingExtraError, VideoError
from handseg.video.containers import OPENING

try:
    import av
    from av.error import FFmpegError
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

ENDS_EARLY = 1.0  # seconds of its declared length that a stream may lack, beyond two frames


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame. index: from 0. time: seconds, as the file says. image: RGB uint8 H×W×3, upright."""

    index: int
    time: float
    image: np.ndarray


class VideoReader:
    """The frames of the first video stream of a file, whatever its container, codec and frame rate.

    Rotation metadata is applied, more than 8 bits a channel are reduced to 8. Iterate it once.

    height, width: of the upright frames, in pixels. rate: frames a second, the average. frames: how many the file
    says it has; an estimate where it doesn't, None where nothing is known.
    Raises VideoError when the file isn't a video that can be opened; while iterating, after the last frame that
    could be decoded, DamagedVideoError when it is damaged somewhere or ends early.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise VideoError(f"{path}: no such file")
        if self.path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty; copy or record it anew")
        try:
            self._container = av.open(str(path), options=OPENING)
        except (FFmpegError, OSError) as error:
            raise VideoError(
                f"{path}: not a video that can be opened ({_reason(error)}); it may be cut short: copy it anew"
            ) from error
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> None:
        if not self._container.streams.video:
            raise VideoError(f"{self.path}: no video in it; name a file that has pictures")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._damage = ""
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            why = f" ({self._damage})" if self._damage else ""
            raise VideoError(f"{self.path}: no frame of it can be decoded{why}; copy it anew")
        self.height, self.width = self._first.image.shape[:2]
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 25)
        self.duration = self._duration()
        self.frames = self._stream.frames or (round(self.duration * self.rate) if self.duration else None)
        self.has_audio = bool(self._container.streams.audio)

    def __iter__(self) -> Iterator[VideoFrame]:
        frame = self._first
        while frame is not None:
            yield frame
            last = frame
            frame = next(self._decoded, None)
        if self._damage:
            raise DamagedVideoError(
                f"{self.path}: {self._damage}; what could be decoded is done, "
                f"{last.index + 1} frames up to {last.time:.2f} s"
            )
        if self.duration and last.time + 2 / float(self.rate) + ENDS_EARLY < self.duration:
            raise DamagedVideoError(
                f"{self.path}: ends at frame {last.index} ({last.time:.2f} s of {self.duration:.2f} s): cut short; "
                "what there is is done"
            )

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self) -> Iterator[VideoFrame]:
        rate = float(self._stream.average_rate or 25)
        time = 0.0
        for index, frame in enumerate(self._pictures()):
            # A stream without time stamps (raw H.264, some AVI) runs at its rate.
            time = frame.time if frame.time is not None else (time + 1 / rate if index else 0.0)
            if frame.is_corrupt:
                self._note_damage(f"frame {index} ({time:.2f} s) is damaged")
            image: np.ndarray = frame.to_ndarray(format="rgb24")
            if turns := round(frame.rotation / 90) % 4:
                image = np.ascontiguousarray(np.rot90(image, turns))
            yield VideoFrame(index, time, image)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """All that can be decoded; what can't is skipped and noted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._note_damage(f"damaged ({_reason(error)})")
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except EOFError:  # an empty packet after the last one
                return
            except FFmpegError as error:
                at = f" at {float(packet.pts * packet.time_base):.2f} s" if packet.pts is not None else ""
                self._note_damage(f"damaged{at} ({_reason(error)})")

    def _note_damage(self, what: str) -> None:
        self._damage = self._damage or what

    def _duration(self) -> float | None:
        """Seconds of the video stream, from the first frame's time on; None where the file doesn't say."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None and not self._container.streams.audio:
            return self._container.duration / av.time_base
        return None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
