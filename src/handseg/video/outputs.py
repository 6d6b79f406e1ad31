"""What is written of a video: a sequence of pictures, a video drawn from it, or lines of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import numpy as np

from handseg.errors import VideoError
from handseg.files import write_atomically
from handseg.image import save_png
from handseg.masks.result import HandMask
from handseg.masks.tracks import Tracker
from handseg.video.frame import VideoFrame, frame_files
from handseg.video.writer import VideoWriter

INDEX = "frames.json"
Draw = Callable[[np.ndarray, HandMask], np.ndarray]  # of a frame's image, RGB uint8 H×W×3, and its result


class Output(Protocol):
    """One thing that is written of a video; a context manager that keeps what it has when it is left early."""

    def write(self, frame: VideoFrame, result: HandMask) -> None: ...

    def __enter__(self) -> Output: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Sequence:
    """`000000.png` … in a folder; and, once all are there, `frames.json` with the time of each.

    goes_on: those that are there stay; else they are removed, and whatever else lies there isn't touched.
    """

    def __init__(self, folder: Path, picture: Draw, *, goes_on: bool) -> None:
        self.folder = folder
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
        self._picture = picture
        self._times: list[float] = []

    def skip(self, frame: VideoFrame) -> None:
        self._times.append(frame.time)

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        self._times.append(frame.time)
        if frame.index >= self.done:
            save_png(self.folder / f"{frame.index:06d}.png", self._picture(frame.image, result))

    def __enter__(self) -> Sequence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            index = {"frames": len(self._times), "seconds": [round(t, 6) for t in self._times]}
            write_atomically(self.folder / INDEX, lambda file: file.write(json.dumps(index).encode()))


class Picture:
    """A video of something drawn from each frame and its result."""

    def __init__(self, writer: VideoWriter, picture: Draw) -> None:
        self.writer = writer
        self._picture = picture

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        picture = self._picture(frame.image, result)
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        self.writer.write(picture, frame.time, frame.pixel_aspect)

    def __enter__(self) -> Picture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.__exit__(kind, error, trace)


class Lines:
    """JSON, a line a frame: its index, time in seconds, width and height, and its hands, each with its track's id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tracker = Tracker()
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._file: IO[str] | None = None

    def write(self, frame: VideoFrame, result: HandMask) -> None:
        tracks = self._tracker(result.hands, frame.time)
        hands = [{"track": track.id, **asdict(track.hand)} for track in tracks]
        height, width = result.mask.shape
        size = {"width": width, "height": height}
        record = {"frame": frame.index, "seconds": round(frame.time, 6), **size, "hands": hands}
        with self._errors():
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.partial.open("w", encoding="utf-8", buffering=1)  # for who follows it
            self._file.write(json.dumps(record) + "\n")

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with self._errors():
                self._file.close()
                if error is None:
                    os.replace(self.partial, self.path)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise VideoError(
                f"{self.path}: can't be written ({error.strerror or error}); choose another folder, or free space"
            ) from error
