"""The report of `handseg data check`: every fault of several datasets, and how their images are grouped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handseg.data.check import check
from handseg.data.copies import Progress, no_progress
from handseg.data.faults import Fault, Level
from handseg.data.folder import scan_dataset
from handseg.data.identity import alone, name_datasets, with_unique_names
from handseg.data.leaks import split_faults
from handseg.data.meaning import meaning_notes
from handseg.data.sample import Sample
from handseg.data.splits import SUBSETS, Split
from handseg.errors import DataError
from handseg.masks.labels import LabelPolicy


@dataclass(frozen=True)
class Report:
    """roots: folder → its samples that can be read. faults: of all files, errors and warnings."""

    roots: dict[Path, list[Sample]]
    faults: list[Fault]

    def count(self, level: Level) -> int:
        return sum(fault.level == level for fault in self.faults)

    def summary(self) -> list[str]:
        """A line for each folder, one for each whose images are all taken for sessions of their own, and the count."""
        lines = []
        for root, samples in self.roots.items():
            sessions = len({s.session for s in samples})
            lines.append(f"{root}: {_count(len(samples), 'image')}, {_count(sessions, 'session')}")
            lines += alone(samples)
        errors, warnings = self.count("error"), self.count("warning")
        found = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
        return [*lines, found if self.faults else "no fault found"]

    def to_json(self) -> dict[str, Any]:
        return {
            "datasets": [
                {
                    "folder": str(root),
                    "images": len(samples),
                    "sessions": len({s.session for s in samples}),
                    "notes": alone(samples),
                }
                for root, samples in self.roots.items()
            ],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "faults": [
                {"level": f.level, "kind": f.kind, "file": str(f.path), "message": f.message} for f in self.faults
            ],
        }


def examine(
    roots: Iterable[Path],
    policy: LabelPolicy = "hand",
    *,
    group_by: str = "",
    mask_values: str = "",
    split: Split | None = None,
    split_path: Path | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Look at every file of every dataset, on all cores. A folder that is no dataset is a fault among the others.

    split: also what is on two of its sides, as faults of `split_path`; its rule counts where no group_by is given.
    """
    names = name_datasets(roots)
    read: dict[Path, list[Sample]] = {}
    faults: list[Fault] = []
    for root, name in names.items():
        try:
            rule = group_by or (split.group_by if split else "")
            read[root], found = scan_dataset(root, policy, group_by=rule, mask_values=mask_values, name=name)
            faults += found
        except DataError as error:
            faults.append(Fault.of(error, "dataset", root))
    samples = with_unique_names([s for members in read.values() for s in members])
    found, images = check(samples, progress)
    told = {(fault.kind, fault.path) for fault in faults}
    faults += [fault for fault in found if (fault.kind, fault.path) not in told]
    instances = [note for members in read.values() for note in meaning_notes(members) if note.kind == "instances"]
    faults += [Fault("warning", note.kind, Path(note.path), note.message) for note in instances]
    if split is not None and split_path is not None:
        prints = {s.image: image for s, image in zip(samples, images) if image is not None}
        faults += split_faults(split, samples, prints, split_path)
        known = {s.name for s in samples}
        for side in SUBSETS:
            faults += [
                Fault("error", "other-data", split_path, f"{name}, of its {side} side, isn't in the data")
                for name in getattr(split, side)
                if name not in known
            ]
    return Report(read, faults)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
