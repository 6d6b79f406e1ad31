"""handseg data: prepare, check and split datasets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from handseg.card import LabelPolicy
from handseg.cli import options


@click.group(name="data")
def command() -> None:
    """Prepare, check and split datasets."""


@command.group()
def prepare() -> None:
    """Turn a dataset's original layout into images, masks and an index."""


@prepare.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--workers", type=click.IntRange(1), help="Processes. Default: one a core.")
def egohands(root: Path, output: Path, workers: int | None) -> None:
    """Write images/, masks/, classes/ and index.csv for the EgoHands below ROOT.

    ROOT holds _LABELLED_SAMPLES. classes/ has own and other, left and right hands apart (1 myleft, 2 myright,
    3 yourleft, 4 yourright). Finished frames are skipped, so an interrupted run goes on where it stopped.
    """
    from handseg.data.prepare import prepare_egohands

    def progress(items: Any, length: int) -> Any:
        with click.progressbar(
            items,
            length=length,
            label="prepare",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
            show_pos=True,
        ) as bar:
            yield from bar

    result = prepare_egohands(root, output, workers=workers, progress=progress)
    for failure in result["failures"]:
        click.echo(f"error: {failure}", err=True)
    if result["failures"]:
        click.echo(f"{output}: the rest is done; mend these and run again for the index", err=True)
        sys.exit(1)
    click.echo(f"{result['frames']} frames, {result['hands']} hands, {result['empty']} frames without: {output}")


@command.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.policy
@options.mask_values
def check(data: tuple[Path, ...], policy: LabelPolicy, mask_values: str) -> None:
    """Look for the mistakes that spoil a training: sizes, values and emptiness of the masks."""
    from handseg.data import read_dataset
    from handseg.data.meaning import meaning_notes
    from handseg.data.verify import verify

    for root in data:
        samples = read_dataset(root, policy, mask_values=mask_values)
        verify(samples)
        for note in meaning_notes(samples):
            click.echo(f"{note.level}: {note}", err=True)
        if any(s.inverted for s in samples):
            sys.exit(1)
        click.echo(f"{root}: {len(samples)} images, {len({s.session for s in samples})} sessions, no fault found")


@command.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The split file.")
@click.option(
    "--protocol",
    type=click.Choice(["session-disjoint", "random-frame"]),
    default="session-disjoint",
    show_default=True,
)
@click.option("--folds", type=click.IntRange(2), default=4, show_default=True)
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True, help="Which one is the test side.")
@click.option("--seed", default=0, show_default=True)
def split(data: tuple[Path, ...], output: Path, protocol: Any, folds: int, fold: int, seed: int) -> None:
    """Divide labelled images into train, val and test, and record it in a file that later runs reuse."""
    from handseg.data import read_datasets
    from handseg.data.splits import make_split

    samples = read_datasets(data)
    result = make_split(samples, protocol, folds=folds, fold=fold, seed=seed)
    result.save(output)
    click.echo(f"{output}: {len(result.train)} train, {len(result.val)} val, {len(result.test)} test ({protocol})")
