"""Segment a video: read, segment, smooth and write, a frame at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from handseg.batch.outputs import KINDS, VIDEO_KINDS
from handseg.batch.style import PLAIN, Style
from handseg.errors import DamagedVideoError, VideoError
from handseg.inference.segmenter import Segmenter
from handseg.masks.result import HandMask
from handseg.parallel import ahead, in_order
from handseg.video.animation import AnimationReader
from handseg.video.frame import VideoFrame, frame_files
from handseg.video.outputs import INDEX, Lines, Output, Picture, Sequence
from handseg.video.reader import VideoReader, open_video
from handseg.video.smooth import Smoother
from handseg.video.writer import Kind, VideoWriter

AHEAD = 3  # frames decoded before they are needed
WARM_UP = 20  # frames that a resumed sequence is smoothed over before its first new mask
FILMS: dict[str, Kind] = {".webm": "alpha", ".mov": "prores"}


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
    note: Callable[[str], object] = lambda _: None,
    style: Style = PLAIN,
) -> int:
    """Write what is asked for of a video or an animated picture; returns the number of its frames.

    targets: kind of output (see outputs.VIDEO_KINDS) → path. progress: wraps the frames, whose number may be known.
    note: is told, at the end and in a line each, what was left out or changed though nothing failed, as a sound that
    can't be decoded.
    goes_on: kinds of which the frames that an earlier, interrupted call has written are kept; they aren't segmented
    again if that is all that is asked for. begun: called when the video is open and older frames are gone. style: of
    pictures, that aren't cropped. Films and lines have `.partial` in their names until they are whole.
    Raises VideoError when the video can't be opened, and DamagedVideoError after writing what could be decoded.
    """
    with open_video(source) as reader:
        if any(path.resolve() == source.resolve() for path in targets.values()):
            raise VideoError(f"{source}: its own output would replace it; choose another output folder")
        outputs = {kind: _output(kind, path, reader, style, goes_on=kind in goes_on) for kind, path in targets.items()}
        begun()
        only = next(iter(outputs.values())) if len(outputs) == 1 else None
        sequence = only if isinstance(only, Sequence) else None
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
        notes = reader.notes + [n for o in outputs.values() if isinstance(o, Picture) for n in o.writer.notes]
        for text in dict.fromkeys(notes):  # several outputs may lack the same sound
            note(text)
        if damage is not None:
            raise damage
    return count


def _output(kind: str, path: Path, reader: VideoReader | AnimationReader, style: Style, *, goes_on: bool) -> Output:
    if kind == "json":
        return Lines(path)
    drawn = KINDS[kind].draw
    if drawn is None:
        raise VideoError(f"{reader.path}: no {kind} of a video; choose from {', '.join(VIDEO_KINDS)}")
    picture = partial(_draw, drawn, style)
    if KINDS[kind].frames:
        return Sequence(path, picture, goes_on=goes_on)
    sound = reader.path if reader.has_audio and KINDS[kind].sound else None
    return Picture(VideoWriter(path, reader.rate, kind=FILMS.get(path.suffix, "video"), sound=sound), picture)


def _draw(
    drawn: Callable[[np.ndarray, HandMask, Style], np.ndarray], style: Style, image: np.ndarray, result: HandMask
) -> np.ndarray:
    return drawn(image, result, style)
