"""handseg export: a checkpoint → a file for the runtime."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.errors import DataError, MissingExtraError


@click.command(name="export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="An .onnx or .pt file.")
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    help="Folder of images to compare on; default: the run's own validation images.",
)
@click.option("--half", is_flag=True, help="Store the weights in half precision (ONNX): half the file.")
@click.option("--card", "card_path", type=click.Path(path_type=Path), help="JSON with more fields of the model card.")
@options.threshold
def command(
    run: Path, output: Path, check: Path | None, half: bool, card_path: Path | None, threshold: float | None
) -> None:
    """Turn the checkpoint of RUN, a run's folder or a .ckpt, into an ONNX or TorchScript file.

    The file carries its model card. It is run on real images and compared with torch first, and written only
    if they agree within 1e-4.
    """
    try:
        from handseg.export.export import export
        from handseg.training.checkpoint import load_checkpoint, run_checkpoint
    except ImportError as error:
        raise MissingExtraError("Export", "train,export") from error

    checkpoint = run_checkpoint(run) if run.is_dir() else run
    module = load_checkpoint(checkpoint)
    card = module.recipe.card(module.net.stride, training=False)
    if card_path is not None:
        try:
            card = card.extended(json.loads(card_path.read_text("utf-8")), str(card_path))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{card_path}: not a JSON object with a model card's fields ({error})") from error
    if threshold is not None:
        card = dataclasses.replace(card, threshold=threshold)
    images = check_images(check, checkpoint)
    difference = export(module, output, images, card=card, half=half)
    size = output.stat().st_size / 1e6
    click.echo(
        f"{output}: {size:.1f} MB, {checkpoint.name}; on {len(images)} images at most {difference:.2g} away from torch"
    )


def check_images(folder: Path | None, checkpoint: Path) -> list[Any]:
    """Images to compare on: of a folder, or those that the run has noted."""
    from handseg.image import IMAGE_SUFFIXES, load_image
    from handseg.training.fit import CHECK_FILE, CHECK_IMAGES

    if folder is not None:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        paths = paths[:: max(1, len(paths) // CHECK_IMAGES)][:CHECK_IMAGES]
    else:
        noted = checkpoint.parent / CHECK_FILE
        paths = [Path(p) for p in noted.read_text("utf-8").split("\n") if p] if noted.is_file() else []
        paths = [p for p in paths if p.is_file()]
    if not paths:
        raise DataError(f"{folder or checkpoint}: no images to compare on; name a folder of them with --check")
    return [load_image(p) for p in paths]
