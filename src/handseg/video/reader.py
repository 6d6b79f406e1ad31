"""Read the frames of a video file, upright, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from handseg.errors import DamagedVideoError, MissingExtraError, VideoError
from handseg.video.animation import AnimationReader, is_animated
from handseg.video.colour import ToRgb
from handseg.video.containers import OPENING, forced_format, location
from handseg.video.deinterlace import deinterlaced
from handseg.video.frame import SQUARE, VideoFrame
from handseg.video.orientation import Orientation, from_display_matrix, from_rotation

try:
    import av
    from av.error import FFmpegError
    from av.stream import Disposition
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

WIDEST = 4  # pixel aspects beyond it, or its inverse, are taken for a mistake
ENDS_EARLY = 1.0  # seconds of its declared length that a stream may lack, beyond two frames


def open_video(path: str | Path) -> VideoReader | AnimationReader:
    """The reader for a file: of a video, or of an animated picture."""
    return AnimationReader(path) if is_animated(path) else VideoReader(path)


class VideoReader:
    """The frames of the main video stream of a file, whatever its container, codec and frame rate.

    Rotation and mirroring by metadata are applied; colours become sRGB, 8 bits a channel, by the matrix, range and
    transfer that the file names (untagged: BT.709 for HD, BT.601 below), HDR tone-mapped. Interlaced frames are
    deinterlaced, one for one. Times count from the first
    frame. A cover picture in a sound file is no video. Iterate it once.

    height, width: of the first upright frame, in pixels. pixel_aspect: width of its pixels by their height. rate:
    frames a second, the average. frames: how many the file says it has; an estimate where it doesn't, None where
    nothing is known. start: the first frame's time by the file's own clock. notes: what of the file is left out.
    Raises VideoError when the file isn't a video that can be opened; while iterating, after the last frame that
    could be decoded, DamagedVideoError when it is damaged somewhere or ends early.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        if not self.path.is_file():
            raise VideoError(f"{path}: no such file")
        if self.path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty; copy or record it anew")
        try:
            self._container = av.open(location(self.path), format=forced_format(self.path), options=OPENING)
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
        self._stream = self._main_stream()
        # Not by frames: with those, what lies between a damaged frame and the last good one is lost, without an error.
        self._stream.thread_type = "SLICE"
        self.start = Fraction(0)
        self._damage = ""
        self._reached = 0.0  # where the last packet of any stream ends, by the file's clock
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            why = f" ({self._damage})" if self._damage else ""
            raise VideoError(f"{self.path}: no frame of it can be decoded{why}; copy it anew")
        self.height, self.width = self._first.image.shape[:2]
        self.pixel_aspect = self._first.pixel_aspect
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 25)
        self.duration = self._duration()
        self.frames = self._stream.frames or (round(self.duration * self.rate) if self.duration else None)
        self.has_audio = bool(self._container.streams.audio)

    def _main_stream(self) -> Any:
        streams = self._container.streams.video
        pictures = Disposition.attached_pic | Disposition.timed_thumbnails
        known = [s for s in streams if s.codec_context is not None and not s.disposition & pictures]
        if not known:
            what = "no video in it"
            if any(s.codec_context is None for s in streams):
                what = "no decoder knows its video"
            elif streams:
                what = "no video in it, only a cover picture"
            raise VideoError(f"{self.path}: {what}; name a file that has moving pictures")
        main = next((s for s in known if s.disposition & Disposition.default), known[0])
        if len(known) > 1:
            self.notes.append(f"{self.path}: has {len(known)} videos; number {known.index(main) + 1} is read")
        return main

    def __iter__(self) -> Iterator[VideoFrame]:
        frame = self._first
        while frame is not None:
            yield frame
            last = frame
            frame = next(self._decoded, None)
        if not self._damage and self._ends_early(last.time):
            self._damage = f"cut short, at {last.time:.2f} s of {self.duration:.2f} s"
        if self._damage:
            raise DamagedVideoError(
                f"{self.path}: damaged ({self._damage}); what could be decoded is done, "
                f"{last.index + 1} frames up to {last.time:.2f} s"
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
        rate = Fraction(self._stream.average_rate or 25)
        to_rgb, context = ToRgb(), self._stream.codec_context
        time = Fraction(0)
        frame: Any
        for index, frame in enumerate(deinterlaced(self._pictures())):
            # A stream without time stamps (raw H.264, some AVI) runs at its rate.
            if frame.pts is not None:
                time = frame.pts * (frame.time_base or self._stream.time_base)
            elif index:
                time += 1 / rate
            if index == 0:
                self.start, coded_aspect = time, context.sample_aspect_ratio
            if frame.is_corrupt:
                self._note_damage(f"frame {index} at {float(time - self.start):.2f} s")
            # The container's word, until the codec's changes.
            is_as_before = context.sample_aspect_ratio == coded_aspect
            aspect = self._stream.sample_aspect_ratio if is_as_before else context.sample_aspect_ratio
            turn = _orientation(frame)
            image = turn.apply(to_rgb(frame, context.color_trc, context.color_primaries))
            yield VideoFrame(index, float(time - self.start), image, _usable(aspect, inverse=turn.transpose))

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """All that can be decoded; what can't is skipped and noted."""
        # Of all streams that are known, to see where the file ends.
        packets: Any = self._container.demux([s for s in self._container.streams if s.codec_context is not None])
        was_cut = False
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._note_damage(_reason(error))
                packet = None
            except IndexError:  # PyAV's at the end of a file whose streams aren't all named at its beginning, as FLV
                packet = None
            if packet is None:
                break
            at = packet.pts if packet.pts is not None else packet.dts
            if at is not None:
                self._reached = max(self._reached, float((at + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != self._stream.index:  # `stream_index` of the last, empty packets is always 0
                continue
            # In a transport stream joined of others that alone means nothing: each piece begins with such a packet.
            was_cut = packet.is_corrupt or (was_cut and not packet.size)
            try:
                yield from packet.decode()
            except EOFError:  # an empty packet after the last one
                continue
            except FFmpegError as error:
                place = "" if at is None else f" at {float(at * packet.time_base - self.start):.2f} s"
                self._note_damage(_reason(error) + place)
        if was_cut:
            self._note_damage("cut off in the middle of a frame")
        with suppress(EOFError, FFmpegError):  # what the decoder still holds, where the end came without a word
            yield from self._stream.decode(None)

    def _note_damage(self, what: str) -> None:
        self._damage = self._damage or what

    def _duration(self) -> float | None:
        """Seconds of the video stream, or else of the file; None where neither is said."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return None if self._container.duration is None else self._container.duration / av.time_base

    def _ends_early(self, last: float) -> bool:
        """last: time of the last frame."""
        if self.duration is None:
            return False
        if self._stream.duration is None:
            # What a file says of itself is about all of its streams; some count it from 0 and not from their start.
            last = max(last, self._reached)
        return last + 2 / float(self.rate) + ENDS_EARLY < self.duration


def _orientation(frame: Any) -> Orientation:
    try:
        found = (bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX")
        return from_display_matrix(next(found, b""))
    except ValueError:  # beside data of a kind that PyAV doesn't know, EXIF for one, it shows none at all
        return from_rotation(getattr(frame, "rotation", 0))


def _usable(aspect: Fraction | None, *, inverse: bool) -> Fraction:
    """A pixel aspect that can be meant; square, where none is said."""
    if not aspect or not 1 / WIDEST <= aspect <= WIDEST:
        return SQUARE
    return 1 / aspect if inverse else aspect


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
