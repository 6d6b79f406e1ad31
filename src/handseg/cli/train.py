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
    from collections.abc import Sequence

    from handseg.data import Sample, Split
    from handseg.data.mixture import MixtureData
    from handseg.segmenter import Segmenter


@click.command(name="train")
@click.option("--recipe", default="default", show_default=True, help="A packaged recipe's name, or a TOML file.")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of images whose masks end at the wrist; may be repeated.",
)
@click.option(
    "--mixture",
    type=click.Path(path_type=Path),
    help="A file that names all data, source by source, in place of --data (docs/training.md).",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Where a root of the mixture lies on this machine; may be repeated.",
)
@click.option(
    "--only", multiple=True, metavar="SOURCE", help="Take these sources of the mixture only; may be repeated."
)
@click.option(
    "--limit", type=click.IntRange(1), help="At most so many images of each source and side, for a trial run."
)
@click.option(
    "--teacher",
    help="Model that finds the wrist in labels that include the forearm, and that some recipes imitate: a name or a "
    "file. It must not have seen the test side. Default: the shape of the arm tells. A copy is kept in the run.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--split",
    type=click.Path(path_type=Path),
    help="A split file. Default: what `handseg data split` makes, whatever the seed. A copy is kept in the run.",
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
    help="Train on the test side too, for a model that is to be used and not scored.",
)
@shared.mask_values
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in OUTPUT exactly, with the same options; only --epochs may differ.",
)
@click.option("--force-resume", is_flag=True, help="Continue even with another seed, recipe, data or device.")
@click.option("--init", help="Start from this model's weights: a packaged name, a file or a checkpoint.")
@click.option(
    "--seed", default=0, show_default=True, help="Of the first weights, the order of the images and their augmentation."
)
@click.option("--epochs", type=click.IntRange(1), help="Number of epochs. Default: the recipe's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option(
    "--devices",
    type=click.IntRange(0),
    default=0,
    help="Processes on each machine (DDP). Default: all GPUs, or one CPU process.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Number of machines (DDP).")
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="Threads of torch and the teacher. Default: all cores."
)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Data loading processes.")
def command(
    recipe: str,
    data: tuple[Path, ...],
    mixture: Path | None,
    roots: tuple[str, ...],
    only: tuple[str, ...],
    limit: int | None,
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
    """Train a model on EgoHands roots, on folders with images/ and masks/, or on a mixture of many sources.

    OUTPUT gets run.json (what made the run), split.json, last.ckpt, best.ckpt, curves.csv and curves.png.
    """
    try:
        from handseg.training.fit import SPLIT_FILE, FitOptions, fit
        from handseg.training.manifest import Origin
        from handseg.training.memory import keep_freed_memory
        from handseg.training.recipe import Recipe
    except ImportError as error:
        raise MissingExtraError("Training", "train") from error
    from handseg.data.splits import SUBSETS

    chosen = Recipe.load(recipe)
    if epochs is not None:
        chosen = dataclasses.replace(chosen, run=dataclasses.replace(chosen.run, epochs=epochs))
    resume = resume or force_resume
    if resume and not (output / "last.ckpt").is_file() and not (output / SPLIT_FILE).is_file():
        raise TrainingError(f"{output / SPLIT_FILE}: nothing to resume; start the run without --resume")
    shares: dict[str, float] = {}
    text = ""
    if mixture is not None:
        alone = {"--data": data, "--split": split, "--group-by": group_by, "--mask-values": mask_values}
        if others := [option for option, value in alone.items() if value]:
            raise TrainingError(f"{others[0]} isn't for a mixture; write it into {mixture}")
        read = _read_mixture(mixture, roots, output, only, limit or 0)
        samples, sides, shares, sources, text = read.samples, read.split, read.shares, read.sources, read.text
    elif roots or only or limit:
        raise TrainingError("--root, --only and --limit go with --mixture")
    elif data:
        samples, sides, sources = _read_data(data, output, split, protocol, group_by, mask_values, resume)
    else:
        raise TrainingError("nothing to train on; name a folder with --data, or a mixture's file with --mixture")
    if final:
        sides = sides.without_test()
    train, val, test = (sides.select(samples, side) for side in SUBSETS)
    kinds = [
        ("with forearms", [s for s in train if s.policy != "hand"]),
        ("without hands", [s for s in train if s.background]),
        ("without labels", [s for s in train if s.unlabelled]),
    ]
    of_these = ", ".join(f"{len(members)} {kind}" for kind, members in kinds if members)
    click.echo(
        f"{chosen.name}: {len(train)} images to train on{f' ({of_these})' if of_these else ''}, "
        f"{len(val)} to validate, {len(sides.test)} kept for testing ({sides.protocol})",
        err=True,
    )
    options = FitOptions(progress=sys.stderr.isatty(), **settings)
    wrist = _keep_teacher(teacher, output, options.threads)
    keep_freed_memory()
    held_out = {s.session for s in test}
    origin = Origin(command=shlex.join(["handseg", *sys.argv[1:]]), sources=sources, split=sides, mixture=text)
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
        shares=shares,
        held_out=held_out,
        origin=origin,
    )
    click.echo(f"{checkpoint}")


def _read_data(
    data: Sequence[Path],
    run: Path,
    split: Path | None,
    protocol: Any,
    group_by: str,
    mask_values: str,
    resume: bool,
) -> tuple[list[Sample], Split, dict[str, list[Sample]]]:
    """The samples of folders, their sides, and what came from which folder."""
    from handseg.data import read_datasets
    from handseg.data.identity import name_datasets
    from handseg.data.leaks import refuse_leaks
    from handseg.data.splits import make_split
    from handseg.training.fit import SPLIT_FILE
    from handseg.training.manifest import by_folder

    kept = run / SPLIT_FILE
    if split is None and kept.is_file():
        split = kept
    if split is None and resume:
        raise TrainingError(
            f"{kept}: missing, so what the run learned from isn't known; put it back, or name it: --split"
        )
    sides = load_split(split) if split else None
    group_by = group_by or (sides.group_by if sides else "")
    samples = read_datasets(data, group_by=group_by, mask_values=mask_values, names=name_datasets(dict.fromkeys(data)))
    tell_meaning(samples)
    tell_alone(samples)
    prints = prints_of(samples)
    # Not by --seed: runs with other seeds are compared, averaged and ensembled, so that all must leave out the same.
    if sides is None:
        sides = make_split(samples, protocol, group_by=group_by, prints=[prints[s.image] for s in samples])
    elif split is not None:
        sides.select(samples, "test")
        refuse_leaks(sides, samples, prints, split)
    return samples, sides, by_folder("--data", data, samples)


def _read_mixture(path: Path, roots: Sequence[str], run: Path, only: Sequence[str], limit: int) -> MixtureData:
    """The data of a mixture's file; refused where the run in the folder was begun with other sides."""
    from handseg.data import Mixture, Split
    from handseg.training.fit import SPLIT_FILE

    if wrong := [root for root in roots if "=" not in root]:
        raise TrainingError(f"--root {wrong[0]}: no NAME=FOLDER; write it as data=/where/it/lies")
    mixture = Mixture.load(path, dict(root.split("=", 1) for root in roots), only)
    read = mixture.read(prints_of, limit)
    tell_meaning(read.samples)
    if read.left_out:
        click.echo(
            f"{path}: {len(read.left_out)} images look like one held out and aren't trained on, "
            f"{read.left_out[0].image} first",
            err=True,
        )
    kept = run / SPLIT_FILE
    if kept.is_file() and Split.load(kept).hash != read.split.hash:
        raise TrainingError(f"{kept}: the run was begun with other sides than {path} names now; start a new run")
    return read


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
