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
from handseg.mask_values import AS_WRITTEN, BACKGROUND, HAND, MaskMeaning, Problem, Stored, default_meaning
from handseg.parallel import cores, in_order


@dataclass(frozen=True)
class Settled:
    """samples: with `meaning`, `inverted` and `empty` as found out. problems: of their mask files; where there are any,
    nothing is settled."""

    samples: list[Sample]
    problems: list[Problem]


def settle(samples: Sequence[Sample], description: DatasetDescription) -> Settled:
    """Settle how the masks of one dataset are read. All of its samples must be there, not one side of a split.

    Labels that are polygons are left as they are. What is wrong with a mask only beside its image, as another size,
    comes up when it is loaded.
    """
    masks = [s for s in samples if isinstance(s.label, Path)]
    declared = MaskMeaning.parse(description.mask_values) if description.mask_values else None
    files: list[Stored] = []
    problems: list[Problem] = []
    for sample, future in in_order(lambda s: _stored(s, declared), masks, cores()):
        try:
            files.append(future.result())
        except HandsegError as error:
            problems.append(Problem(str(sample.label), str(error).removeprefix(f"{sample.label}: ")))
    if problems or not files:
        return Settled(list(samples), problems)
    found, problems = (AS_WRITTEN, []) if declared else default_meaning(files)
    if problems:
        return Settled(list(samples), problems)
    shares = [_shares(file, found) for file in files]
    read = [replace(sample, meaning=declared or found, inverted=False) for sample in masks]
    try:
        inverted = find_inverted(read, shares) if description.inverted is None else [description.inverted] * len(read)
    except DataError as error:
        path, _, message = str(error).partition(": ")
        return Settled(list(samples), [Problem(path, message)])
    settled = iter(
        replace(sample, inverted=turned, empty=not (share.background if turned else share.hand))
        for sample, share, turned in zip(read, shares, inverted)
    )
    return Settled([next(settled) if isinstance(s.label, Path) else s for s in samples], [])


def meaning_notes(samples: Sequence[Sample]) -> list[Problem]:
    """What was found out of these masks and one may want to know: one for all that are inverted, and so on."""
    masks = [s for s in samples if isinstance(s.label, Path)]
    told: tuple[tuple[list[Sample], Literal["error", "warning"], str], ...] = (
        ([s for s in masks if s.inverted], "error", "the background is what they show, so they are read inverted"),
        (
            [s for s in masks if s.inverted is None],
            "warning",
            "hand is along most of the border; if the background is what they show, invert them",
        ),
        ([s for s in masks if s.meaning.rest == "hand"], "warning", "read as instances: every value but 0 is a hand"),
    )
    notes = []
    for some, level, what in told:
        if some:
            others = f"{len(some)} of {len(masks)} masks, this one first: " if len(some) > 1 else ""
            notes.append(Problem(str(some[0].label), others + what, level))
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
