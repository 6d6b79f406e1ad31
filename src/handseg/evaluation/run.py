"""`evaluate_data`: a model on data on disk, as `handseg evaluate` does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handseg.data import Sample, read_datasets
from handseg.data.copies import Progress, no_progress
from handseg.data.leaks import refuse_leaks
from handseg.data.told import Tell, load_split, prints_of, tell_notes, to_stderr
from handseg.errors import DataError
from handseg.evaluation.evaluate import Evaluation, evaluate
from handseg.inference.segmenter import Segmenter


@dataclass(frozen=True)
class Scored:
    """report: the scores as plain values, as `handseg evaluate --json` writes them. evaluation: of each image.
    samples: the images."""

    report: dict[str, Any]
    evaluation: Evaluation
    samples: list[Sample]


def evaluate_data(
    segmenter: Segmenter,
    data: str | Path | Sequence[str | Path],
    *,
    split: str | Path | None = None,
    subset: Literal["train", "val", "test"] = "test",
    group_by: str = "",
    mask_values: str = "",
    corruptions: bool = False,
    name: str = "",
    tell: Tell = to_stderr,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    looking: Progress = no_progress,
) -> Scored:
    """Score a segmenter on labelled images, at the labels' own resolution, with the segmenter's label policy.

    data: a folder, or several: EgoHands roots, or folders with images/ and masks/. split: a split file, of which
    `subset` is scored. group_by: which images are one session. mask_values: what the values in mask files mean.
    corruptions: also score the images spoilt in 15 ways, in five severities. name: of the model in the report.
    tell: is called with each line of news. progress: wraps the images; looking: the search for copies in the split.
    Raises DataError for bad data, a side that is empty, or one that shares sessions or pictures with another.
    """
    folders = [Path(data)] if isinstance(data, (str, Path)) else [Path(folder) for folder in data]
    sides = None if split is None else load_split(Path(split), tell)
    rule = group_by or (sides.group_by if sides else "")
    samples = read_datasets(folders, segmenter.policy, group_by=rule, mask_values=mask_values)
    tell_notes(samples, tell)
    if split is not None and sides is not None:
        chosen = sides.select(samples, subset)
        refuse_leaks(sides, samples, prints_of(samples, looking), Path(split))
        samples = chosen
    if not samples:
        raise DataError(f"{split}: its {subset} side is empty; choose another --subset")
    evaluation = evaluate(segmenter, samples, progress)
    report = evaluation.report(name or segmenter.card.name)
    if corruptions:
        from handseg.evaluation.corruptions import mean_relative_drop, robustness

        spoilt = robustness(segmenter, samples, progress)
        report["corruptions"] = {
            "image_iou": {kind: [round(v, 4) for v in values] for kind, values in spoilt.items()},
            "mean_relative_drop": round(mean_relative_drop(evaluation.scores()["image"]["iou"], spoilt), 4),
        }
    if sides is not None:
        report["protocol"], report["split_hash"] = sides.protocol, sides.hash
    return Scored(report, evaluation, samples)
