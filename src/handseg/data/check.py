"""Everything that is wrong with datasets, of all files at once: `handseg data check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handseg.data.copies import Copy, Fingerprint, Progress, find_copies, no_progress
from handseg.data.faults import Fault
from handseg.data.sample import Sample
from handseg.data.verify import LabelFacts, faults_together, inspect_label
from handseg.errors import HandsegError
from handseg.image import image_orientation
from handseg.parallel import cores, in_order

TURNED = frozenset({5, 6, 7, 8})  # orientations that exchange height and width


@dataclass(frozen=True, eq=False)
class Inspection:
    """What one sample's files show. image: None where it can't be decoded."""

    image: Fingerprint | None
    label: LabelFacts
    faults: tuple[Fault, ...]


def check(samples: Sequence[Sample], progress: Progress = no_progress) -> tuple[list[Fault], list[Fingerprint | None]]:
    """Decode every image and label, on all cores, and list what is wrong with each and with all together.

    Of an image a few hundred bytes are kept. progress: wraps the results, given how many there will be.
    Returns the faults, by file, and the images' fingerprints, None where one can't be decoded.
    """
    inspections: list[Inspection] = []
    results = in_order(inspect, samples, cores())
    for _, future in progress(results, len(samples)):
        inspections.append(future.result())
    faults = [fault for found in inspections for fault in (*found.faults, *found.label.faults)]
    faults += faults_together(samples, [found.label for found in inspections])
    whole = [(s, found.image, found.label) for s, found in zip(samples, inspections) if found.image is not None]
    for copy in find_copies([image for _, image, _ in whole]):
        (one, _, label), (other, _, other_label) = whole[copy.first], whole[copy.second]
        faults.append(_copy_fault(copy, one, other, label, other_label))
    return faults, [found.image for found in inspections]


def inspect(sample: Sample) -> Inspection:
    """Everything about one sample by itself."""
    faults = []
    image = None
    try:
        image = Fingerprint.of(sample.image)
    except HandsegError as error:
        faults.append(Fault.of(error, "unreadable", sample.image))
    label = inspect_label(sample, image.size if image is not None else None)
    if image is not None and label.share is not None:
        faults += _orientation_faults(sample, image, label)
    if sample.inverted and isinstance(sample.label, Path):
        message = "the background is what it shows, so it is read inverted; invert it"
        faults.append(Fault("error", "inverted", sample.label, message))
    elif sample.inverted is None and isinstance(sample.label, Path):
        message = "hand is along most of its border; if the background is what it shows, invert it"
        faults.append(Fault("warning", "inverted", sample.label, message))
    return Inspection(image, label, tuple(faults))


def _orientation_faults(sample: Sample, image: Fingerprint, label: LabelFacts) -> list[Fault]:
    """Where EXIF turns the image or the mask alone, and their sizes don't tell whether the pixels agree."""
    if not isinstance(sample.label, Path):
        return []
    turns = image_orientation(sample.image), image_orientation(sample.label)
    if turns[0] == turns[1]:
        return []
    misfit = any(fault.kind == "size" and fault.path == sample.label for fault in label.faults)
    told = len({*turns} & TURNED) > 0 and image.size[0] != image.size[1]
    if told and not misfit:
        return []
    one, other, turn = ("image", "mask", turns[0]) if turns[0] != 1 else ("mask", "image", turns[1])
    message = (
        f"EXIF turns {sample.image.name} (orientation {turns[0]}), but not its mask alike ({turns[1]}); "
        if 1 not in turns
        else f"EXIF turns the {one} (orientation {turn}) and not the {other}; "
    ) + "if the mask was drawn on the pixels as they are stored, turn both files upright and save them anew"
    return [Fault("error" if misfit else "warning", "orientation", sample.label, message)]


def _copy_fault(copy: Copy, one: Sample, other: Sample, label: LabelFacts, other_label: LabelFacts) -> Fault:
    same_label = label.digest == other_label.digest or not label.digest or not other_label.digest
    if not copy.exact:
        message = f"shows nearly the same as {one.image}; if it is a copy, remove one"
        return Fault("warning", "near-copy", other.image, message)
    if same_label:
        return Fault("warning", "copy", other.image, f"the same picture as {one.image}; remove one")
    message = f"the same picture as {one.image}, with another mask; keep one of the two"
    return Fault("error", "contradiction", other.image, message)
