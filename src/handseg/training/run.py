"""`train`: from data on disk to a checkpoint, as `handseg train` does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from handseg.data import Mixture, Sample, Split, read_datasets
from handseg.data.copies import Progress, no_progress
from handseg.data.identity import name_datasets
from handseg.data.leaks import refuse_leaks
from handseg.data.mixture import MixtureData
from handseg.data.splits import SUBSETS, make_split
from handseg.data.told import Tell, load_split, prints_of, tell_notes, to_stderr
from handseg.errors import TrainingError
from handseg.inference.engines import open_engine
from handseg.inference.segmenter import Segmenter
from handseg.training.choice import recipe_for
from handseg.training.fit import SPLIT_FILE, TEACHER_FILE, FitOptions, fit
from handseg.training.manifest import Origin, by_folder
from handseg.training.recipe import Recipe

VALIDATED_OF_ALL = 50  # images, of a training that keeps none apart
PathLike = str | Path
QUIET = FitOptions(progress=False)
Protocol = Literal["session-disjoint", "random-frame", "all"]


def train(
    data: PathLike | Sequence[PathLike] | None,
    output: PathLike,
    *,
    recipe: PathLike | Recipe | None = None,
    changes: Sequence[str] = (),
    mixture: PathLike | None = None,
    roots: Mapping[str, PathLike] = {},
    only: Sequence[str] = (),
    limit: int | None = None,
    teacher: PathLike | None = None,
    split: PathLike | None = None,
    protocol: Protocol = "session-disjoint",
    group_by: str = "",
    mask_values: str = "",
    final: bool = False,
    resume: bool = False,
    force_resume: bool = False,
    init: PathLike | None = None,
    epochs: int | None = None,
    options: FitOptions = QUIET,
    command: str = "",
    tell: Tell = to_stderr,
    progress: Progress = no_progress,
) -> Path:
    """Train a model; returns the checkpoint that counts as the result. `handseg.load(output)` opens it.

    data: a folder, or several: EgoHands roots, or folders with images/ and masks/, labelled hand, cut at the wrist;
    None with a mixture. output: folder of the run; gets run.json, split.json, last.ckpt, best.ckpt, curves.csv,
    curves.png.
    recipe: a packaged recipe's name, a TOML file, or a Recipe; None: `default`, with `init` `gentle`, and the run's own
    when it is resumed. changes: single settings, as `run.draws=48`. epochs: instead of the recipe's.
    mixture: a file that names all data, source by source, in place of `data`; roots: where its roots lie, by name;
    only: of these sources alone; limit: at most so many images of each source and side.
    teacher: a model that finds the wrist in labels with forearms, and is imitated by recipes that distil; kept in the
    run. init: a checkpoint or model to start from.
    split: a split file, kept in the run; default: one is made by `protocol`; `all` trains on every image.
    group_by: which images are one session. mask_values: what the values in mask files mean. final: learn from the test
    side too.
    resume: continue exactly where the run in `output` stands; force_resume: also with another recipe, seed or data.
    options: seed, devices, threads. command: for run.json. tell: is called with each line of news. progress: wraps the
    search for copies, given how many images there are.
    Raises TrainingError when the run can't start or was stopped because it was useless, DataError for bad data.
    """
    output = Path(output)
    folders = [Path(data)] if isinstance(data, (str, Path)) else [Path(folder) for folder in data or ()]
    resume = resume or force_resume
    if not isinstance(recipe, Recipe):
        named, begun = (None if value is None else str(value) for value in (recipe, init))
        recipe = recipe_for(named, init=begun, resumed=output if resume else None)
    chosen = recipe.changed(changes)
    if epochs is not None:
        chosen = dataclasses.replace(chosen, run=dataclasses.replace(chosen.run, epochs=epochs))
    if resume and not (output / "last.ckpt").is_file() and not (output / SPLIT_FILE).is_file():
        raise TrainingError(f"{output / SPLIT_FILE}: nothing to resume; start the run without --resume")
    shares: dict[str, float] = {}
    text = ""
    if mixture is not None:
        alone = {"--data": folders, "--split": split, "--group-by": group_by, "--mask-values": mask_values}
        if others := [option for option, value in alone.items() if value]:
            raise TrainingError(f"{others[0]} isn't for a mixture; write it into {mixture}")
        read = _read_mixture(Path(mixture), roots, only, limit or 0, output, tell, progress)
        samples, sides, shares, sources, text = read.samples, read.split, read.shares, read.sources, read.text
    elif roots or only or limit:
        raise TrainingError("--root, --only and --limit go with --mixture")
    elif folders:
        given = None if split is None else Path(split)
        samples, sides = _read_data(folders, output, given, protocol, group_by, mask_values, resume, tell, progress)
        sources = by_folder("--data", folders, samples)
    else:
        raise TrainingError("nothing to train on; name a folder with --data, or a mixture's file with --mixture")
    if final:
        sides = sides.without_test()
    train_side, val_side, test_side = (sides.select(samples, side) for side in SUBSETS)
    if sides.protocol == "all":
        val_side = _spread([s for s in train_side if not (s.background or s.unlabelled)], VALIDATED_OF_ALL)
    kinds = [
        ("with forearms", [s for s in train_side if s.policy != "hand"]),
        ("without hands", [s for s in train_side if s.background]),
        ("without labels", [s for s in train_side if s.unlabelled]),
    ]
    of_these = ", ".join(f"{len(members)} {kind}" for kind, members in kinds if members)
    tell(
        f"{chosen.name}: {len(train_side)} images to train on{f' ({of_these})' if of_these else ''}, "
        f"{len(val_side)} to validate, {len(sides.test)} kept for testing ({sides.protocol})"
    )
    if sides.protocol == "all":
        tell("validated on the images that are trained on: the scores say nothing about others")
    if (draws := chosen.run.draws_of(len(train_side))) < chosen.run.draws:
        tell(
            f"{draws} draws an epoch instead of {chosen.run.draws}, {chosen.run.draws_per_image} of each image; others "
            "with --set run.draws=NUMBER"
        )
    return fit(
        chosen,
        train_side,
        val_side,
        output,
        options,
        resume=resume,
        force=force_resume,
        init=init,
        teacher=_teacher(teacher, output, resume, options.threads),
        shares=shares,
        held_out={s.session for s in test_side},
        origin=Origin(command=command, sources=sources, split=sides, mixture=text),
    )


def _read_data(
    folders: Sequence[Path],
    run: Path,
    split: Path | None,
    protocol: Protocol,
    group_by: str,
    mask_values: str,
    resume: bool,
    tell: Tell,
    progress: Progress,
) -> tuple[list[Sample], Split]:
    """The samples of folders, and their sides."""
    kept = run / SPLIT_FILE
    if split is None and resume and kept.is_file():  # another's leftover isn't a new run's
        split = kept
    if split is None and resume:
        raise TrainingError(
            f"{kept}: missing, so what the run learned from isn't known; put it back, or name it: --split"
        )
    sides = load_split(split, tell) if split else None
    group_by = group_by or (sides.group_by if sides else "")
    names = name_datasets(dict.fromkeys(folders))
    samples = read_datasets(folders, group_by=group_by, mask_values=mask_values, names=names)
    tell_notes(samples, tell)
    prints = prints_of(samples, progress)
    # Not by the seed: runs with other seeds are compared, averaged and ensembled, so that all must leave out the same.
    if sides is None:
        sides = make_split(samples, protocol, group_by=group_by, prints=[prints[s.image] for s in samples])
    elif split is not None:
        sides.select(samples, "test")
        refuse_leaks(sides, samples, prints, split)
    return samples, sides


def _read_mixture(
    path: Path,
    roots: Mapping[str, PathLike],
    only: Sequence[str],
    limit: int,
    run: Path,
    tell: Tell,
    progress: Progress,
) -> MixtureData:
    """The data of a mixture's file; refused where the run in the folder was begun with other sides."""
    read = Mixture.load(path, roots, only).read(lambda samples: prints_of(samples, progress), limit)
    tell_notes(read.samples, tell)
    if read.left_out:
        tell(
            f"{path}: {len(read.left_out)} images look like one held out and aren't trained on, "
            f"{read.left_out[0].image} first"
        )
    kept = run / SPLIT_FILE
    if kept.is_file() and Split.load(kept).hash != read.split.hash:
        raise TrainingError(f"{kept}: the run was begun with other sides than {path} names now; start a new run")
    return read


def _spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many of the samples, evenly among them."""
    step = max(1.0, len(samples) / most)
    return [samples[int(i * step)] for i in range(min(most, len(samples)))]


def _teacher(model: PathLike | None, run: Path, resume: bool, threads: int) -> Segmenter | None:
    """The teacher that is named, or the one that a resumed run keeps. threads: 0 for all cores."""
    kept = run / TEACHER_FILE
    source = kept if model is None and resume and kept.is_file() else model
    if source is None:
        return None
    return Segmenter(open_engine(source, engine="onnxruntime", threads=threads or None), second_look=False)
