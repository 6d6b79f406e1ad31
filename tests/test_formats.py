from __future__ import annotations

import base64
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handseg import formats
from handseg.errors import DataError
from handseg.image import encode_png, load_mask
from handseg.masks.instances import Instances, from_mask
from handseg.masks.result import HandMask
from tests.inference.test_segmenter import EXAMPLES

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


@pytest.mark.parametrize(
    "counts", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), np.array([1, 2, 3], np.uint32), "123", b"123"], ids=repr
)
def test_run_lengths_are_read_however_they_come(counts: object) -> None:
    mask = formats.decode_rle({"size": [2, 3], "counts": counts})
    assert mask.tolist() == [[0, 255, 0], [255, 0, 0]]


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [2, 3], "counts": [1, 6]}, "7 pixels of 2×3"),
        ({"size": [2, 3], "counts": [8, -2]}, "6 pixels of 2×3"),
        ({"size": [2, 3], "counts": [1, 5.5]}, "whole numbers"),
        ({"size": [2, 3], "counts": ["1", "5"]}, "whole numbers"),
        ({"size": [2, 3], "counts": None}, "whole numbers"),
        ({"size": [2, 3], "counts": "1é"}, "no place there"),
        ({"size": [2, 3], "counts": "o" * 99}, "no place there"),
        ({"size": [2, 3], "counts": b"1P"}, "middle of a number"),
        ({"size": [2], "counts": "123"}, "height and width"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "height and width"),
        ({"counts": "123"}, "size"),
        ("123", "mapping"),
    ],
)
def test_malformed_run_lengths_are_refused(rle: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        formats.decode_rle(rle)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


@st.composite
def instances(draw: st.DrawFn) -> Instances:
    """Hands of any shape: in several pieces, with holes, overlapping; most with a score."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    masks = draw(st.lists(hnp.arrays(bool, (height, width)), max_size=4))
    scores = draw(st.lists(st.sampled_from([None, 0.0, 0.25, 1.0]), min_size=4, max_size=4))
    found = [from_mask(mask, score=score) for mask, score in zip(masks, scores)]
    return Instances(height, width, tuple(item for item in found if item is not None))


def written_and_read(hands: Instances | HandMask, way: str, tolerance: float) -> Instances:
    height, width = (hands if isinstance(hands, Instances) else hands.instances).mask.shape
    if way == "yolo":
        text = formats.yolo_lines(hands, scores=True, tolerance=tolerance)
        return formats.yolo_instances(text, height, width)
    if way == "labelme":
        return formats.labelme_instances(json.loads(json.dumps(formats.labelme(hands, "a.jpg", tolerance=tolerance))))
    content = formats.coco_annotations(hands, 3, 5, use_rle=way == "run lengths", tolerance=tolerance)
    return formats.coco_instances(json.loads(json.dumps(content)), height, width)


@pytest.mark.parametrize("way", ["polygons", "run lengths", "yolo", "labelme"])
@settings(deadline=None, max_examples=50)
@given(hands=instances())
def test_what_is_written_is_read_again(way: str, hands: Instances) -> None:
    read = written_and_read(hands, way, 0.0)
    assert (read.height, read.width, len(read)) == (hands.height, hands.width, len(hands))
    for there, back in zip(hands, read):
        assert back.box == there.box
        assert np.array_equal(back.mask, there.mask)
        assert back.score == there.score


def test_the_cut_to_a_hole_is_closed_though_it_crosses_the_centre_of_a_pixel() -> None:
    mask = np.ones((11, 11), bool)
    mask[5, 1] = False  # the cut runs through the centre of (8, 0), but for the digits that YOLO keeps
    item = from_mask(mask)
    assert item is not None
    read = written_and_read(Instances(11, 11, (item,)), "yolo", 0.0)
    assert np.array_equal(read.mask > 0, mask)


@pytest.mark.parametrize("way", ["polygons", "run lengths", "yolo", "labelme"])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), share=st.floats(0.1, 0.9))
def test_simplified_outlines_stay_within_their_tolerance(way: str, seed: int, share: float) -> None:
    noise = np.random.default_rng(seed).random((6, 8)).repeat(7, 0).repeat(7, 1)
    hands = HandMask(noise.astype(np.float32), 1 - share, min_confidence=0)
    read = written_and_read(hands, way, 1.0)
    assert len(read) == len(hands.hands)
    for i, hand in enumerate(hands.hands):
        there, back = hands.regions == i + 1, read.whole(i) > 0
        # No pixel further from the outline than the tolerance changes.
        core = np.pad(there, 2)
        near = np.zeros_like(core)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near |= np.roll(core, (dy, dx), (0, 1)) != core
        assert not (there != back)[~near[2:-2, 2:-2]].any()
        assert read[i].score == pytest.approx(hand.confidence, abs=1e-4)


@pytest.mark.parametrize("mask", [HAND, ring()], ids=["hand", "ring"])
def test_every_format_comes_back(mask: np.ndarray) -> None:
    height, width = mask.shape
    exact = formats.coco_annotations(mask, 1, 1, use_rle=True)
    assert iou(formats.coco_mask(exact, height, width), mask) == 1
    drawn = formats.coco_annotations(mask, 1, 1)
    assert iou(formats.coco_mask(drawn, height, width), mask) > 0.98
    assert iou(formats.yolo_mask(formats.yolo_lines(mask), height, width), mask) > 0.98
    assert iou(formats.labelme_mask(formats.labelme(mask, "a.jpg")), mask) > 0.98
    for hands in (exact, drawn):
        assert all("score" not in hand for hand in hands)  # a mask has none


SQUARE = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([SQUARE[:7]], "7 coordinates, an odd number"),
        ([SQUARE[:4]], "2 points"),
        ([[]], "0 points"),
        ([], "a box only"),
        (None, "a box only"),
        (SQUARE, "list of numbers"),
        ([[[2, 2], [8, 2], [8, 8]]], "a list among the coordinates"),
        ([["2", "2", "8", "2", "8", "8"]], "text among the coordinates"),
        (["2 2 8 2 8 8"], "text where a list"),
        ([[2, 2, 8, None, 8, 8]], "nothing among the coordinates"),
        ([[2, 2, 8, float("nan"), 8, 8]], "NaN"),
        ([[2, 2, 8, float("inf"), 8, 8]], "NaN or infinite"),
        ([[2, 2, 80, 2, 80, 80]], r"\(80, 80\) lies outside of the image, 12×10"),
        ([[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]], "pixels, not fractions"),
        ([[2, 2, 8, 2, 5, 2]], "covers no pixel"),
        ("poly", "no list of polygons"),
        ({"size": [12, 10], "counts": [120]}, "10×12 pixels in an image of 12×10"),
        ({"size": [10, 12], "counts": [120]}, "is empty"),
        ({"size": [10, 12], "counts": [1]}, "annotation 7: the runs cover 1"),
    ],
)
def test_a_malformed_coco_annotation_is_named(segmentation: object, message: str) -> None:
    good = {"id": 6, "segmentation": [SQUARE], "bbox": [2, 2, 6, 6]}
    bad = {"id": 7, "segmentation": segmentation, "bbox": [2, 2, 6, 6]}
    for read in (formats.coco_instances, formats.coco_mask):
        with pytest.raises(DataError, match=f"a.json: annotation 7: .*{message}|a.json: {message}"):
            read([good, bad], 10, 12, source="a.json")


def test_cocos_crowds_and_other_categories() -> None:
    hand = {"category_id": 1, "segmentation": [SQUARE]}
    dog = {"category_id": 2, "segmentation": [[0, 0, 1, 0, 1, 9, 0, 9]]}
    crowd = {"category_id": 1, "iscrowd": 1, "segmentation": {"size": [10, 12], "counts": [110, 10]}}
    assert len(formats.coco_instances([hand, dog, crowd], 10, 12)) == 2
    assert len(formats.coco_instances([hand, dog, crowd], 10, 12, categories={1})) == 1
    assert (formats.coco_mask([hand, crowd], 10, 12) > 0).sum() == 36 + 10


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.2", "a box"),
        ("0 0.5 0.5 0.2 0.2 0.9", "a box"),
        ("0 10 10 100 10 100 100", "pixels; they must be fractions"),
        ("0 0.1 0.1 0.9 0.1 0.9 1.2", "outside of the image"),
        ("0 0.1 0.1", "2 numbers"),
        ("0", "0 numbers"),
        ("0 0.1 0.1 0.9 nan 0.9 0.9", "NaN"),
        ("hand 0.1 0.1 0.9 0.1 0.9 0.9", "not numbers only"),
        ("0.5 0.1 0.1 0.9 0.1 0.9 0.9", "no class"),
        ("0 0.1,0.1 0.9,0.1 0.9,0.9", "not numbers only"),
        ("0 0.1 0.1 0.9 0.1 0.5 0.1", "covers no pixel"),
    ],
)
def test_a_line_that_is_no_yolo_outline_is_named(line: str, message: str) -> None:
    with pytest.raises(DataError, match=f"a.txt: line 3: .*{message}"):
        formats.yolo_mask(f"0 0.1 0.1 0.9 0.1 0.9 0.9\n\n{line}\n", 100, 100, source="a.txt")


def test_yolos_confidence_column_and_other_classes() -> None:
    text = "0 0.1 0.1 0.9 0.1 0.9 0.9 0.75\n3 0 0 0.2 0 0.2 0.2\n"
    assert [item.score for item in formats.yolo_instances(text, 50, 50)] == [0.75, None]
    assert len(formats.yolo_instances(text, 50, 50, classes=[0])) == 1


def shape(kind: str, points: object, **more: object) -> dict[str, object]:
    return {"label": "hand", "shape_type": kind, "points": points, **more}


def annotation(*shapes: object, height: object = 40, width: object = 60) -> dict[str, object]:
    return {"shapes": list(shapes), "imageHeight": height, "imageWidth": width, "imagePath": "a.jpg"}


def test_labelmes_other_shapes() -> None:
    picture = base64.b64encode(encode_png(np.full((5, 8), 255, np.uint8))).decode()
    content = annotation(
        shape("rectangle", [[20, 10], [10, 4]]),
        shape("circle", [[30, 20], [30, 30]]),
        shape("mask", [[50, 30], [57, 34]], mask=picture),
        shape("polygon", [[0, 0], [4, 0], [4, 4], [0, 4]], group_id=2),
        shape("polygon", [[0, 30], [4, 30], [4, 34], [0, 34]], group_id=2, score=0.5),
        {**shape("rectangle", [[0, 0], [60, 40]]), "label": "table"},
    )
    read = formats.labelme_instances(content, labels=["hand"])
    assert [item.area for item in read] == [60, pytest.approx(np.pi * 100, rel=0.02), 40, 32]
    assert read[0].box == (10, 4, 10, 6)
    assert read[2].box == (50, 30, 8, 5)
    assert read[3].score == 0.5
    assert len(formats.labelme_instances(content)) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list of shapes"),
        ({"shapes": None}, "no list of shapes"),
        (annotation("hand"), "shape 1 is a str"),
        (annotation(height=None), "imageHeight and imageWidth are None and 60"),
        (annotation(shape("line", [[1, 1], [9, 9]])), "a line covers no area"),
        (annotation(shape("points", [[1, 1]])), "covers no area"),
        (annotation(shape("polygon", [[1, 1], [9, 9]])), "2 points"),
        (annotation(shape("polygon", [1, 1, 9, 9, 5, 5])), "where a list of"),
        (annotation(shape("polygon", [[1, 1, 1], [9, 9], [5, 9]])), "isn't a pair"),
        (annotation(shape("polygon", None)), "nothing, not a list"),
        (annotation(shape("polygon", [[1, 1], [9, 9], [5, float("nan")]])), "NaN"),
        (annotation(shape("polygon", [[1, 1], [900, 9], [5, 9]])), "outside of the image"),
        (annotation(shape("rectangle", [[1, 1], [9, 9], [5, 9]])), "rectangle of 3 points"),
        (annotation(shape("mask", [[1, 1], [9, 9]], mask="?")), "no picture in base64"),
        (annotation(shape("mask", [[1, 1], [9, 9]], mask=base64.b64encode(b"x").decode())), "shape 1: its mask"),
        (annotation(shape("rectangle", [[1, 1], [9, 9]], score="high")), "its score is 'high'"),
    ],
)
def test_a_malformed_labelme_shape_is_named(content: object, message: str) -> None:
    with pytest.raises(DataError, match=f"a_labelme.json.*{message}"):
        formats.labelme_instances(content, source="a_labelme.json")  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.linspace(0, 1, 20).reshape(4, 5), "probabilities"),
        (np.zeros((4, 5, 3), np.uint8), r"shape \(4, 5, 3\)"),
        ([[0, 255]], "list is no mask"),
    ],
)
def test_what_is_no_mask_is_no_outline_either(mask: object, message: str) -> None:
    """Of probabilities hardly any is 0, so that all of the image would be a hand."""
    for write in (formats.encode_rle, formats.yolo_lines, lambda mask: formats.coco_annotations(mask, 1, 1)):
        with pytest.raises(DataError, match=message):
            write(mask)


def test_masks_of_any_numbers_are_the_same_mask() -> None:
    mask = ring()
    expected = formats.coco_annotations(mask, 1, 1, use_rle=True)
    for other in (mask > 0, (mask > 0).astype(float), -(mask > 0).astype(int), np.asfortranarray(mask)):
        assert formats.coco_annotations(other, 1, 1, use_rle=True) == expected


def test_labels_are_names_in_either_unicode_form() -> None:
    shape = {"label": unicodedata.normalize("NFD", "mão"), "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    content = {"shapes": [shape], "imageHeight": 12, "imageWidth": 12}
    assert formats.labelme_mask(content, labels={"mão"}).any()
    assert not formats.labelme_mask(content, labels={"mao"}).any()
