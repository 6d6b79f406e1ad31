from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handseg import formats
from handseg.image import load_mask
from tests.test_segmenter import EXAMPLES

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
HAND = load_mask(EXAMPLES / "hand_mask.png")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a > 0) & (b > 0)).sum() / max(1, ((a > 0) | (b > 0)).sum()))


def ring() -> np.ndarray:
    """A hand-sized ring, as thumb and finger make it, and a second region."""
    y, x = np.mgrid[0:240, 0:320]
    r = np.hypot(y - 120, x - 130)
    mask = (r < 90) & (r > 40)
    mask[30:90, 260:300] = True
    return np.where(mask, 255, 0).astype(np.uint8)


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_are_pycocotools(mask: np.ndarray) -> None:
    api = pytest.importorskip("pycocotools.mask", reason="pycocotools isn't installed: handseg[dev]")
    rle = formats.encode_rle(mask)
    theirs = api.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle["counts"].encode() == theirs["counts"]
    assert rle["size"] == list(theirs["size"])
    assert np.array_equal(formats.decode_rle(rle) > 0, mask)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.0005, 0.2))
def test_long_runs_too(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((90, 110)) < share
    assert np.array_equal(formats.decode_rle(formats.encode_rle(mask)) > 0, mask)


def test_uncompressed_run_lengths_are_read_and_wrong_ones_refused() -> None:
    mask = formats.decode_rle({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.tolist() == [[0, 255, 0], [255, 0, 0]]
    with pytest.raises(ValueError, match="7 pixels of 2×3"):
        formats.decode_rle({"size": [2, 3], "counts": [1, 6]})


@pytest.mark.parametrize("mask", [HAND, ring()], ids=["hand", "ring"])
def test_every_format_comes_back(mask: np.ndarray) -> None:
    height, width = mask.shape
    exact = formats.coco_annotations(mask, 1, 1, use_rle=True)
    assert iou(formats.coco_mask(exact, height, width), mask) == 1
    drawn = formats.coco_annotations(mask, 1, 1)
    assert iou(formats.coco_mask(drawn, height, width), mask) > 0.98
    assert iou(formats.yolo_mask(formats.yolo_lines(mask), height, width), mask) > 0.98
    shapes = formats.labelme(mask, "a.jpg")["shapes"]
    assert iou(formats.fill([np.array(s["points"]) for s in shapes], height, width), mask) > 0.98


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
@pytest.mark.parametrize("use_rle", [False, True])
def test_a_coco_file_is_read_by_pycocotools(tmp_path, use_rle: bool) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools isn't installed: handseg[dev]")
    images, annotations = [], []
    masks = [HAND, ring(), np.zeros((50, 60), np.uint8)]
    for i, mask in enumerate(masks, start=1):
        images.append({"id": i, "file_name": f"{i}.jpg", "height": mask.shape[0], "width": mask.shape[1]})
        annotations += formats.coco_annotations(mask, i, len(annotations) + 1, use_rle=use_rle)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(formats.coco_dataset(images, annotations)))
    read = coco.COCO(str(path))
    assert len({a["id"] for a in annotations}) == len(annotations) >= 3
    for i, mask in enumerate(masks, start=1):
        found = [read.annToMask(a) for a in read.loadAnns(read.getAnnIds(imgIds=i))]
        whole = np.any(found, axis=0) if found else np.zeros_like(mask)
        assert iou(whole, mask) >= (1 if use_rle else 0.98) if mask.any() else not found
    for annotation in annotations:
        x, y, w, h = annotation["bbox"]
        assert int(read.annToMask(annotation)[y : y + h, x : x + w].sum()) == pytest.approx(
            annotation["area"], rel=0.03
        )


@settings(deadline=None)
@given(MASKS)
def test_unsimplified_polygons_fill_to_the_same_mask(mask: np.ndarray) -> None:
    outlines = formats.polygons(mask, 0.0)
    together = np.zeros(mask.shape, bool)
    for outline in outlines:
        together ^= formats.fill([outline], *mask.shape) > 0
    assert np.array_equal(together, mask)


def test_nothing_gives_nothing() -> None:
    empty = np.zeros((20, 30), np.uint8)
    assert formats.coco_annotations(empty, 1, 1) == []
    assert formats.yolo_lines(empty) == ""
    assert formats.labelme(empty, "a.jpg")["shapes"] == []
    assert not formats.yolo_mask("", 20, 30).any()
