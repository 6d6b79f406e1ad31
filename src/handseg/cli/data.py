"""handseg data: prepare, check and split datasets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.cli.progress import progress, tell
from handseg.masks.labels import LabelPolicy


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

    result = prepare_egohands(root, output, workers=workers, progress=progress("prepare"))
    for failure in result["failures"]:
        click.echo(f"error: {failure}", err=True)
    if result["failures"]:
        click.echo(f"{output}: the rest is done; mend these and run again for the index", err=True)
        sys.exit(1)
    click.echo(f"{result['frames']} frames, {result['hands']} hands, {result['empty']} frames without: {output}")


@command.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", type=click.Path(path_type=Path), help="A split file: also what is on two of its sides.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, allow_dash=True),
    is_flag=False,
    flag_value=Path("-"),
    help="Write the faults to this file; without one, or with -, to stdout in place of the text.",
)
@options.group_by
@options.policy
@options.mask_values
def check(
    data: tuple[Path, ...],
    split: Path | None,
    json_path: Path | None,
    group_by: str,
    policy: LabelPolicy,
    mask_values: str,
) -> None:
    """List all that is wrong with datasets, file by file.

    Errors stop a training or spoil it: unreadable files, images without a mask, other sizes, wrong values. Warnings
    are to be looked at, and may be meant so: copies, orphans, tiny hands. Exits with 1 where there are errors.
    """
    from handseg.data.doctor import examine
    from handseg.data.told import load_split

    report = examine(
        data,
        policy,
        group_by=group_by,
        mask_values=mask_values,
        split=None if split is None else load_split(split, tell),
        split_path=split,
        progress=progress("check"),
    )
    to_stdout = json_path == Path("-")
    if json_path is not None:
        text = json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n"
        if to_stdout:
            click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
        else:
            from handseg.files import write_atomically

            # Names that aren't UTF-8 as JSON's escapes.
            write_atomically(json_path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))
    if not to_stdout:
        for fault in report.faults:
            click.echo(f"{fault.level}: {fault}")
        for line in report.summary():
            click.echo(line)
    if report.count("error"):
        sys.exit(1)


@command.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The split file.")
@options.protocol
@click.option("--folds", type=click.IntRange(2), default=4, show_default=True)
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True, help="Which one is the test side.")
@click.option("--seed", default=0, show_default=True)
@options.group_by
def split(data: tuple[Path, ...], output: Path, protocol: Any, folds: int, fold: int, seed: int, group_by: str) -> None:
    """Divide labelled images into train, val and test, and record it in a file that later runs reuse.

    Images of one session stay on one side, and so do copies of one picture, renamed and re-encoded ones too.
    """
    from handseg.data import read_datasets
    from handseg.data.identity import alone
    from handseg.data.splits import make_split
    from handseg.data.told import prints_of

    samples = read_datasets(data, group_by=group_by)
    if protocol == "session-disjoint":
        for line in alone(samples):
            tell(line)
    prints = prints_of(samples, progress("look for copies"))
    result = make_split(
        samples,
        protocol,
        folds=folds,
        fold=fold,
        seed=seed,
        group_by=group_by,
        prints=[prints[sample.image] for sample in samples],
    )
    result.save(output)
    count = len({s.session for s in samples})
    click.echo(
        f"{output}: {len(result.train)} train, {len(result.val)} val, {len(result.test)} test "
        f"({protocol}, {count} sessions, hash {result.hash})"
    )
