"""Datasets of the plain layout: a folder with `images/` and `masks/`, and where there are, `classes/`, `forearms/` and
an `index.csv`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from handseg.card import LABEL_POLICIES, LabelPolicy
from handseg.data.description import DatasetDescription
from handseg.data.egohands import is_egohands, join_hands, read_egohands, session_of
from handseg.data.meaning import settle
from handseg.data.sample import Sample
from handseg.errors import DataError
from handseg.image import IMAGE_SUFFIXES

INDEX_COLUMNS = ("name", "image", "mask", "video", "session", "policy")
# How the datasets that handseg knows name their files; a file that fits none is a session of its own.
EGOHANDS_NAME = re.compile(r"(?P<video>[A-Z]+_[A-Z]+_[A-Z]_[A-Z])_frame_\d+")
UMA_NAME = re.compile(r"(?:train|test)_(?P<video>\d+)_\d+")  # UTG and YHG, Cai et al., CVPR 2020
HGR_NAME = re.compile(r".*_(?P<video>hgr\w+_id\d+)_\d+")  # Kawulok et al.: one subject, one session


def read_datasets(roots: Iterable[str | Path], policy: LabelPolicy = "hand", *, mask_values: str = "") -> list[Sample]:
    """The samples of several datasets, see `read_dataset`. Single frames of EgoHands that lie in one of them are told
    whose hands they show, where another is an EgoHands root that knows.
    """
    folders = [Path(root) for root in roots]
    samples = [sample for folder in folders for sample in read_dataset(folder, policy, mask_values=mask_values)]
    for folder in folders:
        if is_egohands(folder):
            samples = join_hands(samples, folder)
    return samples


def read_dataset(root: str | Path, policy: LabelPolicy = "hand", *, mask_values: str = "") -> list[Sample]:
    """The samples of an EgoHands root, or of a folder with `images/` and `masks/`, all masks read alike.

    policy: what the labels call a hand, where the index and dataset.toml don't say. mask_values: what the masks' values
    mean, see `MaskMeaning.parse`; default: what dataset.toml says, else `default_meaning`.
    Raises DataError when the folder is neither, is empty, or an image has no mask, or a mask can't be read or
    understood.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path")
    if is_egohands(root):
        return read_egohands(root)
    description = DatasetDescription.load(root)
    if mask_values:
        description = replace(description, mask_values=mask_values)
    settled = settle(_list_samples(root, description.policy or policy), description)
    if settled.problems:
        first, *more = settled.problems
        others = f" (and {len(more)} more masks: handseg data check)" if more else ""
        raise DataError(f"{first}{others}")
    return settled.samples


def _list_samples(root: Path, policy: LabelPolicy) -> list[Sample]:
    if (root / "index.csv").is_file():
        return _read_index(root, policy)
    if not (root / "images").is_dir() or not (root / "masks").is_dir():
        raise DataError(f"{root}: neither an EgoHands root nor a folder with images/ and masks/")
    images = sorted(p for p in (root / "images").rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DataError(f"{root / 'images'}: no images in it; add some, or check the path")
    return [_sample(root, image, policy) for image in images]


def read_extra(root: str | Path) -> list[Sample]:
    """The samples of a folder labelled `hand` that is trained on beside the main data, see `read_dataset`.

    Raises DataError where an index says that the labels include the forearm.
    """
    return [replace(s, extra=str(root)) for s in _of_policy(root, "hand", "--forearm-data")]


def read_forearm(root: str | Path) -> list[Sample]:
    """The samples of a folder labelled `hand+forearm`, see `read_dataset`.

    Raises DataError where an index says that the labels end at the wrist.
    """
    return _of_policy(root, "hand+forearm", "--extra-data")


def _of_policy(root: str | Path, policy: LabelPolicy, otherwise: str) -> list[Sample]:
    samples = read_dataset(root, policy)
    if other := [s for s in samples if s.policy != policy]:
        raise DataError(
            f"{root}: its index.csv or dataset.toml says that {other[0].name} is labelled {other[0].policy}; "
            f"give it as {otherwise}"
        )
    return samples


def read_background(root: str | Path) -> list[Sample]:
    """The images at any depth below a folder, as samples without hands: nothing in them is one.

    Raises DataError where there are none.
    """
    return [replace(s, background=True) for s in _photos(root, "photos that show no hands")]


def read_unlabelled(root: str | Path) -> list[Sample]:
    """The images at any depth below a folder, as samples of which nothing is known.

    Raises DataError where there are none.
    """
    return [replace(s, unlabelled=True) for s in _photos(root, "photos")]


def _photos(root: str | Path, wanted: str) -> list[Sample]:
    images = sorted(p for p in Path(root).rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DataError(f"{root}: no images in this folder; name one with {wanted}")
    names = [f"{Path(root).name}:{p.relative_to(root).as_posix()}" for p in images]
    return [Sample(name, image, (), video=name, session=name) for name, image in zip(names, images)]


def _sample(root: Path, image: Path, policy: LabelPolicy) -> Sample:
    relative = image.relative_to(root / "images")
    mask = root / "masks" / relative.with_suffix(".png")
    if not mask.is_file():
        raise DataError(f"{image}: no mask {mask.relative_to(root)}; add it, or remove the image")
    name = relative.with_suffix("").as_posix()
    video, session = video_and_session(relative.stem, root.name)
    return _with_more_labels(Sample(name, image, mask, video, session, policy), root, relative)


def _with_more_labels(sample: Sample, root: Path, relative: Path) -> Sample:
    """With what lies beside the mask: a file in `classes/`, as `handseg data prepare egohands` writes it, that says
    whose hand is where, and one in `forearms/`, that tells bare forearms (255) from what is none (0).
    """
    classes, forearms = (root / folder / relative.with_suffix(".png") for folder in ("classes", "forearms"))
    return replace(sample, hands=classes if classes.is_file() else (), forearm=forearms if forearms.is_file() else None)


def video_and_session(stem: str, dataset: str) -> tuple[str, str]:
    """Video and session of a file, from its name; other datasets' are prefixed with the dataset's name."""
    if match := EGOHANDS_NAME.fullmatch(stem):
        return match["video"], session_of(match["video"])
    for pattern in (UMA_NAME, HGR_NAME):
        if match := pattern.fullmatch(stem):
            video = f"{dataset}:{match['video']}"
            return video, video
    return f"{dataset}:{stem}", f"{dataset}:{stem}"


def _read_index(root: Path, policy: LabelPolicy) -> list[Sample]:
    path = root / "index.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{path}: holds no rows; prepare the dataset anew")
    samples = []
    for line, row in enumerate(rows, start=2):
        if missing := [c for c in INDEX_COLUMNS[:3] if not row.get(c)]:
            raise DataError(f"{path}, line {line}: no {' and '.join(missing)}; prepare the dataset anew")
        named = row.get("policy") or policy
        if named not in LABEL_POLICIES:
            raise DataError(f"{path}, line {line}: unknown label policy {named!r}; use {' or '.join(LABEL_POLICIES)}")
        for kind in ("image", "mask"):
            if not (root / row[kind]).is_file():
                raise DataError(f"{root / row[kind]}: named in {path.name}, but not there; prepare the dataset anew")
        video, session = video_and_session(Path(row["image"]).stem, root.name)
        sample = Sample(
            name=row["name"],
            image=root / row["image"],
            label=root / row["mask"],
            video=row.get("video") or video,
            session=row.get("session") or session,
            policy=LABEL_POLICIES[LABEL_POLICIES.index(named)],
        )
        samples.append(_with_more_labels(sample, root, Path(*Path(row["image"]).parts[1:])))
    return samples
