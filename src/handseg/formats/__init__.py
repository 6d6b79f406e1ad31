"""Hands in the formats of other tools: COCO, YOLO and LabelMe, written and read, each the other's inverse.

Writers take a `HandMask`, the `Instances` that a reader gives, or a mask H×W; one entry an instance, in the order of
`HandMask.hands`. Readers give `Instances`, or for `…_mask` the mask of them all, and raise AnnotationError, a DataError
and a ValueError, which says what is wrong and where. Everything is plain values, ready for `json`; nothing needs more
than numpy.
"""

from __future__ import annotations

from handseg.formats.coco import CATEGORY, coco_annotations, coco_dataset, coco_instances, coco_mask
from handseg.formats.labelme import labelme, labelme_instances, labelme_mask
from handseg.formats.rle import decode_rle, encode_rle
from handseg.formats.yolo import yolo_instances, yolo_lines, yolo_mask
from handseg.masks.polygons import TOLERANCE, fill, polygons

__all__ = [
    "CATEGORY",
    "TOLERANCE",
    "coco_annotations",
    "coco_dataset",
    "coco_instances",
    "coco_mask",
    "decode_rle",
    "encode_rle",
    "fill",
    "labelme",
    "labelme_instances",
    "labelme_mask",
    "polygons",
    "yolo_instances",
    "yolo_lines",
    "yolo_mask",
]
