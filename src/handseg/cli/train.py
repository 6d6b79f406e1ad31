"""handseg train: a model of your own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from handseg.cli import options as shared
from handseg.cli.progress import progress, tell
from handseg.errors import MissingExtraError, TrainingError

FIT_OPTIONS = ("seed", "accelerator", "devices", "nodes", "threads", "loggers", "workers")


def complete_recipes(_ctx: click.Context, _param: click.Parameter, start: str) -> list[str]:
    """Names for a shell."""
    from importlib.resources import files

    names = [path.name for path in (files("handseg.training") / "recipes").iterdir()]
    return sorted(name[:-5] for name in names if name.startswith(start) and name.endswith(".toml"))


@click.command(name="train")
@click.option(
    "--recipe",
    shell_complete=complete_recipes,
    help="A packaged recipe's name, or a TOML file, which may begin with a line as base = 'default'. Default: default; "
    "with --init gentle; with --resume the run's own.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Instead of the recipe's, as run.draws=48; may be given again.",
)
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
    type=click.Choice(["session-disjoint", "random-frame", "all"]),
    default="session-disjoint",
    show_default=True,
    help="How to split, where no split file is given; all: train on every image, for a handful of them.",
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
@click.option(
    "--logger",
    "loggers",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb", "mlflow"]),
    help="Where the figures go beside curves.csv; may be given again. Default: TensorBoard where it is installed.",
)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Data loading processes.")
def command(data: tuple[Path, ...], roots: tuple[str, ...], output: Path, **settings: Any) -> None:
    """Train a model on EgoHands roots, on folders with images/ and masks/, or on a mixture of many sources.

    OUTPUT gets run.json (what made the run), split.json, last.ckpt, best.ckpt, curves.csv, curves.png and pictures/.
    """
    try:
        from handseg.training import FitOptions, train
        from handseg.training.memory import keep_freed_memory
    except ImportError as error:
        raise MissingExtraError("Training", "train") from error

    if wrong := [root for root in roots if "=" not in root]:
        raise TrainingError(f"--root {wrong[0]}: no NAME=FOLDER; write it as data=/where/it/lies")
    keep_freed_memory()
    checkpoint = train(
        data,
        output,
        roots=dict(root.split("=", 1) for root in roots),
        options=FitOptions(progress=sys.stderr.isatty(), **{name: settings.pop(name) for name in FIT_OPTIONS}),
        command=shlex.join(["handseg", *sys.argv[1:]]),
        tell=tell,
        progress=progress("look for copies"),
        **settings,
    )
    click.echo(f"{checkpoint}")
