"""handseg predict: hand masks for images, videos and folders."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handseg.batch.outputs import KINDS
from handseg.card import LabelPolicy
from handseg.cli import options

if TYPE_CHECKING:
    from handseg.batch import Outcome
    from handseg.segmenter import Segmenter, TestTime
    from handseg.video.frame import VideoFrame


def parse_kinds(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(kind.strip() for value in values for kind in value.split(",")))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise click.BadParameter(f"{unknown[0]!r}; choose from {', '.join(KINDS)}")
    return kinds


@click.command(name="predict")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--save",
    "kinds",
    multiple=True,
    default=["mask"],
    show_default=True,
    callback=parse_kinds,
    help=f"What to write, of {', '.join(KINDS)}; separated by commas, or given several times.",
)
@click.option("--overwrite", is_flag=True, help="Write again what is there already.")
@click.option(
    "--smooth/--no-smooth", default=True, show_default=True, help="Steady the masks of a video from frame to frame."
)
@options.model
@options.engine
@options.policy
@options.threshold
@options.threads
@options.device
@options.test_time
@options.second_look
@options.min_area
@options.min_confidence
def command(
    inputs: tuple[Path, ...],
    output: Path,
    kinds: tuple[str, ...],
    overwrite: bool,
    smooth: bool,
    model: str,
    engine: str | None,
    policy: LabelPolicy,
    threshold: float | None,
    threads: int | None,
    device: str,
    test_time: TestTime,
    second_look: bool,
    min_area: float,
    min_confidence: float | None,
) -> None:
    """Write hand masks for images, videos and folders.

    Each INPUT is an image, a video, or a folder whose images and videos are found at any depth; folders are
    mirrored below the output. A mask is OUTPUT/<name>.png, 8-bit, 0 or 255, as large as its image; a video's
    masks are OUTPUT/<name>/000000.png and so on, its overlay, matte, heat map and blurred background are MP4 files,
    its cutout a WebM file with alpha, its JSON a line a frame. COCO is one file for all images,
    OUTPUT/annotations.json. What is there already, made of the same file with the same model and settings, is
    skipped; OUTPUT/.handseg.jsonl keeps account. An input that can't be read is named, the others are done, and the
    exit status is 1.
    """
    from handseg.batch import plan_jobs, run_jobs
    from handseg.parallel import return_freed_arrays
    from handseg.segmenter import load

    def open_segmenter(threads: int | None) -> Segmenter:
        return load(
            model,
            engine=engine,
            threads=threads,
            device=device,
            policy=policy,
            threshold=threshold,
            test_time=test_time,
            second_look=second_look,
            min_area=min_area,
            min_confidence=min_confidence,
        )

    return_freed_arrays()
    segmenter = open_segmenter(threads)
    click.echo(f"model {segmenter.card.name}, engine {segmenter.engine.name}", err=True)
    plan = plan_jobs(inputs, output, kinds, overwrite=overwrite)
    account = Account(len(plan.jobs))
    for failure in plan.failures:
        account.fail(failure)
    jobs = run_jobs(
        plan,
        segmenter,
        open_single=lambda: open_segmenter(1),
        threads=threads,
        smooth=smooth,
        progress=show_frames,
    )
    try:
        with closing(jobs), account.bar:
            for outcome in jobs:
                account.take(outcome)
    except KeyboardInterrupt:
        account.close(output, is_interrupted=True)
        sys.exit(130)
    account.close(output)
    if account.counts["failed"]:
        sys.exit(1)


class Account:
    """Says what becomes of each file, and sums up."""

    def __init__(self, jobs: int) -> None:
        self.counts: Counter[str] = Counter()
        self._jobs = jobs
        self._taken = 0
        self._reasons: Counter[str] = Counter()
        self._start = time.monotonic()
        self.bar = click.progressbar(
            length=jobs,
            label="predict",
            file=sys.stderr,
            hidden=not sys.stderr.isatty() or jobs == 1,  # a video has a bar of its own
            show_pos=True,
            item_show_func=lambda speed: speed,
        )

    def fail(self, message: str) -> None:
        click.echo(f"error: {' '.join(message.splitlines())}", err=True)  # a file's name may hold a line feed
        self.counts["failed"] += 1

    def take(self, outcome: Outcome) -> None:
        self._taken += 1
        if outcome.state == "failed":
            self.fail(outcome.message)
        else:
            self.counts[outcome.state] += 1
            if outcome.message:
                self._reasons[outcome.message] += 1
        for note in outcome.notes:
            click.echo(f"note: {note}", err=True)
        self.bar.update(1, f"{(self.bar.pos + 1) / max(1e-9, time.monotonic() - self._start):.1f} files/s")

    def close(self, output: Path, *, is_interrupted: bool = False) -> None:
        for reason, count in self._reasons.items():
            click.echo(f"note: {count} done again: {reason}", err=True)
        rest = self._jobs - self._taken
        summary = [
            f"{'interrupted: ' * is_interrupted}{self.counts['done']} done",
            f"{self.counts['kept']} there already" * bool(self.counts["kept"]),
            f"{self.counts['failed']} failed" * bool(self.counts["failed"]),
            f"{rest} not done" * is_interrupted,
        ]
        click.echo(f"{', '.join(filter(None, summary))}: {output}", err=True)


def show_frames(path: Path, frames: Iterable[VideoFrame], count: int | None) -> Iterator[VideoFrame]:
    """A bar for the frames of a video."""
    start = time.monotonic()
    with click.progressbar(
        frames,
        length=count,
        label=path.name,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda f: f and f"{(f.index + 1) / max(1e-9, time.monotonic() - start):.1f} frames/s",
    ) as bar:
        yield from bar
