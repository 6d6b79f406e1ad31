"""Segment a video: read, segment, smooth and write, a frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from handseg import draw
from handseg.errors import DamagedVideoError, VideoError
from handseg.parallel import ahead, in_order
from handseg.result import HandMask
from handseg.segmenter import Segmenter
from handseg.video.animation import AnimationReader
from handseg.video.frame import VideoFrame
from handseg.video.outputs import INDEX, Draw, Lines, Output, Picture, Sequence
from handseg.video.reader import VideoReader, open_video
from handseg.video.smooth import Smoother
from handseg.video.writer import Kind, VideoWriter

OUTPUTS = {
    "mask": "",  # a folder
    "overlay": "_overlay.mp4",
    "cutout": "_cutout.webm",
    "cutout-prores": "_cutout.mov",
    "cutout-png": "_cutout",  # a folder
    "matte": "_matte.mp4",
    "heatmap": "_heatmap.mp4",
    "blur": "_blur.mp4",
    "json": ".jsonl",
}
AHEAD = 3  # frames decoded before they are needed
WARM_UP = 20  # frames that a resumed sequence is smoothed over before its first new mask
PICTURES: dict[str, Draw] = {
    "mask": lambda _, result: result.mask,
    "overlay": lambda image, result: draw.overlay(image, result.mask),
    "cutout": lambda image, result: draw.cutout(image, result.mask),
    "matte": lambda _, result: np.repeat(result.matte[..., None], 3, axis=2),
    "heatmap": lambda image, result: draw.heatmap(image, result.probability),
    "blur": lambda image, result: draw.blur_background(image, result.matte),
}
SEQUENCES = {"mask": "mask", "cutout-png": "cutout"}  # kinds that are folders, and what their files show
ALPHA: dict[str, Kind] = {"cutout": "alpha", "cutout-prores": "prores"}
SILENT = ("matte", "heatmap")


def is_done(targets: dict[str, Path]) -> bool:
    """Whether all outputs of a video are there, whole."""
    return all((path / INDEX if kind in SEQUENCES else path).exists() for kind, path in targets.items())


def segment_video(
    segmenter: Segmenter,
    source: Path,
    targets: dict[str, Path],
    *,
    smooth: bool = True,
    progress: Callable[[Iterable[VideoFrame], int | None], Iterable[VideoFrame]] = lambda frames, _: frames,
    note: Callable[[str], object] = lambda _: None,
) -> int:
    """Write what is asked for of a video or an animated picture; returns the number of its frames.

    targets: kind of output (see OUTPUTS) → path. progress: wraps the frames, whose number may be known. note: is told,
    at the end and in a line each, what was left out or changed though nothing failed, as a sound that can't be decoded.
    Masks that an earlier, interrupted call has written are kept, if masks are all that is asked for; the other
    outputs have `.partial` in their names until they are whole.
    Raises VideoError when the video can't be opened, and DamagedVideoError after writing what could be decoded.
    """
    with open_video(source) as reader:
        if any(path.resolve() == source.resolve() for path in targets.values()):
            raise VideoError(f"{source}: its own output would replace it; choose another output folder")
        outputs = {kind: _output(kind, path, reader) for kind, path in targets.items()}
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


def _output(kind: str, path: Path, reader: VideoReader | AnimationReader) -> Output:
    if kind == "json":
        return Lines(path)
    if kind in SEQUENCES:
        return Sequence(path, PICTURES[SEQUENCES[kind]])
    sound = reader.path if reader.has_audio and kind not in SILENT else None
    writer = VideoWriter(path, reader.rate, kind=ALPHA.get(kind, "video"), sound=sound)
    return Picture(writer, PICTURES[kind.partition("-")[0]])
