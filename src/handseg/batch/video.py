"""Segment a video: read, segment, smooth and write, a frame at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import numpy as np

from handseg.batch.outputs import KINDS, VIDEO_KINDS, frame_files
from handseg.errors import DamagedVideoError, VideoError
from handseg.image import save_png, write_atomically
from handseg.parallel import ahead, in_order
from handseg.result import HandMask
from handseg.segmenter import Segmenter
from handseg.tracks import Tracker
from handseg.video.reader import VideoFrame, VideoReader
from handseg.video.smooth import Smoother
from handseg.video.writer import Kind, VideoWriter

INDEX = "frames.json"
AHEAD = 3  # frames decoded before they are needed
WARM_UP = 20  # frames that a resumed sequence is smoothed over before its first new mask


Draw = Callable[[np.ndarray, HandMask], np.ndarray]


class Output(Protocol):
    """One thing that is written of a video; a context manager that keeps what it has when it is left early."""

    def write(self, frame: VideoFrame, result: HandMask) -> None: ...

    def __enter__(self) -> Output: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FrameSequence:
    """`000000.png` … in a folder; and, once all are there, `frames.json` with the time of each.

    goes_on: those that are there stay; else they are removed, and whatever else lies there isn't touched.
    """

    def __init__(self, folder: Path, picture: Draw, *, goes_on: bool) -> None:
        self.folder = folder
        self._picture = picture
        self.done = 0
        if not goes_on:
            try:
                for path in frame_files(folder):
                    path.unlink()
            except OSError as error:
                raise VideoError(
                    f"{folder}: its frames can't be replaced ({error.strerror}); check the folder's rights"
                ) from error
        while (folder / f"{self.done:06d}.png").exists():
            self.done += 1
        self._times: list[float] = []

    def skip(self, frame: VideoFrame) -> None:
        self._times.append(frame.time)

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        self._times.append(frame.time)
        if frame.index >= self.done:
            save_png(self.folder / f"{frame.index:06d}.png", self._picture(frame.image, result))

    def __enter__(self) -> FrameSequence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            index = {"frames": len(self._times), "seconds": [round(t, 6) for t in self._times]}
            write_atomically(self.folder / INDEX, lambda file: file.write(json.dumps(index).encode()))


class Picture:
    """A video of something drawn from each frame and its result."""

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        picture: Draw,
        kind: Kind = "video",
        sound: Path | None = None,
    ) -> None:
        self._writer = VideoWriter(path, rate, kind=kind, sound=sound)
        self._picture = picture

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        picture = self._picture(frame.image, result)
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        self._writer.write(picture, frame.time)

    def __enter__(self) -> Picture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)


class Lines:
    """JSON, a line a frame: its index, its time in seconds, and its hands, each with the id of its track."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tracker = Tracker()
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._file: IO[str] | None = None

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.partial.open("w", encoding="utf-8", buffering=1)  # for who follows it
        tracks = self._tracker(result.hands, frame.time)
        hands = [{"track": track.id, **asdict(track.hand)} for track in tracks]
        record = {"frame": frame.index, "seconds": round(frame.time, 6), "hands": hands}
        self._file.write(json.dumps(record) + "\n")

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            if error is None:
                os.replace(self.partial, self.path)


def is_whole(kind: str, path: Path) -> bool:
    """Whether an output of a video is there, with all its frames."""
    if not KINDS[kind].frames:
        return os.path.exists(path)
    try:
        count = json.loads((path / INDEX).read_text("utf-8"))["frames"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return len(frame_files(path)) > int(count)


def segment_video(
    segmenter: Segmenter,
    source: Path,
    targets: dict[str, Path],
    *,
    smooth: bool = True,
    goes_on: Collection[str] = (),
    begun: Callable[[], None] = lambda: None,
    progress: Callable[[Iterable[VideoFrame], int | None], Iterable[VideoFrame]] = lambda frames, _: frames,
) -> int:
    """Write what is asked for of a video; returns the number of its frames.

    targets: kind of output (see outputs.VIDEO_KINDS) → path. progress: wraps the frames, whose number may be known.
    goes_on: kinds of which the frames that an earlier, interrupted call has written are kept; they aren't segmented
    again if that is all that is asked for. begun: called when the video is open and older frames are gone. Films and
    lines have `.partial` in their names until they are whole.
    Raises VideoError when the video can't be opened, and DamagedVideoError after writing what could be decoded.
    """
    with VideoReader(source) as reader:
        if any(path.resolve() == source.resolve() for path in targets.values()):
            raise VideoError(f"{source}: its own output would replace it; choose another output folder")
        outputs: dict[str, Output] = {}
        for kind, path in targets.items():
            outputs[kind] = _output(kind, path, reader.rate, source, goes_on=kind in goes_on)
        begun()
        only = next(iter(outputs.values())) if len(outputs) == 1 else None
        sequence = only if isinstance(only, FrameSequence) else None
        first = sequence.done if sequence is not None else 0
        smoother = Smoother() if smooth else None
        damage: DamagedVideoError | None = None
        count = 0

        def segmented() -> Iterator[tuple[VideoFrame, HandMask]]:
            nonlocal count, damage
            try:
                for frame in progress(ahead(reader, AHEAD), reader.frames):
                    count = frame.index + 1
                    if sequence is not None and count <= first - WARM_UP:
                        sequence.skip(frame)
                        continue
                    result = segmenter(frame.image)
                    if smoother is not None:
                        steady = smoother(frame.image, result.probability, frame.time)
                        result = replace(result, probability=steady)
                    yield frame, result
            except DamagedVideoError as error:
                damage = error  # the outputs are as whole as they can be, and get their names

        def write(segmented: tuple[VideoFrame, HandMask]) -> None:
            for output in outputs.values():
                output.write(*segmented)

        with ExitStack() as stack:
            for output in outputs.values():
                stack.enter_context(output)
            # Decoded in one thread, segmented in this, drawn and encoded in a third.
            with closing(in_order(write, segmented(), 1)) as under_way:
                for _, written in under_way:
                    written.result()
        if damage is not None:
            raise damage
    return count


def _output(kind: str, path: Path, rate: Fraction, source: Path, *, goes_on: bool) -> Output:
    if kind == "json":
        return Lines(path)
    drawn = KINDS[kind].draw
    if drawn is None:
        raise VideoError(f"{source}: no {kind} of a video; choose from {', '.join(VIDEO_KINDS)}")
    if KINDS[kind].frames:
        return FrameSequence(path, drawn, goes_on=goes_on)
    sound = source if KINDS[kind].sound else None
    return Picture(path, rate, drawn, "alpha" if path.suffix == ".webm" else "video", sound=sound)
