"""handseg export: a checkpoint → a file for the runtime."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.cli.progress import tell
from handseg.errors import DataError, MissingExtraError
from handseg.inference.card import ModelCard


@click.command(name="export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="An .onnx or .pt file.")
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    help="Folder of images to compare on; default: the run's own validation images.",
)
@click.option("--half", is_flag=True, help="Store the weights in half precision (ONNX): half the size.")
@click.option("--int8", is_flag=True, help="Quantise to INT8 (ONNX): a quarter of the size, and faster.")
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="For --int8: folder of images like those it will see, 12 or more; with images/ and masks/ best. "
    "A third of them judges the result.",
)
@click.option("--split", type=click.Path(path_type=Path), help="For --calibrate: take the training side alone.")
@options.mask_values
@click.option(
    "--max-fall",
    type=click.FloatRange(0, 1),
    default=0.005,
    show_default=True,
    help="For --int8: how far pixel IoU may fall.",
)
@click.option("--card", "card_path", type=click.Path(path_type=Path), help="JSON with more fields of the model card.")
@options.threshold
def command(
    run: Path,
    output: Path,
    check: Path | None,
    half: bool,
    int8: bool,
    calibrate: Path | None,
    split: Path | None,
    mask_values: str,
    max_fall: float,
    card_path: Path | None,
    threshold: float | None,
) -> None:
    """Turn the checkpoint of RUN, a run's folder or a .ckpt, into an ONNX or TorchScript file.

    RUN may also be the weights of a U-Net that other code saved with torch.save (.pth); they are taken to be fed as the
    recipe `blog` feeds its network.

    The file carries its model card. It is run on real images and compared with torch first, and written only
    if they agree within 1e-4. A .pt file runs in handseg, and in code that loads it with torch.jit.load: it takes
    float RGB (N, 3, H, W) in [0, 1] and returns the probability of hand, (N, 1, H, W). With --int8 RUN may also be an
    .onnx file or a packaged model's name; the INT8 file is written only if it finds hands as well as the float model,
    within --max-fall, on images it wasn't calibrated on.
    """
    if calibrate is None:
        if int8:
            raise click.UsageError("--int8 needs images: add --calibrate FOLDER")
        difference, images = export_float(run, output, check, half, card_path, threshold)
        click.echo(f"{output}: {megabytes(output)}; on {images} images at most {difference:.2g} away from torch")
        return
    if not int8 or half or output.suffix != ".onnx":
        raise click.UsageError("--calibrate goes with --int8, without --half, and writes an .onnx file")
    from handseg.data import Split
    from handseg.data.meaning import meaning_notes
    from handseg.export.int8 import choose_images, quantise
    from handseg.inference.engines import find_model, open_engine, packaged_models

    with tempfile.TemporaryDirectory(prefix="handseg.") as folder:
        if run.suffix == ".onnx" or str(run) in packaged_models():
            source = find_model(run)
        else:
            source = Path(folder) / "float.onnx"
            export_float(run, source, check or calibrate, False, None, None)
        own = open_engine(source, engine="onnxruntime").card
        card = amended(dataclasses.replace(own, scores={}), card_path, threshold)  # those are the float model's
        chosen = choose_images(calibrate, card, Split.load(split) if split else None, mask_values=mask_values)
        for note in meaning_notes(chosen.samples):
            tell(str(note))
        result = quantise(source, output, chosen, card=card, limit=max_fall)
    judge = "their labels" if result.labelled else "the float model's masks"
    click.echo(
        f"{output}: {megabytes(output)}; pixel IoU {result.iou:.4f} (float {result.float_iou:.4f}) against {judge}, "
        f"{result.images} held-out images\n"
        f"in float {len(result.in_float)} of {result.layers} layers: {', '.join(result.in_float)}"
    )


def export_float(
    run: Path, output: Path, check: Path | None, half: bool, card_path: Path | None, threshold: float | None
) -> tuple[float, int]:
    """Export a checkpoint; how far it is from torch, and on how many images."""
    try:
        from handseg.export.export import export
        from handseg.training.checkpoint import load_checkpoint, load_weights, run_checkpoint
    except ImportError as error:
        raise MissingExtraError("Export", "train,export") from error

    checkpoint = run_checkpoint(run) if run.is_dir() else run
    module = load_weights(run) if run.suffix in (".pth", ".pt") else load_checkpoint(checkpoint)
    card = amended(module.card(), card_path, threshold)
    images = check_images(check, checkpoint)
    return export(module, output, images, card=card, half=half), len(images)


def amended(card: ModelCard, card_path: Path | None, threshold: float | None) -> ModelCard:
    """A card with the fields of a JSON file, and another threshold."""
    if card_path is not None:
        try:
            card = card.extended(json.loads(card_path.read_text("utf-8")), str(card_path))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{card_path}: not a JSON object with a model card's fields ({error})") from error
    return card if threshold is None else dataclasses.replace(card, threshold=threshold)


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def check_images(folder: Path | None, checkpoint: Path) -> list[Any]:
    """Images to compare on: of a folder, or those that the run has noted."""
    from handseg.data.files import image_files
    from handseg.image import load_image
    from handseg.training.fit import CHECK_FILE, CHECK_IMAGES

    if folder is not None:
        paths = image_files(folder)
        paths = paths[:: max(1, len(paths) // CHECK_IMAGES)][:CHECK_IMAGES]
    else:
        noted = checkpoint.parent / CHECK_FILE
        paths = (
            [Path(p) for p in noted.read_text("utf-8", "surrogateescape").split("\n") if p] if noted.is_file() else []
        )
        paths = [p for p in paths if p.is_file()]
    if not paths:
        raise DataError(f"{folder or checkpoint}: no images to compare on; name a folder of them with --check")
    return [load_image(p) for p in paths]
