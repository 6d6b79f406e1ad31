"""handseg predict: hand masks for images, videos and folders."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handseg.card import LabelPolicy
from handseg.cli import options
from handseg.errors import DataError, HandsegError, ImageError, MissingExtraError, VideoError
from handseg.parallel import cores, in_order, return_freed_arrays

if TYPE_CHECKING:
    from handseg.instances import Instances
    from handseg.segmenter import Segmenter, TestTime

OUTPUTS = {
    "mask": ".png",
    "overlay": "_overlay.png",
    "cutout": "_cutout.png",
    "matte": "_matte.png",
    "heatmap": "_heatmap.png",
    "blur": "_blur.png",
    "indexed": "_indexed.png",
    "json": ".json",
    "yolo": ".txt",
    "labelme": "_labelme.json",
    "coco": "",  # one file for all
}
OF_VIDEOS_ALONE = ("cutout-prores", "cutout-png")
COCO_FILE = "annotations.json"
VIDEO_SUFFIXES = frozenset(
    [
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".flv", ".3gp"),
        *(".ogv", ".mjpeg", ".mjpg"),
    ]
)


def parse_outputs(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(k.strip() for k in value.split(",")))
    if unknown := [k for k in kinds if k not in (*OUTPUTS, *OF_VIDEOS_ALONE)]:
        raise click.BadParameter(f"{unknown[0]!r}; choose from {', '.join((*OUTPUTS, *OF_VIDEOS_ALONE))}")
    return kinds


@click.command(name="predict")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--save",
    default="mask",
    show_default=True,
    callback=parse_outputs,
    help=f"What to write, of {', '.join((*OUTPUTS, *OF_VIDEOS_ALONE))}; separated by commas.",
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
    save: tuple[str, ...],
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
    OUTPUT/annotations.json. What is there already is skipped. An input that can't be read is named, the others are
    done, and the exit status is 1.
    """
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
    jobs, failures = plan(inputs, output)
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    images: list[tuple[Path, Path]] = []
    videos: list[tuple[Path, Path]] = []
    for job in jobs:
        (videos if is_video(job[0]) else images).append(job)
    workers = max(1, min(threads or cores(), len(images)))
    # Several images at a time, each on one core, gain more than several cores for one image after the other.
    alone = open_segmenter(1) if workers > 1 and segmenter.engine.name == "onnxruntime" else segmenter
    written: Counter[bool] = Counter()  # how many files were written, and how many were there already
    collection = CocoFile(output / COCO_FILE, overwrite) if "coco" in save else nullcontext()
    bar = click.progressbar(
        length=len(jobs),
        label="predict",
        file=sys.stderr,
        hidden=not sys.stderr.isatty() or len(jobs) == 1,  # a video has a bar of its own
        show_pos=True,
        item_show_func=lambda speed: speed,
    )
    start = time.monotonic()

    def advance() -> None:
        bar.update(1, f"{(bar.pos + 1) / max(1e-9, time.monotonic() - start):.1f} files/s")

    with collection as coco, bar:

        def segment_image(job: tuple[Path, Path]) -> Instances | None:
            return write(alone, *job, save, overwrite, coco is None or coco.had(job[1]))

        for (source, stem), future in in_order(segment_image, images, workers):
            with reporting(source, failures):
                hands = future.result()
                written[hands is not None] += 1
                if coco is not None and hands is not None:
                    coco.add(source, stem, hands)
            advance()
        for source, stem in videos:
            with reporting(source, failures):
                written[write_video(segmenter.without_second_look(), source, stem, save, overwrite, smooth)] += 1
            advance()
    summary = [
        f"{written[True]} done",
        f"{written[False]} there already" * bool(written[False]),
        f"{len(failures)} failed" * bool(failures),
    ]
    click.echo(f"{', '.join(filter(None, summary))}: {output}", err=True)
    if failures:
        sys.exit(1)


@contextmanager
def reporting(source: Path, failures: list[str]) -> Iterator[None]:
    """An error is said, with the name of the file, and the work goes on with the next one."""
    try:
        yield
    except HandsegError as error:
        message = str(error) if str(source) in str(error) else f"{source}: {error}"
        click.echo(f"error: {message}", err=True)
        failures.append(message)


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
    """By its suffix; a file with an unknown one (.ts, or none) is looked into. An image named .mp4 is an image, an
    animated picture is a video."""
    from handseg.image import IMAGE_SUFFIXES
    from handseg.image_file import is_image
    from handseg.video.animation import is_animated

    suffix = source.suffix.lower()
    if is_animated(source):
        return True
    return suffix not in IMAGE_SUFFIXES and not is_image(source) and (suffix in VIDEO_SUFFIXES or _holds_video(source))


def _holds_video(source: Path) -> bool:
    try:
        from handseg.video.reader import VideoReader

        with VideoReader(source):
            return True
    except (MissingExtraError, VideoError):
        return False


def write_video(
    segmenter: Segmenter, source: Path, stem: Path, save: Sequence[str], overwrite: bool, smooth: bool
) -> bool:
    """Segment one video; False where all was there already."""
    import shutil

    from handseg.video.predict import OUTPUTS as VIDEO_OUTPUTS
    from handseg.video.predict import SEQUENCES, is_done, segment_video

    if unknown := [kind for kind in save if kind not in VIDEO_OUTPUTS]:
        raise VideoError(f"{source}: no {unknown[0]} of a video; choose from {', '.join(VIDEO_OUTPUTS)}")
    targets = {kind: stem.with_name(stem.name + VIDEO_OUTPUTS[kind]) for kind in save}
    if not overwrite and is_done(targets):
        return False
    for kind in SEQUENCES:
        if overwrite and kind in targets:
            shutil.rmtree(targets[kind], ignore_errors=True)

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

    def note(text: str) -> None:
        click.echo(f"note: {text}", err=True)

    segment_video(segmenter, source, targets, smooth=smooth, progress=progress, note=note)
    return True


def write(
    segmenter: Segmenter, source: Path, stem: Path, save: Sequence[str], overwrite: bool, in_coco: bool
) -> Instances | None:
    """Segment one image and write each output, whole or not at all; its hands, or None where all was there already.

    in_coco: it needs no entry in a COCO file, or has one.
    """
    from handseg import draw, formats
    from handseg.image import load_image, save_indexed_png, save_png, write_atomically

    if unknown := [kind for kind in save if kind in OF_VIDEOS_ALONE]:
        raise ImageError(f"{source}: no {unknown[0]} of an image; cutout is its PNG with alpha")
    targets = {kind: stem.with_name(stem.name + OUTPUTS[kind]) for kind in save if kind != "coco"}
    if not overwrite and all(path.exists() for path in targets.values()) and in_coco:
        return None
    image = load_image(source)
    if any(target.resolve() == source.resolve() for target in targets.values()):
        raise ImageError(f"{source}: its own mask would replace it; choose another output folder")
    result = segmenter(image)

    def text(path: Path, content: str) -> None:
        write_atomically(path, lambda file: file.write(content.encode()))

    for kind, path in targets.items():
        if kind == "json":
            text(path, json.dumps(segmenter.describe(result, source.name), indent=1) + "\n")
        elif kind == "labelme":
            image_path = Path(os.path.relpath(source.resolve(), path.resolve().parent)).as_posix()
            text(path, json.dumps(formats.labelme(result, image_path), indent=1) + "\n")
        elif kind == "yolo":
            text(path, formats.yolo_lines(result))
        elif kind == "mask":
            save_png(path, result.mask)
        elif kind == "matte":
            save_png(path, result.matte)
        elif kind == "heatmap":
            save_png(path, draw.heatmap(image, result.probability))
        elif kind == "blur":
            save_png(path, draw.blur_background(image, result.matte))
        elif kind == "indexed":
            save_indexed_png(path, draw.indexed(result.regions), draw.PALETTE)
        else:
            save_png(path, getattr(draw, kind)(image, result.mask))
    return result.instances


class CocoFile:
    """One COCO file for all images of a folder of outputs; what an earlier call put there stays.

    Masks are run lengths, so that they are exact. Written when the `with` block ends, also by an error or Ctrl-C.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path = path
        self._images: dict[str, dict[str, Any]] = {}
        self._annotations: list[dict[str, Any]] = []
        if path.exists() and not overwrite:
            try:
                content = json.loads(path.read_text("utf-8"))
                self._images = {image["file_name"]: image for image in content["images"]}
                self._annotations = content["annotations"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path}: not a COCO file ({error}); move it away, or add --overwrite") from error
        self._had = frozenset(Path(name).with_suffix("") for name in self._images)
        self._last_image = max((image["id"] for image in self._images.values()), default=0)
        self._last_annotation = max((a["id"] for a in self._annotations), default=0)

    def had(self, stem: Path) -> bool:
        """Whether an earlier call put this image there."""
        return self._relative(stem) in self._had

    def add(self, source: Path, stem: Path, hands: Instances) -> None:
        from handseg.formats import coco_annotations

        name = str(self._relative(stem)) + ("" if stem.suffix == source.suffix else source.suffix)
        old = self._images.pop(name, None)
        if old is not None:
            self._annotations = [a for a in self._annotations if a["image_id"] != old["id"]]
        self._last_image += 1
        self._images[name] = {
            "id": self._last_image,
            "file_name": name,
            "height": hands.height,
            "width": hands.width,
        }
        added = coco_annotations(hands, self._last_image, self._last_annotation + 1, use_rle=True)
        self._last_annotation += len(added)
        self._annotations += added

    def _relative(self, stem: Path) -> Path:
        return stem.relative_to(self.path.parent)

    def __enter__(self) -> CocoFile:
        return self

    def __exit__(self, *_: object) -> None:
        from handseg.formats import coco_dataset
        from handseg.image import write_atomically

        if self._images:
            text = json.dumps(coco_dataset(list(self._images.values()), self._annotations))
            write_atomically(self.path, lambda file: file.write(text.encode()))
