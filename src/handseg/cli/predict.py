"""handseg predict: hand masks for images, videos and folders."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handseg.card import LabelPolicy
from handseg.cli import options
from handseg.errors import HandsegError, ImageError

if TYPE_CHECKING:
    from handseg.segmenter import TestTime

OUTPUTS = {
    "mask": ".png",
    "overlay": "_overlay.png",
    "cutout": "_cutout.png",
    "matte": "_matte.png",
    "json": ".json",
}
VIDEO_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv"]
)


def parse_outputs(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(k.strip() for k in value.split(",")))
    if unknown := [k for k in kinds if k not in OUTPUTS]:
        raise click.BadParameter(f"{unknown[0]!r}; choose from {', '.join(OUTPUTS)}")
    return kinds


@click.command(name="predict")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--save",
    default="mask",
    show_default=True,
    callback=parse_outputs,
    help=f"What to write, of {', '.join(OUTPUTS)}; separated by commas.",
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
@options.test_time
def command(
    inputs: tuple[Path, ...],
    output: Path,
    save: tuple[str, ...],
    overwrite: bool,
    smooth: bool,
    model: str,
    engine: str | None,
    policy: LabelPolicy,
    threshold: float | None,
    threads: int | None,
    test_time: TestTime,
) -> None:
    """Write hand masks for images, videos and folders.

    Each INPUT is an image, a video, or a folder whose images and videos are found at any depth; folders are
    mirrored below the output. A mask is OUTPUT/<name>.png, 8-bit, 0 or 255, as large as its image; a video's
    masks are OUTPUT/<name>/000000.png and so on, its overlay and matte are MP4 files, its cutout a WebM file
    with alpha, its JSON a line a frame. What is there already is skipped. An input that can't be read is named,
    the others are done, and the exit status is 1.
    """
    from handseg.segmenter import load

    segmenter = load(model, engine=engine, threads=threads, policy=policy, threshold=threshold, test_time=test_time)
    jobs, failures = plan(inputs, output)
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    done = skipped = 0
    with click.progressbar(
        jobs, label="predict", file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
    ) as bar:
        for source, stem in bar:
            try:
                written = (write_video if is_video(source) else write)(segmenter, source, stem, save, overwrite, smooth)
                done += written
                skipped += not written
            except HandsegError as error:
                message = str(error) if str(source) in str(error) else f"{source}: {error}"
                click.echo(f"error: {message}", err=True)
                failures.append(message)
    summary = [
        f"{done} done",
        f"{skipped} there already" * bool(skipped),
        f"{len(failures)} failed" * bool(failures),
    ]
    click.echo(f"{', '.join(filter(None, summary))}: {output}", err=True)
    if failures:
        sys.exit(1)


def plan(inputs: Sequence[Path], output: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """(source, output path without suffix) of every image and video, and a message for each input that gives none.

    Several folders are kept apart by their names; images that would still share an output keep their suffix
    in its name (`a.jpg` and `a.png` become `a.jpg.png` and `a.png.png`).
    """
    from handseg.image import IMAGE_SUFFIXES

    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    found: dict[Path, Path] = {}
    failures = []
    folders = Counter(path.resolve().name for path in inputs if path.is_dir())
    for path in inputs:
        if not path.is_dir():
            found.setdefault(path, output / path.name)
            continue
        root = output / path.resolve().name if folders.total() > 1 else output
        images = [
            p
            for p in sorted(path.rglob("*"))
            if p.suffix.lower() in suffixes
            and not (output.resolve() != path.resolve() and p.resolve().is_relative_to(output.resolve()))
        ]
        if not images:
            failures.append(f"{path}: no images or videos in this folder; name one that has some")
        for image in images:
            found.setdefault(image, root / image.relative_to(path))
    taken = Counter(target.with_suffix("") for target in found.values())
    jobs = {
        source: target if taken[target.with_suffix("")] > 1 else target.with_suffix("")
        for source, target in found.items()
    }
    again = Counter(jobs.values())
    for source, target in list(jobs.items()):
        if again[target] > 1:
            failures.append(f"{source}: another input has the same output {target.name}; run them apart")
            del jobs[source]
    return list(jobs.items()), failures


def is_video(source: Path) -> bool:
    return source.suffix.lower() in VIDEO_SUFFIXES


def write_video(segmenter: Any, source: Path, stem: Path, save: Sequence[str], overwrite: bool, smooth: bool) -> bool:
    """Segment one video; False where all was there already."""
    import shutil

    from handseg.video.predict import OUTPUTS as VIDEO_OUTPUTS
    from handseg.video.predict import is_done, segment_video

    targets = {kind: stem.with_name(stem.name + VIDEO_OUTPUTS[kind]) for kind in save}
    if not overwrite and is_done(targets):
        return False
    if overwrite and "mask" in targets:
        shutil.rmtree(targets["mask"], ignore_errors=True)

    def progress(frames: Any, count: int | None) -> Any:
        start = time.monotonic()
        with click.progressbar(
            frames,
            length=count,
            label=source.name,
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
            item_show_func=lambda f: f and f"{(f.index + 1) / max(1e-9, time.monotonic() - start):.1f} frames/s",
        ) as bar:
            yield from bar

    segment_video(segmenter, source, targets, smooth=smooth, progress=progress)
    return True


def write(segmenter: Any, source: Path, stem: Path, save: Sequence[str], overwrite: bool, _smooth: bool) -> bool:
    """Segment one image and write each output, whole or not at all; False where all was there already."""
    import json

    from handseg import draw
    from handseg.image import load_image, save_png, write_atomically

    targets = {kind: stem.with_name(stem.name + OUTPUTS[kind]) for kind in save}
    if not overwrite and all(path.exists() for path in targets.values()):
        return False
    image = load_image(source)
    if any(target.resolve() == source.resolve() for target in targets.values()):
        raise ImageError(f"{source}: its own mask would replace it; choose another output folder")
    result = segmenter(image)
    for kind, path in targets.items():
        if kind == "json":
            text = json.dumps(describe(segmenter, source, result), indent=1) + "\n"
            write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
        elif kind == "mask":
            save_png(path, result.mask)
        elif kind == "matte":
            save_png(path, result.matte)
        else:
            save_png(path, getattr(draw, kind)(image, result.mask))
    return True


def describe(segmenter: Any, source: Path, result: Any) -> dict[str, Any]:
    """What the JSON output holds."""
    from dataclasses import asdict

    height, width = result.mask.shape
    return {
        "image": source.name,
        "width": width,
        "height": height,
        "model": segmenter.card.name,
        "policy": segmenter.policy,
        "threshold": segmenter.threshold,
        "hands": [asdict(hand) for hand in result.hands],
    }
