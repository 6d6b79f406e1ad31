"""handseg predict: hand masks for images, videos and folders."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handseg.batch.outputs import KINDS
from handseg.cli import options
from handseg.cli.account import Account
from handseg.errors import HandsegError

if TYPE_CHECKING:
    from handseg.batch import Style
    from handseg.inference.segmenter import Segmenter


def parse_kinds(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(kind.strip() for value in values for kind in value.split(",")))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise click.BadParameter(f"{unknown[0]!r}; choose from {', '.join(KINDS)}")
    return kinds


@click.command(name="predict")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write to; or one file, as mask.png, for one input; - is stdout, as it is by default for stdin.",
)
@click.option(
    "--save",
    "kinds",
    multiple=True,
    callback=parse_kinds,
    shell_complete=lambda _ctx, _param, start: [kind for kind in KINDS if kind.startswith(start)],
    help=f"What to write, of {', '.join(KINDS)}; separated by commas, or given several times. "
    "Default: mask, or what the file's suffix says.",
)
@click.option("--overwrite", is_flag=True, help="Write again what is there already.")
@click.option(
    "--background",
    metavar="COLOUR|FILE",
    help="Put the hands before a colour (white, #00b140) or a picture, instead of cutting them out.",
)
@click.option("--crop", is_flag=True, help="Cut pictures to the hands that they show; of images, not of videos.")
@click.option("--hard", is_flag=True, help="Cut hands out along the mask, without soft edges.")
@click.option(
    "--format",
    "picture_format",
    type=click.Choice(["png", "jpg", "webp"]),
    default="png",
    show_default=True,
    help="Of pictures in a folder or on stdout; masks, mattes and indexed ones stay PNG. A file's suffix says its own.",
)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="Of JPEG and WebP pictures."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for programs to stdout at the end.")
@click.option(
    "--smooth/--no-smooth", default=True, show_default=True, help="Steady the masks of a video from frame to frame."
)
@options.opening()
def command(
    inputs: tuple[Path, ...],
    output: Path | None,
    kinds: tuple[str, ...],
    overwrite: bool,
    background: str | None,
    crop: bool,
    hard: bool,
    picture_format: Any,
    quality: int,
    quiet: bool,
    as_json: bool,
    smooth: bool,
    opening: dict[str, Any],
) -> None:
    """Write hand masks for images, videos and folders.

    \b
    handseg predict photo.jpg -o mask.png          one file
    handseg predict photos -o masks                a folder, at any depth
    handseg predict photo.jpg -o hands.jpg --background white
    handseg predict - < photo.jpg > mask.png       stdin to stdout

    Each INPUT is an image, a video, a folder whose images and videos are found at any depth, or - for stdin; folders
    are mirrored below the output. A mask is OUTPUT/<name>.png, 8-bit, 0 or 255, as large as its image; a video's
    masks are OUTPUT/<name>/000000.png and so on, its overlay, matte, heat map and blurred background are MP4 files,
    its cutout a WebM file with alpha, its JSON a line a frame. COCO is one file for all images,
    OUTPUT/annotations.json. In a folder, what is there already, made of the same file with the same model and
    settings, is skipped; OUTPUT/.handseg.jsonl keeps account. An input that can't be read is named, the others are
    done, and the exit status is 1.
    """
    from handseg.batch import Background, Style, plan_jobs, run_jobs
    from handseg.batch.single import STDIO, Single, is_single
    from handseg.models import load
    from handseg.parallel import return_freed_arrays

    def open_segmenter(threads: int | None) -> Segmenter:
        return load(**{**opening, "threads": threads})

    if output is None:
        if inputs != (STDIO,):
            raise click.UsageError("name where to write to: -o DIR, or -o mask.png for one input")
        output = STDIO
    style = Style(
        background=None if background is None else Background.read(background),
        crop=crop,
        hard=hard,
        format=picture_format,
        quality=quality,
    )
    kinds = _kinds_with(style, kinds)
    if output == STDIO:
        if as_json:
            raise click.UsageError("--json prints to stdout too; name a file with -o")
        if sys.stdout.isatty():
            raise click.UsageError("a file isn't printed to a terminal; name one with -o, or send it on: > mask.png")
    account = Account(is_quiet=quiet)
    threads = opening["threads"]
    return_freed_arrays()
    if is_single(inputs, output):
        single = Single.plan(inputs, output, kinds, style, overwrite=overwrite)
        segmenter = open_segmenter(threads)
        account.tell_model(segmenter)
        _run_single(single, segmenter, account, smooth=smooth)
        if as_json:
            account.print_json()
        sys.exit(1 if account.counts["failed"] else 0)
    kinds = kinds or ("mask",)
    if style.format == "jpg" and (clear := [kind for kind in kinds if KINDS[kind].has_alpha]):
        raise HandsegError(f"{clear[0]}: JPEG has no transparency; use --format webp, or add --background white")
    segmenter = open_segmenter(threads)
    account.tell_model(segmenter)
    plan = plan_jobs(inputs, output, kinds, overwrite=overwrite, style=style)
    account.expect(len(plan.jobs))
    for failure in plan.failures:
        account.fail(failure)
    outputs = {job.source: {kind: str(output / path) for kind, path in job.outputs.items()} for job in plan.jobs}
    jobs = run_jobs(
        plan,
        segmenter,
        open_single=lambda: open_segmenter(1),
        threads=threads,
        smooth=smooth,
        progress=account.show_frames,
    )
    is_interrupted = False
    try:
        with closing(jobs), account.bar:
            for outcome in jobs:
                account.take(outcome, outputs.get(outcome.source, {}))
    except KeyboardInterrupt:
        is_interrupted = True
    account.close(output, is_interrupted=is_interrupted)
    if as_json:
        account.print_json(is_interrupted=is_interrupted)
    if is_interrupted:
        sys.exit(130)
    if account.counts["failed"]:
        sys.exit(1)


def _kinds_with(style: Style, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds that are meant: a background takes the place of what a cutout is before, which is nothing."""
    if style.background is None:
        if "background" in kinds:
            raise click.UsageError("--save background: name a colour or a picture with --background")
        return kinds
    if "background" in kinds:
        return kinds
    if "cutout" in kinds:
        return tuple("background" if kind == "cutout" else kind for kind in kinds)
    return (*kinds, "background")


def _run_single(single: Any, segmenter: Segmenter, account: Account, *, smooth: bool) -> None:
    """One file; what is wrong with it is said and counted."""
    from handseg.batch import Outcome

    notes: list[str] = []
    try:
        found = single.run(segmenter, smooth=smooth, progress=account.show_frames, note=notes.append)
        outcome = Outcome(single.source, "done", notes=tuple(notes))
        account.tell(f"{found}: {single.output}")
    except HandsegError as error:
        outcome = Outcome(single.source, "failed", str(error), tuple(notes))
    account.take(outcome, {single.kind: str(single.output)})
