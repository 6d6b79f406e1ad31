"""What tuning a finished model changes: its scores on the validation side before and after."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from handseg.data.loading import Batch
from handseg.files import write_atomically
from handseg.metrics import score
from handseg.training.lock import first_process
from handseg.training.module import HandModule

FILE = "before.json"


def note_start(folder: Path, module: HandModule, batches: Iterable[Batch], device: torch.device, init: str) -> None:
    """Score a network as it is before its first step, say it, and keep it in the run as FILE."""
    module.to(device).eval()
    counts = []
    with torch.no_grad():
        for batch in batches:
            on_device: Batch = {"image": batch["image"].to(device), "allowed": batch["allowed"].to(device)}
            counts += module.validation_counts(on_device)
    module.train()
    scores = score(np.stack(counts))
    before = {
        "init": init,
        "val_f1": scores["pixel"]["f1"],
        "val_iou": scores["pixel"]["iou"],
        "val_image_iou": scores["image"]["iou"],
    }
    if first_process():
        write_atomically(folder / FILE, lambda file: file.write(json.dumps(before, indent=1).encode()))
        print(f"before: F1 {before['val_f1']:.3f}, IoU {before['val_iou']:.3f} on the validation side", file=sys.stderr)


def tell_gain(folder: Path, select: Literal["best", "last"]) -> None:
    """Say how the scores of the resulting checkpoint differ from those before; nothing where none were noted."""
    try:
        before = json.loads((folder / FILE).read_text("utf-8"))
        with (folder / "curves.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("val_iou")]
    except (OSError, ValueError):
        return
    if not rows:
        return
    after = min(rows, key=lambda row: float(row["val_loss"])) if select == "best" else rows[-1]
    f1, iou = float(after["val_f1"]), float(after["val_iou"])
    line = f"after: F1 {f1:.3f}, before {before['val_f1']:.3f}; IoU {iou:.3f}, before {before['val_iou']:.3f}"
    if f1 < before["val_f1"]:
        line += f"; worse than {before['init']}: keep that, or tune with less (--set optimizer.lr=2e-5) or more images"
    print(line, file=sys.stderr)
