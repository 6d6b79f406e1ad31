"""Look at the labels of a dataset before training on it: the mistakes that make a network silently predict all black.

`handseg data check` and a training ask the same questions here; the one lists the answers, the other stops at errors.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from handseg.data.classes import HANDS
from handseg.data.faults import Fault, raise_errors
from handseg.data.polygons import fill_polygons
from handseg.data.sample import Sample
from handseg.errors import DataError, HandsegError
from handseg.image import image_size, load_label
from handseg.image.mask_values import HAND, UNTOLD
from handseg.parallel import cores, in_order

T = TypeVar("T")
TINY, HUGE = 1e-4, 0.9  # shares of an image beyond which hands are seldom
OUTSIDE = 0.02  # of the image's longer side: annotators go a little over its edge


@dataclass(frozen=True)
class LabelFacts:
    """What the label of one sample shows. share: of the image that is hand; None where it can't be read.
    digest: of the mask."""

    faults: tuple[Fault, ...]
    share: float | None = None
    digest: bytes = b""


def verify(samples: Sequence[Sample]) -> None:
    """Check that every image has labels of its size, and that not all masks are empty.

    Raises DataError naming the first file at fault, and how many more there are.
    """
    if not samples:
        raise DataError("no images to train on; check the data and the split")
    facts = [future.result() for _, future in in_order(_facts_of, samples, cores())]
    raise_errors([*(fault for found in facts for fault in found.faults), *faults_together(samples, facts)])


def inspect_label(sample: Sample, size: tuple[int, int] | None) -> LabelFacts:
    """Everything about one label by itself. size: (height, width) of the image; None where it can't be read."""
    faults = _beside_faults(sample, size)
    if isinstance(sample.label, Path):
        return _mask_facts(sample.label, sample, size, faults)
    faults += _polygon_faults(sample, size)
    if size is None or faults:
        return LabelFacts(tuple(faults))
    mask = fill_polygons(sample.label, *size)
    if not (sample.background or sample.unlabelled):
        faults += _area_faults(sample, mask, sample.image)
    return LabelFacts(tuple(faults), float(np.mean(mask == HAND)), digest=_digest(mask))


def faults_together(samples: Sequence[Sample], facts: Sequence[LabelFacts]) -> list[Fault]:
    """What is wrong with labels only beside others: all or most of a dataset's are empty."""
    faults: list[Fault] = []
    labelled = [(s, f) for s, f in zip(samples, facts) if f.share is not None and not (s.background or s.unlabelled)]
    datasets: dict[str, list[tuple[Sample, LabelFacts]]] = defaultdict(list)
    for sample, found in labelled:
        datasets[sample.dataset].append((sample, found))
    for members in datasets.values():
        empty = sum(not found.share for _, found in members)
        if len(members) > 1 and empty < len(members) and 2 * empty >= len(members):
            message = f"{empty} of {len(members)} masks are empty; check that this is meant so"
            faults.append(Fault("warning", "many-empty", members[0][0].image.parent, message))
    if labelled and not any(found.share for _, found in labelled):
        message = f"not one of {len(labelled)} masks has a hand in it; check the labels"
        faults.append(Fault("error", "all-empty", samples[0].image.parent, message))
    return faults


def _facts_of(sample: Sample) -> LabelFacts:
    try:
        size = image_size(sample.image)
    except HandsegError as error:
        return LabelFacts((Fault.of(error, "unreadable", sample.image),))
    return inspect_label(sample, size)


def _mask_facts(path: Path, sample: Sample, size: tuple[int, int] | None, faults: list[Fault]) -> LabelFacts:
    label = _loaded(lambda: load_label(path), path, faults)
    if label is None:
        return LabelFacts(tuple(faults))
    faults += _size_faults(path, "mask", label, sample, size)
    mask = None if sample.meaning == UNTOLD else _loaded(lambda: sample.read_mask(label), path, faults)
    if mask is None:
        return LabelFacts(tuple(faults))
    if sample.inverted is False:
        faults += _area_faults(sample, mask, path)
    return LabelFacts(tuple(faults), float(np.mean(mask == HAND)), digest=_digest(mask))


def _beside_faults(sample: Sample, size: tuple[int, int] | None) -> list[Fault]:
    """Of the files that tell forearms, and whose hand is where."""
    faults: list[Fault] = []
    if sample.forearm is not None:
        path = sample.forearm
        if (label := _loaded(lambda: load_label(path), path, faults)) is not None:
            faults += _size_faults(path, "mask", label, sample, size)
    if isinstance(sample.hands, Path):
        hands = sample.hands
        if (label := _loaded(lambda: load_label(hands), hands, faults)) is not None:
            faults += _size_faults(hands, "class map", label, sample, size)
            if (highest := int(label.max())) > len(HANDS):
                message = f"holds {highest}; whose hand is where goes from 0 (none) to {len(HANDS)}"
                faults.append(Fault("error", "values", hands, message))
    return faults


def _polygon_faults(sample: Sample, size: tuple[int, int] | None) -> list[Fault]:
    faults = []
    for number, polygon in enumerate(sample.label if not isinstance(sample.label, Path) else (), start=1):
        if not np.isfinite(polygon).all():
            message = f"polygon {number} of its label has a corner that is no number; mend the label"
            faults.append(Fault("error", "polygon", sample.image, message))
        elif len(polygon) < 3:
            message = f"polygon {number} of its label has {len(polygon)} corners, so that it fills nothing"
            faults.append(Fault("warning", "polygon", sample.image, message))
        elif size is not None:
            low, high = polygon.min(axis=0), polygon.max(axis=0)
            bounds = np.array([size[1], size[0]], np.float64)
            beyond = float(np.max([-low, high - bounds]))
            if (high < 0).any() or (low > bounds).any():
                message = f"polygon {number} of its label lies outside of the image; mend the label"
                faults.append(Fault("error", "polygon", sample.image, message))
            elif beyond > OUTSIDE * max(size):
                message = f"polygon {number} of its label reaches {beyond:.0f} pixels out of the image; check the label"
                faults.append(Fault("warning", "polygon", sample.image, message))
    return faults


def _area_faults(sample: Sample, mask: np.ndarray, path: Path) -> list[Fault]:
    pixels = int(np.count_nonzero(mask == HAND))
    share = pixels / mask.size
    if 0 < share < TINY:
        message = f"{pixels} pixels of hand in all, of {mask.size}; check that this is a hand"
        return [Fault("warning", "tiny", path, message)]
    if share > HUGE:
        return [Fault("warning", "huge", path, f"{share:.0%} of the image is hand; check that this is meant so")]
    return []


def _size_faults(path: Path, what: str, label: np.ndarray, sample: Sample, size: tuple[int, int] | None) -> list[Fault]:
    if size is None or label.shape[:2] == size:
        return []
    message = (
        f"the {what} has {label.shape[1]}×{label.shape[0]} pixels and its image "
        f"{sample.image.name} {size[1]}×{size[0]}; make them the same size"
    )
    return [Fault("error", "size", path, message)]


def _loaded(load: Callable[[], T], path: Path, faults: list[Fault]) -> T | None:
    """What is loaded; where that fails, None and a fault more."""
    try:
        return load()
    except HandsegError as error:
        faults.append(Fault.of(error, "unreadable", path))
        return None


def _digest(mask: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(mask).data, digest_size=16).digest()
