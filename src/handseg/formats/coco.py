"""COCO's instance annotations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from handseg.errors import AnnotationError
from handseg.formats.outlines import check_inside, drawn, flat_polygon, score_of
from handseg.formats.rle import decode_rle, encode_part
from handseg.masks.instances import Instance, Instances, InstancesLike, as_instances, from_mask
from handseg.masks.polygons import TOLERANCE, polygons

CATEGORY = {"id": 1, "name": "hand", "supercategory": "person"}


def coco_annotations(
    hands: InstancesLike, image_id: int, first_id: int, *, use_rle: bool = False, tolerance: float = TOLERANCE
) -> list[dict[str, Any]]:
    """COCO annotations of an image's hands, one an instance, with its `score` where it has one.

    use_rle: run lengths, which are exact; otherwise polygons, one a piece, holes cut open. tolerance: pixels by which a
    polygon may stray.
    """
    instances = as_instances(hands)
    return [
        {
            "id": first_id + i,
            "image_id": image_id,
            "category_id": CATEGORY["id"],
            "segmentation": _run_lengths(item, instances) if use_rle else _polygons(item, tolerance),
            "area": item.area,
            "bbox": list(item.box),
            "iscrowd": 0,
            **({} if item.score is None else {"score": round(item.score, 4)}),
        }
        for i, item in enumerate(instances)
    ]


def coco_dataset(images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A whole COCO file. images: {"id", "file_name", "height", "width"} each."""
    return {
        "info": {"description": "hand masks made by handseg"},
        "licenses": [],
        "categories": [CATEGORY],
        "images": list(images),
        "annotations": list(annotations),
    }


def coco_instances(
    annotations: Iterable[Mapping[str, Any]],
    height: int,
    width: int,
    *,
    categories: Collection[int] | None = None,
    source: str = "COCO",
) -> Instances:
    """The instances of an image's annotations. A crowd (iscrowd 1) is many in one, and left out.

    categories: the ids of those that are hands; None: all. source: the file, for the errors.
    Raises AnnotationError, as `handseg.formats` says.
    """
    read = _read(annotations, height, width, categories, source)
    return Instances(height, width, tuple(item for item, crowd in read if not crowd))


def coco_mask(
    annotations: Iterable[Mapping[str, Any]],
    height: int,
    width: int,
    *,
    categories: Collection[int] | None = None,
    source: str = "COCO",
) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of an image's annotations of any kind, crowds too; as `coco_instances`."""
    read = _read(annotations, height, width, categories, source)
    return Instances(height, width, tuple(item for item, _ in read)).mask


def _run_lengths(item: Instance, image: Instances) -> dict[str, Any]:
    return encode_part(item.mask, item.box[0], item.box[1], image.height, image.width)


def _polygons(item: Instance, tolerance: float) -> list[list[float]]:
    return [(p + item.box[:2]).ravel().round(2).tolist() for p in polygons(item.mask, tolerance)]


def _read(
    annotations: Iterable[Mapping[str, Any]], height: int, width: int, categories: Collection[int] | None, source: str
) -> list[tuple[Instance, bool]]:
    """Each annotation's instance, and whether it is a crowd."""
    found = []
    for number, annotation in enumerate(annotations, start=1):
        if not isinstance(annotation, Mapping):
            raise AnnotationError(f"{source}: annotation {number} is a {type(annotation).__name__}, not a mapping")
        if categories is not None and annotation.get("category_id") not in categories:
            continue
        where = f"{source}: annotation {annotation.get('id', number)}"
        found.append((_instance(annotation, height, width, where), bool(annotation.get("iscrowd", 0))))
    return found


def _instance(annotation: Mapping[str, Any], height: int, width: int, where: str) -> Instance:
    score = score_of(annotation.get("score"), where)
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        try:
            mask = decode_rle(segmentation)
        except AnnotationError as error:
            raise AnnotationError(f"{where}: {error}") from error
        if mask.shape != (height, width):
            raise AnnotationError(
                f"{where}: a mask of {mask.shape[1]}×{mask.shape[0]} pixels in an image of {width}×{height}"
            )
        instance = from_mask(mask, score=score)
        if instance is None:
            raise AnnotationError(f"{where}: its mask is empty")
        return instance
    if segmentation is None or (isinstance(segmentation, (list, tuple)) and not segmentation):
        has = "a box only" if annotation.get("bbox") else "neither outline nor mask"
        raise AnnotationError(f"{where}: {has}; a mask needs a segmentation")
    if not isinstance(segmentation, (list, tuple)):
        raise AnnotationError(f"{where}: its segmentation is {type(segmentation).__name__}, no list of polygons")
    if not any(isinstance(part, (list, tuple, np.ndarray, str)) for part in segmentation):
        raise AnnotationError(f"{where}: its segmentation is a list of numbers, not of polygons: [[x, y, …]]")
    outlines = [flat_polygon(part, where) for part in segmentation]
    check_inside(outlines, height, width, where)
    return drawn(outlines, height, width, score, where)
