"""The sound of one file taken along into another: copied where the container plays its codec, else encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from handseg.errors import MissingExtraError, VideoError
from handseg.video.containers import OPENING, location
from handseg.video.reader import VideoReader

try:
    import av
    import av.filter
    from av.error import FFmpegError
    from av.stream import Disposition
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

RATE = 48000
MOST_FAILED = 50  # packets in a row that can't be decoded, before the sound is given up


class SoundFormat(NamedTuple):
    """What a container takes. copied: codecs that go in as they are. encoder: for all others. preroll: seconds before
    the start at which a copied packet may lie, for decoders to begin with."""

    copied: frozenset[str]
    encoder: str
    preroll: float


class Sound:
    """The main audio stream of a file, of those that can be decoded, from the file's first picture on.

    Make it before the container's first packet is written. start: seconds after the first picture at which the
    container's time is 0. notes: what couldn't be taken along, and why.
    Raises FFmpegError when the file can't be opened.
    """

    def __init__(self, path: Path, container: Any, form: SoundFormat, start: float) -> None:
        self.notes: list[str] = []
        self._path, self._container, self._form = path, container, form
        self._origin = first_picture(path) + Fraction(start)
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        self._reached = 0.0
        self._source = av.open(location(path), options=OPENING)
        known = [s for s in self._source.streams.audio if s.codec_context is not None]
        if known:
            self._packets = self._take(next((s for s in known if s.disposition & Disposition.default), known[0]))
        elif self._source.streams.audio:
            self.notes.append(f"{path}: its sound is left out: no decoder knows it")

    def write(self, until: float | None) -> None:
        """Mux the sound up to a time in seconds; None: all of it."""
        while True:
            if self._waiting is None:
                self._waiting = self._next()
            if self._waiting is None:
                return
            self._reached = float(self._waiting.dts * self._waiting.time_base)
            if until is not None and self._reached > until:
                return
            packet, self._waiting = self._waiting, None
            self._container.mux(packet)

    def close(self) -> None:
        self._source.close()

    def _next(self) -> Any:
        """The next packet, or None after the last, also where sound can't be mixed or encoded further."""
        try:
            return next(self._packets, None)
        except FFmpegError as error:
            self._give_up(error)
            return None

    def _take(self, stream: Any) -> Iterator[Any]:
        if stream.codec_context.name in self._form.copied:
            return self._copied(stream, self._container.add_stream_from_template(stream))
        frames = self._decoded(stream)
        first = next(frames, None)
        if first is None:  # what is wrong is among the notes
            return iter(())
        encoder = self._container.add_stream(self._form.encoder, rate=RATE)
        encoder.layout = "mono" if first.layout.nb_channels == 1 else "stereo"
        return self._encoded(chain([first], frames), encoder)

    def _copied(self, stream: Any, output: Any) -> Iterator[Any]:
        shift = round(self._origin / stream.time_base)
        before = None
        for packet in self._demuxed(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = output
            if packet.pts < 0:
                before = packet
                continue
            if before is not None and -before.pts * stream.time_base <= self._form.preroll:
                yield before
            before = None
            yield packet

    def _encoded(self, frames: Iterator[Any], encoder: Any) -> Iterator[Any]:
        resampler = None
        for frame in frames:
            if resampler is None or not resampler.fits(frame):
                if resampler is not None:
                    yield from _packets(encoder, resampler.finish())
                resampler = _Resampler(frame, encoder.layout.name, resampler.end if resampler else 0)
            yield from _packets(encoder, resampler(frame))
        if resampler is not None:
            yield from _packets(encoder, resampler.finish())
        yield from encoder.encode(None)

    def _decoded(self, stream: Any) -> Iterator[Any]:
        """Frames at their times after the start; those before it are left out."""
        failed = 0
        for packet in self._demuxed(stream):
            try:
                frames = packet.decode()
            except EOFError:  # an empty packet after the last one
                return
            except FFmpegError as error:
                failed += 1
                if failed > MOST_FAILED:
                    self._give_up(error)
                    return
                continue
            for frame in frames:
                failed = 0
                if frame.pts is not None:
                    frame.pts -= round(self._origin / frame.time_base)
                    if frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate) > 0:
                        yield frame

    def _demuxed(self, stream: Any) -> Iterator[Any]:
        try:
            yield from self._source.demux(stream)
        except IndexError:  # PyAV's at the end of a file whose streams aren't all named at its beginning, as FLV
            return
        except FFmpegError as error:  # a damaged file
            self._give_up(error)

    def _give_up(self, error: FFmpegError) -> None:
        self.notes.append(
            f"{self._path}: its sound can't be decoded from {self._reached:.2f} s on ({error.strerror}); it ends there"
        )


class _Resampler:
    """Sound of one format at RATE and with a layout: gaps filled with silence, cut or filled to begin at a sample."""

    def __init__(self, frame: Any, layout: str, first: int) -> None:
        self._key = _format(frame)
        self.end = first
        self._graph = av.filter.Graph()
        source = self._graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=frame.time_base
        )
        resample = self._graph.add("aresample", f"{RATE}:async=1:first_pts={first}")
        mix = self._graph.add("aformat", f"channel_layouts={layout}")
        self._graph.link_nodes(source, resample, mix, self._graph.add("abuffersink")).configure()

    def fits(self, frame: Any) -> bool:
        return self._key == _format(frame)

    def __call__(self, frame: Any) -> list[Any]:
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> list[Any]:
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> list[Any]:
        frames: list[Any] = []
        while True:
            try:
                frame: Any = self._graph.pull()
            except (BlockingIOError, EOFError):
                return frames
            self.end = frame.pts + frame.samples
            frames.append(frame)


def _format(frame: Any) -> tuple[int, str, str]:
    return frame.sample_rate, frame.format.name, frame.layout.name


def _packets(encoder: Any, frames: list[Any]) -> Iterator[Any]:
    for frame in frames:
        yield from encoder.encode(frame)


def first_picture(path: Path) -> Fraction:
    """When the first picture of a file is shown, in seconds by the file's own clock; 0 where there is none."""
    try:
        with VideoReader(path) as reader:
            return reader.start
    except VideoError:
        return Fraction(0)
