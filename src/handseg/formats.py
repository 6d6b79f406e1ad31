"""Masks in the formats of other tools: COCO, YOLO and LabelMe, written and read.

Everything here is plain values, ready for `json`; nothing needs more than numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from handseg.contours import area, simplify, trace
from handseg.postprocess import label_components

CATEGORY = {"id": 1, "name": "hand", "supercategory": "person"}
TOLERANCE = 1.0  # pixels by which a simplified polygon may stray


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed run-length encoding of a mask H×W: {"size": [H, W], "counts": str}; lossless.

    Runs go down the columns, background first; each length is written as the difference from the one two before, five
    bits a character. Source: cocodataset/cocoapi, common/maskApi.c (the format).
    """
    flat = np.asarray(mask).astype(bool).T.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], change, [flat.size]])
    runs = np.diff(bounds).tolist()
    if flat.size and flat[0]:
        runs.insert(0, 0)
    characters = []
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            characters.append(chr(48 + (bits | 0x20 if more else bits)))
    height, width = mask.shape
    return {"size": [height, width], "counts": "".join(characters)}


def decode_rle(rle: dict[str, Any]) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of COCO's run-length encoding, compressed (str) or not (list of lengths).

    Raises ValueError when its lengths don't add up to the size.
    """
    height, width = rle["size"]
    counts = rle["counts"]
    runs: list[int] = []
    if isinstance(counts, str):
        value = shift = 0
        for character in counts:
            bits = ord(character) - 48
            value |= (bits & 0x1F) << shift
            shift += 5
            if not bits & 0x20:
                if bits & 0x10:
                    value -= 1 << shift
                runs.append(value + runs[-2] if len(runs) > 2 else value)
                value = shift = 0
    else:
        runs = list(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"the runs cover {sum(runs)} pixels of {height}×{width}")
    flat = np.repeat(np.arange(len(runs)) % 2 * 255, runs).astype(np.uint8)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def polygons(mask: np.ndarray, tolerance: float = TOLERANCE) -> list[np.ndarray]:
    """Outlines of the regions of a mask, simplified; float64 (n, 2) of (x, y) in pixels, three points or more each.

    Holes are cut open towards the outline around them, since COCO, YOLO and LabelMe know polygons without holes only.
    """
    exact = trace(mask)
    outer = sorted((o for o in exact if area(o) > 0), key=area)
    drawn = [simplify(o, tolerance).astype(np.float64) for o in outer]
    for hole in (o for o in exact if area(o) < 0):
        simple = simplify(hole, tolerance).astype(np.float64)
        if len(simple) > 2:
            owner = next(i for i, o in enumerate(outer) if _contains(o, _beside(hole)))
            drawn[owner] = _joined(drawn[owner], simple)
    return [polygon for polygon in drawn if len(polygon) > 2]


def coco_annotations(mask: np.ndarray, image_id: int, first_id: int, *, use_rle: bool = False) -> list[dict[str, Any]]:
    """COCO annotations of an image's hands, one a connected region; as polygons, or as run lengths (exact)."""
    labels, n = label_components(mask)
    annotations: list[dict[str, Any]] = []
    for i in range(1, n + 1):
        region = labels == i
        rows, columns = np.nonzero(region)
        x, y = int(columns.min()), int(rows.min())
        outlines = [] if use_rle else [p.ravel().round(2).tolist() for p in polygons(region)]
        if not use_rle and not outlines:
            continue  # thinner than the tolerance
        annotations.append(
            {
                "id": first_id + len(annotations),
                "image_id": image_id,
                "category_id": CATEGORY["id"],
                "segmentation": encode_rle(region) if use_rle else outlines,
                "area": len(rows),
                "bbox": [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1],
                "iscrowd": 0,
            }
        )
    return annotations


def coco_dataset(images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A whole COCO file. images: {"id", "file_name", "height", "width"} each."""
    return {
        "info": {"description": "hand masks made by handseg"},
        "licenses": [],
        "categories": [CATEGORY],
        "images": list(images),
        "annotations": list(annotations),
    }


def coco_mask(annotations: Iterable[dict[str, Any]], height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of an image's COCO annotations, of either kind."""
    mask = np.zeros((height, width), np.uint8)
    for annotation in annotations:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, dict):
            mask |= decode_rle(segmentation)
        else:
            mask |= fill([np.reshape(p, (-1, 2)) for p in segmentation], height, width)
    return mask


def yolo_lines(mask: np.ndarray) -> str:
    """YOLO's segmentation labels: a line a region, class 0, then x y … as fractions of width and height."""
    height, width = mask.shape
    lines = []
    for polygon in polygons(mask):
        points = (polygon / (width, height)).clip(0, 1)
        lines.append("0 " + " ".join(f"{v:.6f}" for v in points.ravel()))
    return "".join(line + "\n" for line in lines)


def yolo_mask(text: str, height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of YOLO's segmentation labels."""
    parts = [np.array(line.split()[1:], np.float64).reshape(-1, 2) for line in text.splitlines() if line.strip()]
    return fill([part * (width, height) for part in parts], height, width)


def labelme(mask: np.ndarray, image_name: str) -> dict[str, Any]:
    """LabelMe's annotation of an image."""
    height, width = mask.shape
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {"label": "hand", "points": p.tolist(), "group_id": None, "shape_type": "polygon", "flags": {}}
            for p in polygons(mask)
        ],
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def fill(outlines: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Mask uint8 H×W: 255 where a pixel's centre lies within one of the polygons (even-odd rule in each)."""
    mask = np.zeros((height, width), np.uint8)
    centres = np.arange(height) + 0.5
    for outline in outlines:
        points = np.asarray(outline, np.float64)
        following = np.roll(points, -1, axis=0)
        flips = np.zeros((height, width + 1), np.int64)
        for (x0, y0), (x1, y1) in zip(points, following):
            low, high = (y0, y1) if y0 < y1 else (y1, y0)
            rows = np.arange(np.searchsorted(centres, low), np.searchsorted(centres, high))
            if len(rows):
                x = x0 + (centres[rows] - y0) * (x1 - x0) / (y1 - y0)
                flips[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
        mask[np.cumsum(flips, axis=1)[:, :width] % 2 == 1] = 255
    return mask


def _beside(hole: np.ndarray) -> np.ndarray:
    """The centre of a pixel in a hole, from its exact outline: to the left of its last edge."""
    step = np.sign(hole[0] - hole[-1])
    middle: np.ndarray = hole[-1] + step * 0.5 + np.array([step[1], -step[0]]) * 0.5
    return middle


def _contains(outline: np.ndarray, point: np.ndarray) -> bool:
    x, y = point
    (x0, y0), (x1, y1) = outline.T, np.roll(outline, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & right) % 2)


def _joined(outer: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One polygon that walks around the outside, crosses to the hole at the nearest corners, and comes back."""
    distance = ((outer[:, None] - hole[None]) ** 2).sum(2)
    i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
    around = np.concatenate([hole[j:], hole[: j + 1]])
    return np.concatenate([outer[: i + 1], around, outer[i:]])
