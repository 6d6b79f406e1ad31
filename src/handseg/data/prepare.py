"""Turn EgoHands' original layout into the plain one: images, masks, a class map and an index."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

from handseg.data.egohands import Frame, read_video, session_of, video_folders
from handseg.data.files import UNFINISHED, UNFINISHED_MEANS
from handseg.data.index import COLUMNS
from handseg.errors import DataError, ImageError
from handseg.files import write_atomically
from handseg.image import image_size, load_image, save_indexed_png, save_png

# Background, then HAND_CLASSES: black, blue, yellow, green, red.
PALETTE = bytes((0, 0, 0, 60, 110, 255, 255, 210, 40, 60, 200, 80, 255, 60, 50))


class Prepared(TypedDict):
    """Counts of what is there now, and a message for each video or frame that couldn't be prepared."""

    frames: int
    hands: int
    empty: int
    failures: list[str]


def prepare_egohands(
    root: Path,
    output: Path,
    *,
    workers: int | None = None,
    progress: Callable[[Iterable[str], int], Iterable[str]] = lambda items, _: items,
) -> Prepared:
    """Write images/, masks/, classes/ and, last, index.csv below `output`; finished frames are skipped.

    Videos of which only the labels are there are left out. workers: processes, default one a core.
    What can't be read is named in `failures` and the rest is done. Until all is done a file says so, with which the
    folder isn't read as a dataset, so that nobody takes the part for the whole. Raises DataError where
    there is nothing to prepare.
    """
    frames: list[Frame] = []
    failures: list[str] = []
    for folder in video_folders(root):
        try:
            frames += read_video(folder)
        except DataError as error:
            failures.append(str(error))
    if not frames and not failures:
        raise DataError(f"{root}: no video has frames; unpack the frame_*.jpg beside polygons.mat")
    write_atomically(output / UNFINISHED, lambda file: file.write(f"Of {root}. {UNFINISHED_MEANS}\n".encode()))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        outputs = [output] * len(frames)
        results = pool.map(_prepare_frame, frames, outputs, chunksize=8)
        failures += [message for message in progress(results, len(frames)) if message]
    if not failures:
        _write_index(frames, output)
        (output / UNFINISHED).unlink()
    return {
        "frames": len(frames),
        "hands": sum(len(f.hands) for f in frames),
        "empty": sum(not f.hands for f in frames),
        "failures": failures,
    }


def _write_index(frames: Iterable[Frame], output: Path) -> None:
    index = io.StringIO()
    writer = csv.writer(index, lineterminator="\n")
    writer.writerow([*COLUMNS, "hands"])
    for frame in frames:
        image, mask, _ = _paths(frame, Path())
        session = session_of(frame.video)
        writer.writerow([frame.name, image.as_posix(), mask.as_posix(), frame.video, session, "hand", len(frame.hands)])
    write_atomically(output / "index.csv", lambda file: file.write(index.getvalue().encode()))


def _paths(frame: Frame, output: Path) -> tuple[Path, Path, Path]:
    return (
        output / "images" / f"{frame.name}.jpg",
        output / "masks" / f"{frame.name}.png",
        output / "classes" / f"{frame.name}.png",
    )


def _prepare_frame(frame: Frame, output: Path) -> str:
    """Write one frame's files; a message where its image can't be read, else an empty one."""
    image, mask, classes = _paths(frame, output)
    if image.exists() and mask.exists() and classes.exists():
        return ""
    try:
        load_image(frame.image)  # a frame that doesn't decode must not get into the prepared set
        height, width = image_size(frame.image)
        drawn = frame.mask(height, width)
    except (DataError, ImageError) as error:
        return str(error)
    save_png(mask, drawn)
    save_indexed_png(classes, frame.class_map(height, width), PALETTE)
    with frame.image.open("rb") as source:
        write_atomically(image, lambda file: shutil.copyfileobj(source, file))
    return ""
