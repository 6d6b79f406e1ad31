"""Datasets of the plain layout: a folder with `images/` and `masks/`, and where there are, `classes/`, `forearms/`,
an `index.csv` and a `dataset.toml`."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from handseg.data import index
from handseg.data.description import DatasetDescription
from handseg.data.egohands import is_egohands, join_hands, scan_egohands
from handseg.data.faults import Fault, raise_errors
from handseg.data.files import UNFINISHED, UNFINISHED_MEANS, by_key, data_files, image_files, key_of
from handseg.data.identity import GroupRule, identify, name_datasets, with_unique_names
from handseg.data.meaning import settle
from handseg.data.sample import Sample
from handseg.errors import DataError
from handseg.image import IMAGE_SUFFIXES
from handseg.masks.labels import LabelPolicy

BESIDE = ("masks", "classes", "forearms")  # folders that go with images/


@dataclass(frozen=True)
class _Entry:
    """An image and its mask, and its row where there is an index. relative: the image below images/."""

    name: str
    image: Path
    relative: PurePosixPath
    mask: Path
    policy: LabelPolicy
    row: Mapping[str, str] | None = None


def read_datasets(
    roots: Iterable[str | Path],
    policy: LabelPolicy = "hand",
    *,
    group_by: str = "",
    mask_values: str = "",
    names: Mapping[Path, str] | None = None,
) -> list[Sample]:
    """The samples of several datasets, see `read_dataset`. Single frames of EgoHands that lie in one of them are told
    whose hands they show, where another is an EgoHands root that knows. Where two datasets have an image of the same
    name, the datasets' names come before it.

    names: of the datasets, see `name_datasets`; by default by these roots alone.
    """
    folders = [Path(root) for root in roots]
    names = names or name_datasets(folders)
    samples = [
        sample
        for folder in folders
        for sample in read_dataset(folder, policy, group_by=group_by, mask_values=mask_values, name=names[folder])
    ]
    for folder in folders:
        if is_egohands(folder):
            samples = join_hands(samples, folder)
    return with_unique_names(samples)


def read_dataset(
    root: str | Path,
    policy: LabelPolicy = "hand",
    *,
    group_by: str = "",
    mask_values: str = "",
    name: str | None = None,
) -> list[Sample]:
    """The samples of an EgoHands root, or of a folder with `images/` and `masks/`, all masks read alike.

    policy: what the labels call a hand, where the index and dataset.toml don't say. mask_values: what the masks' values
    mean, see `MaskMeaning.parse`; by default as dataset.toml says, or `default_meaning`.
    group_by: how sessions are told, see
    `GroupRule.parse`; by default as `dataset.toml` says, or by names and folders, see `identify`. It isn't asked for
    an EgoHands root. name: of the dataset; by default the folder's.
    Raises DataError when the folder is neither, is empty, an image has no mask, or a mask can't be read or understood.
    """
    samples, faults = scan_dataset(root, policy, group_by=group_by, mask_values=mask_values, name=name)
    raise_errors(faults)
    return samples


def scan_dataset(
    root: str | Path,
    policy: LabelPolicy = "hand",
    *,
    group_by: str = "",
    mask_values: str = "",
    name: str | None = None,
) -> tuple[list[Sample], list[Fault]]:
    """What `read_dataset` gives, without what is at fault, and all faults of the layout and of the masks' values; no
    image is opened but to tell whether masks are inverted.

    Raises DataError when there is no dataset at all.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path")
    name = name or name_datasets([root])[root]
    if is_egohands(root):
        return scan_egohands(root, name)
    if (root / UNFINISHED).is_file():
        raise DataError(f"{root}: is not a whole dataset: {UNFINISHED_MEANS}")
    description = DatasetDescription.load(root)
    if mask_values:
        description = replace(description, mask_values=mask_values)
    rule, policy = group_by or description.group_by, description.policy or policy
    if (root / index.FILE).is_file():
        entries, faults = _indexed(root, policy)
    elif (root / "images").is_dir() and (root / "masks").is_dir():
        entries, faults = _listed(root, policy)
    else:
        raise DataError(f"{root}: neither an EgoHands root nor a folder with images/ and masks/")
    identified, ungrouped = _identified(entries, name, GroupRule.parse(rule) if rule else None)
    completed, several = _with_more_labels(identified, root)
    settled = settle(completed, description)
    problems = [Fault(p.level, p.kind, Path(p.path), p.message) for p in settled.problems]
    return settled.samples, [*faults, *ungrouped, *several, *problems]


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
    images = image_files(Path(root))
    if not images:
        raise DataError(f"{root}: no images in this folder; name one with {wanted}")
    names = [f"{Path(root).name}:{p.relative_to(root).as_posix()}" for p in images]
    return [
        Sample(name, image, (), video=name, session=name, dataset=Path(root).name) for name, image in zip(names, images)
    ]


def _listed(root: Path, policy: LabelPolicy) -> tuple[list[_Entry], list[Fault]]:
    """What lies in images/ and masks/, matched by path."""
    images, masks = by_key(root / "images"), by_key(root / "masks")
    faults = _strange_files(root, images)
    entries = []
    for key, paths in images.items():
        image = paths[0]
        relative = image.relative_to(root / "images")
        if len(paths) > 1:
            others = " and ".join(p.name for p in paths[1:])
            faults.append(
                Fault("error", "same-name", image, f"{others} would have the same mask; rename one, or remove it")
            )
        elif key not in masks:
            wanted = root / "masks" / relative.with_suffix(".png")
            message = f"no mask {wanted.relative_to(root)}; add it, or remove the image"
            faults.append(Fault("error", "no-mask", image, message))
        elif len(masks[key]) > 1:
            others = " and ".join(p.name for p in masks[key])
            faults.append(Fault("error", "same-name", image, f"has several masks, {others}; keep one"))
        else:
            at = PurePosixPath(unicodedata.normalize("NFC", relative.as_posix()))  # sessions are told by it
            entries.append(_Entry(key, image, at, masks[key][0], policy))
    for key, paths in masks.items():
        if key not in images:
            faults += [
                Fault("warning", "no-image", p, "no image goes with this mask; add it, or remove the mask")
                for p in paths
            ]
    if not images:
        faults.insert(0, Fault("error", "empty", root / "images", "no images in it; add some, or check the path"))
    return entries, faults


def _indexed(root: Path, policy: LabelPolicy) -> tuple[list[_Entry], list[Fault]]:
    rows, faults = index.read_index(root, policy)
    below = _below_images([row.image for row in rows])
    entries = [
        _Entry(r.name, root / r.image, relative, root / r.mask, r.policy, r.values) for r, relative in zip(rows, below)
    ]
    for folder, named in (("images", {e.image for e in entries}), ("masks", {e.mask for e in entries})):
        faults += [
            Fault("warning", "not-in-index", p, f"not named in {index.FILE}, so it isn't used; add it, or remove it")
            for p in image_files(root / folder)
            if p not in named
        ]
    return entries, [*faults, *_strange_files(root, {key_of(entry.relative) for entry in entries})]


def _below_images(images: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """The paths of an index's images below images/, or below the one folder that all of them lie in; the whole path of
    an image that lies elsewhere, since its folder may be a clip."""
    tops = {path.parts[0] if len(path.parts) > 1 else "" for path in images}
    outer = tops | {"images"} if len(tops) == 1 else {"images"}
    return [PurePosixPath(*p.parts[1:]) if len(p.parts) > 1 and p.parts[0] in outer else p for p in images]


def _identified(
    entries: Sequence[_Entry], dataset: str, rule: GroupRule | None
) -> tuple[list[tuple[Sample, _Entry]], list[Fault]]:
    """Samples with video and session: by the rule, by the index, or by name and folder."""
    samples = []
    faults = []
    for entry, (video, session) in zip(entries, identify([e.relative for e in entries], dataset)):
        if rule is not None:
            try:
                session = f"{dataset}:{rule(entry.relative, entry.row)}"
            except DataError as error:
                faults.append(Fault("error", "group", entry.image, str(error)))
                continue
            if not video.startswith(session):
                video = session
        elif entry.row is not None:
            video, session = entry.row.get("video") or video, entry.row.get("session") or session
        samples.append(
            (Sample(entry.name, entry.image, entry.mask, video, session, entry.policy, dataset=dataset), entry)
        )
    return samples, faults


def _with_more_labels(identified: Sequence[tuple[Sample, _Entry]], root: Path) -> tuple[list[Sample], list[Fault]]:
    """The samples with what lies beside their masks, by the same path: a file in `classes/`, as `handseg data prepare
    egohands` writes it, that says whose hand is where, and one in `forearms/`, that tells bare forearms (255) from what
    is none (0).
    """
    classes, forearms = (by_key(root / folder) for folder in ("classes", "forearms"))
    samples = []
    faults = []
    for sample, entry in identified:
        key = key_of(entry.relative)
        for found, what in ((classes.get(key, []), "class maps"), (forearms.get(key, []), "files of forearms")):
            if len(found) > 1:
                others = " and ".join(path.name for path in found)
                faults.append(Fault("error", "same-name", entry.image, f"has several {what}, {others}; keep one"))
        hands, forearm = classes.get(key), forearms.get(key)
        samples.append(replace(sample, hands=hands[0] if hands else (), forearm=forearm[0] if forearm else None))
    return samples, faults


def _strange_files(root: Path, keys: Collection[str]) -> list[Fault]:
    """Files whose suffix isn't an image's, and labels beside the masks that no image has. keys: of the images."""
    faults = []
    for folder in ("images", *BESIDE):
        for path in data_files(root / folder):
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                message = f"a file of this kind ({path.suffix or 'no suffix'}) isn't read; convert it, or remove it"
                faults.append(Fault("warning", "suffix", path, message))
            elif folder in BESIDE[1:] and key_of(path.relative_to(root / folder)) not in keys:
                faults.append(Fault("warning", "no-image", path, "no image goes with this label; add it, or remove it"))
    return faults
