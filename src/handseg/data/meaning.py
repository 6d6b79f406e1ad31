"""One reading for all masks of a dataset, settled when it is read: what their values mean, and which are inverted.

Everything that loads a mask afterwards, to check, train, evaluate or calibrate, reads it so, whatever side of a split
it is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from handseg.data.description import DatasetDescription
from handseg.data.inversion import Shares, find_inverted
from handseg.data.sample import Sample
from handseg.errors import DataError, HandsegError
from handseg.image import load_label
from handseg.image.mask_values import (
    AS_WRITTEN,
    BACKGROUND,
    HAND,
    UNTOLD,
    MaskMeaning,
    Problem,
    Stored,
    default_meaning,
)
from handseg.parallel import cores, in_order


@dataclass(frozen=True)
class Settled:
    """samples: with `meaning`, `inverted` and `empty` as found out. problems: of their mask files; those that have
    one have the meaning UNTOLD."""

    samples: list[Sample]
    problems: list[Problem]


def settle(samples: Sequence[Sample], description: DatasetDescription) -> Settled:
    """Settle how the masks of one dataset are read. All of its samples must be there, not one side of a split.

    Labels that are polygons are left as they are. What is wrong with a mask only beside its image, as another size,
    comes up when it is loaded.
    """
    declared = MaskMeaning.parse(description.mask_values) if description.mask_values else None
    masks = [s for s in samples if isinstance(s.label, Path)]
    problems: list[Problem] = []
    good: list[tuple[Sample, Stored]] = []
    one_each = {s.label: s for s in masks}  # images may share one, as an empty mask
    for sample, future in in_order(lambda s: _stored(s, declared), list(one_each.values()), cores()):
        try:
            good.append((sample, future.result()))
        except HandsegError as error:
            message = str(error).removeprefix(f"{sample.label}: ")
            kind: Literal["values", "unreadable"] = "values" if isinstance(error, DataError) else "unreadable"
            problems.append(Problem(str(sample.label), message, kind=kind))
    found = AS_WRITTEN
    if declared is None:
        found, wrong = default_meaning([file for _, file in good])
        problems += wrong
        if wrong:  # of the others, all else can still be told
            named = {problem.path for problem in wrong}
            good = [(sample, file) for sample, file in good if file.path not in named]
            found, wrong = default_meaning([file for _, file in good])
            good = [] if wrong else good
    read = [replace(sample, meaning=declared or found, inverted=False) for sample, _ in good]
    shares = [_shares(file, found) for _, file in good]
    inverted: list[bool | None] = [description.inverted] * len(read)
    if description.inverted is None:
        try:
            inverted = find_inverted(read, shares)
        except DataError as error:
            path, _, message = str(error).partition(": ")
            problems.append(Problem(path, message))
    settled = {
        sample.label: (sample.meaning, turned, not (share.background if turned else share.hand))
        for sample, share, turned in zip(read, shares, inverted)
    }

    def as_found(sample: Sample) -> Sample:
        if not isinstance(sample.label, Path):
            return sample
        if sample.label not in settled:
            return replace(sample, meaning=UNTOLD)
        meaning, turned, empty = settled[sample.label]
        return replace(sample, meaning=meaning, inverted=turned, empty=empty)

    return Settled([as_found(sample) for sample in samples], problems)


def meaning_notes(samples: Sequence[Sample]) -> list[Problem]:
    """What was found out of these masks and one may want to know: one for all that are inverted, and so on."""
    masks = [s for s in samples if isinstance(s.label, Path)]
    told: tuple[tuple[list[Sample], Literal["inverted", "instances"], str], ...] = (
        ([s for s in masks if s.inverted], "inverted", "the background is what they show, so they are read inverted"),
        (
            [s for s in masks if s.inverted is None],
            "inverted",
            "hand is along most of the border; if the background is what they show, invert them",
        ),
        ([s for s in masks if s.meaning.rest == "hand"], "instances", "read as instances: every value but 0 is a hand"),
    )
    notes = []
    for some, kind, what in told:
        if some:
            others = f"{len(some)} of {len(masks)} masks, this one first: " if len(some) > 1 else ""
            notes.append(Problem(str(some[0].label), others + what, "warning", kind))
    return notes


def _stored(sample: Sample, declared: MaskMeaning | None) -> Stored:
    label = load_label(sample.label) if isinstance(sample.label, Path) else np.zeros((1, 1), np.uint8)
    return Stored.of(str(sample.label), declared(label) if declared else label)


def _shares(file: Stored, meaning: MaskMeaning) -> Shares:
    meant = meaning(file.values)
    hand, background = meant == HAND, meant == BACKGROUND

    def share(counts: np.ndarray) -> float:
        inside, outside = int(counts[hand].sum()), int(counts[background].sum())
        return inside / max(1, inside + outside)

    return Shares(
        int(file.counts[hand].sum()), int(file.counts[background].sum()), share(file.border), share(file.centre)
    )
