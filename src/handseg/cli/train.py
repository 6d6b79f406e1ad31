"""handseg train: a model of your own."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handseg.cli import options as shared
from handseg.cli.kept_apart import load_split, prints_of, tell_alone
from handseg.cli.meaning import tell_meaning
from handseg.errors import MissingExtraError, TrainingError

if TYPE_CHECKING:
    from handseg.segmenter import Segmenter


@click.command(name="train")
@click.option("--recipe", default="default", show_default=True, help="A packaged recipe's name, or a TOML file.")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    required=True,
    help="Folder labelled hand, cut at the wrist; may be given again.",
)
@click.option(
    "--forearm-data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder labelled hand and bare forearm; may be given again. Always trained on, never split.",
)
@click.option(
    "--extra-data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder labelled hand, of other kinds of scenes than --data; may be given again. Always trained on, never "
    "split; each has the same share of the draws.",
)
@click.option(
    "--landmarks",
    type=click.Path(path_type=Path),
    help="File of hand landmarks that tell the wrist in --forearm-data (docs/models/collect_landmarks.py).",
)
@click.option(
    "--background-data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of photos that show no hands, without masks; may be given again.",
)
@click.option(
    "--unlabelled-data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of photos without masks, on which recipes that distil imitate the teacher; may be given again.",
)
@click.option(
    "--teacher",
    help="Model, packaged or a file, that finds the wrist in --forearm-data and is imitated by recipes that distil; "
    "must not have seen the test side. Default: the shape of the labels. Kept in the run.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--split",
    type=click.Path(path_type=Path),
    help="A split file; default: the one of `handseg data split` without options, whatever --seed is; kept in the run.",
)
@click.option(
    "--protocol",
    type=click.Choice(["session-disjoint", "random-frame"]),
    default="session-disjoint",
    show_default=True,
    help="How to split, where no split file is given.",
)
@shared.group_by
@click.option(
    "--final",
    is_flag=True,
    help="Learn from the test side too: a model to be used, once its recipe has been scored without.",
)
@shared.mask_values
@click.option(
    "--resume",
    is_flag=True,
    help="Continue exactly where the run in OUTPUT stands, with the same options; others than --epochs are refused.",
)
@click.option("--force-resume", is_flag=True, help="Continue also with another seed, recipe, data or device.")
@click.option("--init", help="Start from the weights of this checkpoint or model, packaged or a file, to tune them.")
@click.option("--seed", default=0, show_default=True, help="Of the weights, the draws and their augmentation.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option(
    "--devices",
    type=click.IntRange(0),
    default=0,
    help="Processes a machine (DDP). Default: all GPUs, or one CPU process.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines (DDP).")
@click.option("--threads", type=click.IntRange(0), default=0, help="Of torch and the teacher. Default: all cores.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Data loading processes.")
def command(
    recipe: str,
    data: tuple[Path, ...],
    forearm_data: tuple[Path, ...],
    extra_data: tuple[Path, ...],
    landmarks: Path | None,
    background_data: tuple[Path, ...],
    unlabelled_data: tuple[Path, ...],
    teacher: str | None,
    output: Path,
    split: Path | None,
    protocol: Any,
    mask_values: str,
    group_by: str,
    final: bool,
    resume: bool,
    force_resume: bool,
    init: str | None,
    epochs: int | None,
    **settings: Any,
) -> None:
    """Train a model on EgoHands roots, or folders with images/ and masks/.

    OUTPUT gets run.json (what made the run), split.json, last.ckpt, best.ckpt, curves.csv and curves.png.
    """
    try:
        from handseg.training.fit import SPLIT_FILE, FitOptions, fit
        from handseg.training.manifest import Origin, by_folder
        from handseg.training.memory import keep_freed_memory
        from handseg.training.recipe import Recipe
    except ImportError as error:
        raise MissingExtraError("Training", "train") from error
    from handseg.data import read_background, read_datasets, read_extra, read_forearm, read_unlabelled
    from handseg.data.identity import name_datasets
    from handseg.data.landmarks import with_landmarks
    from handseg.data.leaks import overlaps, refuse_leaks
    from handseg.data.splits import SUBSETS, make_split
    from handseg.image import write_atomically

    chosen = Recipe.load(recipe)
    if epochs is not None:
        chosen = dataclasses.replace(chosen, run=dataclasses.replace(chosen.run, epochs=epochs))
    resume = resume or force_resume
    kept = output / SPLIT_FILE
    if split is None and kept.is_file():
        split = kept
    if split is None and resume:
        if not (output / "last.ckpt").is_file():
            raise TrainingError(f"{kept}: nothing to resume; start the run without --resume")
        raise TrainingError(
            f"{kept}: missing, so what the run learned from isn't known; put it back, or name it: --split"
        )
    sides = load_split(split) if split else None
    group_by = group_by or (sides.group_by if sides else "")
    names = name_datasets(dict.fromkeys([*data, *forearm_data, *extra_data]))
    samples = read_datasets(data, group_by=group_by, mask_values=mask_values, names=names)
    forearm = [s for root in forearm_data for s in read_forearm(root, name=names[root])]
    extra = [s for root in extra_data for s in read_extra(root, name=names[root])]
    tell_meaning([*samples, *forearm, *extra])
    tracked = output / "landmarks.json"  # kept, so that a resumed run learns from the same
    if landmarks is not None and not tracked.is_file():
        with_landmarks(forearm, landmarks)  # fails here, before anything is written
        text = landmarks.read_bytes()
        write_atomically(tracked, lambda file: file.write(text))
    if tracked.is_file():
        forearm = with_landmarks(forearm, tracked)
    background = [s for root in background_data for s in read_background(root)]
    unlabelled = [s for root in unlabelled_data for s in read_unlabelled(root)]
    tell_alone(samples)
    others = [*forearm, *extra, *background, *unlabelled]
    prints = prints_of([*samples, *others])
    # Not by --seed: runs with other seeds are compared, averaged and ensembled, so that all must leave out the same.
    if sides is None:
        sides = make_split(samples, protocol, group_by=group_by, prints=[prints[s.image] for s in samples])
    elif split is not None:
        sides.select(samples, "test")
        refuse_leaks(sides, samples, prints, split)
    if final:
        sides = sides.without_test()
    train, val, test = (sides.select(samples, side) for side in SUBSETS)
    click.echo(
        f"{chosen.name}: {len(train)} images to train on, {len(forearm)} with forearms, "
        f"{len(extra)} of other scenes, {len(background)} without hands, {len(unlabelled)} without labels, "
        f"{len(val)} to validate, {len(sides.test)} kept for testing ({sides.protocol})",
        err=True,
    )
    if leaks := overlaps({"trained on": others, "held out": [*val, *test]}, prints):
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        click.echo(f"a leak: {leaks[0][1]}{more}", err=True)
    options = FitOptions(progress=sys.stderr.isatty(), **settings)
    wrist = _keep_teacher(teacher, output, options.threads)
    train += others
    keep_freed_memory()
    held_out = {s.session for s in test}
    origin = Origin(
        command=shlex.join(["handseg", *sys.argv[1:]]),
        sources={
            **by_folder("--data", data, samples),
            **by_folder("--forearm-data", forearm_data, forearm),
            **by_folder("--extra-data", extra_data, extra),
            **by_folder("--background-data", background_data, background),
            **by_folder("--unlabelled-data", unlabelled_data, unlabelled),
        },
        split=sides,
    )
    checkpoint = fit(
        chosen,
        train,
        val,
        output,
        options,
        resume=resume,
        force=force_resume,
        init=init,
        teacher=wrist,
        held_out=held_out,
        origin=origin,
    )
    click.echo(f"{checkpoint}")


def _keep_teacher(model: str | None, run: Path, threads: int) -> Segmenter | None:
    """A model, copied into the run, so that a resumed run learns from the same. threads: 0 for all cores."""
    from handseg.engines import find_model
    from handseg.image import write_atomically
    from handseg.segmenter import load

    kept = run / "teacher.onnx"
    if model is not None and not kept.is_file():
        source = find_model(model)
        load(source, engine="onnxruntime")  # fails here, before anything is written
        write_atomically(kept, lambda file: file.write(source.read_bytes()))
    return load(kept, second_look=False, threads=threads or None) if kept.is_file() else None
