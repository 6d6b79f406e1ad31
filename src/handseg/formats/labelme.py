"""LabelMe's annotation of an image, one JSON file beside it."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np

from handseg.errors import AnnotationError, ImageError
from handseg.formats.outlines import check_inside, drawn, point_list, polygon_of_points, score_of
from handseg.image import decode_image
from handseg.masks.instances import Instance, Instances, InstancesLike, as_instances, from_mask
from handseg.masks.polygons import TOLERANCE, polygons

CIRCLE_CORNERS = 64


def labelme(hands: InstancesLike, image_path: str, *, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """LabelMe's annotation of an image: a polygon a piece; the pieces of an instance have one `group_id`.

    image_path: of the image, relative to the folder of the annotation. tolerance: pixels by which a polygon may stray.
    """
    instances = as_instances(hands)
    shapes = []
    for number, item in enumerate(instances, start=1):
        outlines = polygons(item.mask, tolerance)
        for outline in outlines:
            shape = {
                "label": "hand",
                "points": (outline + item.box[:2]).tolist(),
                "group_id": number if len(outlines) > 1 else None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            shapes.append(shape if item.score is None else {**shape, "score": round(item.score, 4)})
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": instances.height,
        "imageWidth": instances.width,
    }


def labelme_instances(
    content: Mapping[str, Any], *, labels: Collection[str] | None = None, source: str = "LabelMe"
) -> Instances:
    """The instances of an annotation: polygons, rectangles, circles and masks; those of one `group_id` are one.

    labels: the names of those that are hands; None: all. source: the file, for the errors.
    Raises AnnotationError, as `handseg.formats` says: for points and lines too, which cover no area.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("shapes"), (list, tuple)):
        raise AnnotationError(f"{source}: not LabelMe's annotation, it has no list of shapes")
    height, width = _size(content, source)
    wanted = None if labels is None else {_composed(label) for label in labels}
    groups: dict[Hashable, list[Instance]] = {}
    for number, shape in enumerate(content["shapes"], start=1):
        where = f"{source}: shape {number}"
        if not isinstance(shape, Mapping):
            raise AnnotationError(f"{where} is a {type(shape).__name__}, not a mapping")
        if wanted is not None and _composed(str(shape.get("label"))) not in wanted:
            continue
        group = shape.get("group_id")
        key = ("alone", number) if group is None else ("group", str(shape.get("label")), str(group))
        groups.setdefault(key, []).append(_shape(shape, height, width, where))
    return Instances(height, width, tuple(_together(pieces) for pieces in groups.values()))


def labelme_mask(
    content: Mapping[str, Any], *, labels: Collection[str] | None = None, source: str = "LabelMe"
) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of an annotation; as `labelme_instances`."""
    return labelme_instances(content, labels=labels, source=source).mask


def _composed(label: str) -> str:
    """As macOS writes an é, as two characters, it is the same label."""
    return unicodedata.normalize("NFC", label)


def _size(content: Mapping[str, Any], source: str) -> tuple[int, int]:
    size = content.get("imageHeight"), content.get("imageWidth")
    if all(isinstance(v, int) and v > 0 for v in size):
        return int(size[0]), int(size[1])  # type: ignore[arg-type]
    if content.get("imageData"):
        height, width = _picture(content["imageData"], f"{source}: imageData").shape[:2]
        return height, width
    raise AnnotationError(f"{source}: imageHeight and imageWidth are {size[0]!r} and {size[1]!r}, not the image's size")


def _shape(shape: Mapping[str, Any], height: int, width: int, where: str) -> Instance:
    kind, score = shape.get("shape_type", "polygon"), score_of(shape.get("score"), where)
    if kind == "mask":
        return _pasted(shape, height, width, score, where)
    if kind == "polygon":
        outline = polygon_of_points(shape.get("points"), where)
    elif kind in ("rectangle", "circle"):
        points = point_list(shape.get("points"), where)
        if len(points) != 2:
            raise AnnotationError(f"{where}: a {kind} of {len(points)} points; it has two")
        outline = _rectangle(*points) if kind == "rectangle" else _circle(*points).clip(0, (width, height))
    else:
        raise AnnotationError(
            f"{where}: a {kind} covers no area; a mask needs a polygon, a rectangle, a circle or a mask"
        )
    check_inside([outline], height, width, where)
    return drawn([outline], height, width, score, where)


def _rectangle(corner: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    (x0, y0), (x1, y1) = corner, opposite
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle(centre: np.ndarray, edge: np.ndarray) -> np.ndarray:
    angle = np.arange(CIRCLE_CORNERS) * (2 * np.pi / CIRCLE_CORNERS)
    return np.asarray(centre + np.hypot(*(edge - centre)) * np.column_stack([np.cos(angle), np.sin(angle)]))


def _pasted(shape: Mapping[str, Any], height: int, width: int, score: float | None, where: str) -> Instance:
    """A mask of LabelMe's: a picture of its box, whose first and last pixel the points name."""
    pixels = np.asarray(_picture(shape.get("mask"), f"{where}: its mask").any(axis=2))
    points = point_list(shape.get("points"), where)
    left, top = points.min(0).round().astype(int).tolist() if len(points) else (-1, -1)
    if min(left, top) < 0 or top + pixels.shape[0] > height or left + pixels.shape[1] > width:
        raise AnnotationError(f"{where}: its mask lies outside of the image, {width}×{height} pixels")
    instance = from_mask(pixels, top, left, score)
    if instance is None:
        raise AnnotationError(f"{where}: its mask is empty")
    return instance


def _picture(data: Any, where: str) -> np.ndarray:
    try:
        return decode_image(base64.b64decode(data, validate=True), where)
    except (TypeError, ValueError, binascii.Error) as error:
        raise AnnotationError(f"{where} is no picture in base64") from error
    except ImageError as error:
        raise AnnotationError(str(error)) from error


def _together(pieces: list[Instance]) -> Instance:
    """One instance of several pieces, with the score of the surest."""
    if len(pieces) == 1:
        return pieces[0]
    left, top = (min(p.box[axis] for p in pieces) for axis in (0, 1))
    right, bottom = (max(p.box[axis] + p.box[axis + 2] for p in pieces) for axis in (0, 1))
    moved = tuple(Instance((p.box[0] - left, p.box[1] - top, *p.box[2:]), p.mask) for p in pieces)
    scores = [p.score for p in pieces if p.score is not None]
    mask = Instances(bottom - top, right - left, moved).mask > 0
    return Instance((left, top, right - left, bottom - top), mask, max(scores, default=None))
