"""EgoHands in its original layout: `_LABELLED_SAMPLES/<VIDEO>/frame_*.jpg` and `polygons.mat`.

Source: Bambach, Lee, Crandall, Yu, Lending A Hand, ICCV 2015.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handseg.data.faults import Fault, raise_errors
from handseg.data.polygons import fill_polygons
from handseg.data.sample import Sample
from handseg.errors import DataError, MissingExtraError
from handseg.image import image_size

HAND_CLASSES = ("myleft", "myright", "yourleft", "yourright")
OWN = ("myleft", "myright")
OTHER = ("yourleft", "yourright")
LEFT = ("myleft", "yourleft")
RIGHT = ("myright", "yourright")
LABELLED = "_LABELLED_SAMPLES"
FRAME_INDEX = "frame_index.csv"
FRAME_WIDTH = 1280  # of the pixels that polygons are measured in
VIDEO_NAME = re.compile(r"(?P<activity>[A-Z]+)_(?P<place>[A-Z]+)_(?P<viewer>[A-Z])_(?P<partner>[A-Z])")


@dataclass(frozen=True)
class Frame:
    """One labelled frame: its image, and the polygon of each hand that is in it.

    hands: hand class → float64 (n, 2) of (x, y) in pixels; classes that aren't in the frame are left out.
    """

    video: str
    image: Path
    hands: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        return f"{self.video}_{self.image.stem}"

    def mask(self, height: int, width: int, classes: tuple[str, ...] = HAND_CLASSES) -> np.ndarray:
        """Mask uint8 H×W of the hands of `classes`: all of them, or OWN, OTHER, LEFT, RIGHT.

        Raises DataError where a polygon has a corner that is no number.
        """
        if not all(np.isfinite(hand).all() for hand in self.hands.values()):
            raise DataError(f"{self.image}: a polygon of its label has a corner that is no number; mend the label")
        return fill_polygons((self.hands[c] for c in classes if c in self.hands), height, width)

    def class_map(self, height: int, width: int) -> np.ndarray:
        """uint8 H×W: 0 for background, else 1 + the index in HAND_CLASSES; later classes lie on top."""
        label = np.zeros((height, width), np.uint8)
        for value, name in enumerate(HAND_CLASSES, start=1):
            label[self.mask(height, width, (name,)) > 0] = value
        return label


def session_of(video: str) -> str:
    """The session of a video: activity, place and the unordered pair of people.

    Both cameras of one recording, and so both orders of the pair, are one session.
    """
    match = VIDEO_NAME.fullmatch(video)
    if match is None:
        raise DataError(
            f"{video}: not an EgoHands video name; expected ACTIVITY_PLACE_VIEWER_PARTNER, as in CHESS_OFFICE_B_S"
        )
    people = "".join(sorted((match["viewer"], match["partner"])))
    return f"{match['activity']}_{match['place']}_{people}"


def is_egohands(root: Path) -> bool:
    """Whether this folder is an EgoHands root (or its `_LABELLED_SAMPLES`)."""
    return root.name == LABELLED or (root / LABELLED).is_dir()


def video_folders(root: Path) -> list[Path]:
    """The video folders below an EgoHands root, sorted.

    Raises DataError where there are none.
    """
    labelled = root if root.name == LABELLED else root / LABELLED
    folders = sorted(p.parent for p in labelled.glob("*/polygons.mat"))
    if not folders:
        raise DataError(f"{labelled}: no VIDEO/polygons.mat below it; name the folder that holds {LABELLED}")
    return folders


def read_polygons(path: Path) -> list[dict[str, np.ndarray]]:
    """The hands of every frame of one `polygons.mat`, in the order of the frames' file names.

    Empty polygons, stored as arrays of shape (1, 0) or (0, 0), are left out.
    Raises DataError, naming the file, when it is damaged or isn't an EgoHands label file.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("Reading EgoHands' .mat files", "train") from error
    try:
        table: Any = loadmat(path)["polygons"].ravel()
        return [
            {
                name: np.asarray(entry[name], np.float64)
                for name in HAND_CLASSES
                if entry[name].size > 0 and _is_polygon(entry[name])
            }
            for entry in table
        ]
    except DataError:
        raise
    except Exception as error:  # scipy raises nearly anything on damaged files
        raise DataError(
            f"{path}: damaged, or not an EgoHands label file ({error or type(error).__name__}); unpack it anew"
        ) from error


def read_video(folder: Path) -> list[Frame]:
    """The labelled frames of one video folder; [] where only the labels are there.

    Raises DataError when the number of frames and of labels differ.
    """
    hands = read_polygons(folder / "polygons.mat")
    images = sorted(folder.glob("frame_*.jpg"))
    if images and len(images) != len(hands):
        raise DataError(
            f"{folder}: {len(images)} frames but {len(hands)} labels in polygons.mat; unpack the video anew"
        )
    return [Frame(folder.name, image, hand) for image, hand in zip(images, hands)]


def read_egohands(root: Path, dataset: str = "") -> list[Sample]:
    """Every labelled frame below an EgoHands root, sorted by video and frame.

    Raises DataError where no video has frames, or one can't be read.
    """
    samples, faults = scan_egohands(root, dataset)
    raise_errors(faults)
    return samples


def scan_egohands(root: Path, dataset: str) -> tuple[list[Sample], list[Fault]]:
    """The frames of the videos that can be read, and what is wrong with the others.

    Raises DataError where no video has frames.
    """
    folders = video_folders(root)
    samples: list[Sample] = []
    faults: list[Fault] = []
    for folder in folders:
        try:
            session = session_of(folder.name)
            samples += [
                Sample(
                    name=frame.name,
                    image=frame.image,
                    label=tuple(frame.hands.values()),
                    video=frame.video,
                    session=session,
                    hands=tuple(frame.hands.get(name) for name in HAND_CLASSES),
                    dataset=dataset,
                )
                for frame in read_video(folder)
            ]
        except DataError as error:
            named = folder / "polygons.mat" if str(error).startswith(f"{folder / 'polygons.mat'}: ") else folder
            faults.append(Fault.of(error, "label-file", named))
    for folder in sorted({p.parent for p in folders[0].parent.glob("*/frame_*.jpg")} - {*folders}):
        message = "frames, but no polygons.mat beside them, so they aren't used; add it, or remove them"
        faults.append(Fault("warning", "no-mask", folder, message))
    if not samples and not faults:
        raise DataError(f"{root}: no video has frames; unpack the frame_*.jpg beside polygons.mat")
    return samples, faults


def join_hands(samples: Sequence[Sample], root: Path) -> list[Sample]:
    """Give samples of other folders that are frames of this EgoHands root, by their names, its knowledge of whose hand
    is where. The root's `frame_index.csv` says which label is which frame's; without one nothing is joined.

    Raises DataError when it names a label that isn't there.
    """
    index = root / FRAME_INDEX
    wanted = {s.name: s for s in samples if not s.hands}
    if not index.is_file() or not wanted:
        return list(samples)
    labels: dict[str, list[dict[str, np.ndarray]]] = {}
    known: dict[str, tuple[np.ndarray | None, ...]] = {}
    with index.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = f"{row['video']}_{Path(row['frame_file']).stem}"
            if name not in wanted:
                continue
            path = root / LABELLED / row["video"] / "polygons.mat"
            if row["video"] not in labels:
                labels[row["video"]] = read_polygons(path)
            try:
                frame = labels[row["video"]][int(row["polygon_index0"])]
            except IndexError as error:
                raise DataError(f"{index}: {name} has no label in {path}; unpack the dataset anew") from error
            scale = image_size(wanted[name].image)[1] / FRAME_WIDTH
            # Pixel centres lie at whole numbers, so the image's edge is at −½.
            known[name] = tuple((frame[c] + 0.5) * scale - 0.5 if c in frame else None for c in HAND_CLASSES)
    return [replace(s, hands=known[s.name]) if s.name in known else s for s in samples]


def _is_polygon(points: np.ndarray) -> bool:
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"a polygon has shape {points.shape}, not (n, 2)")
    return True
