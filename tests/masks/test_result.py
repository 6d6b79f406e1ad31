from __future__ import annotations

import numpy as np
import pytest

from handseg import draw, formats
from handseg.formats import fill
from handseg.masks.contours import area
from handseg.masks.result import HandMask


def test_hands_are_regions_with_box_area_centroid_and_confidence() -> None:
    probability = np.zeros((40, 60), np.float32)
    probability[5:15, 10:30] = 0.8
    probability[20:36, 40:55] = 0.9
    probability[0, 0] = 0.95  # below 0.02 % of a large image, but not of this small one
    large, small, speck = HandMask(probability, 0.5).hands
    assert large.box == (40, 20, 15, 16)
    assert large.area == 240
    assert large.centroid == pytest.approx((47, 27.5))
    assert large.confidence == pytest.approx(0.9)
    assert small.box == (10, 5, 20, 10)
    assert small.confidence == pytest.approx(0.8)
    assert speck.area == 1


def test_no_hand_gives_an_empty_list() -> None:
    result = HandMask(np.zeros((10, 10), np.float32), 0.5)
    assert result.hands == []
    assert not result.mask.any()


def specks() -> np.ndarray:
    """A hand, a region that the network is hardly sure of, and a pixel that it is sure of."""
    probability = np.zeros((300, 300), np.float32)
    probability[100:200, 100:200] = 0.9
    probability[20:40, 20:40] = 0.62
    probability[3, 3] = 1
    return probability


@pytest.mark.parametrize(
    ("limits", "areas"),
    [
        ({}, [10000]),
        ({"min_confidence": 0.0}, [10000, 400]),
        ({"min_area": 0.0}, [10000, 1]),
        ({"min_area": 0.0, "min_confidence": 0.0}, [10000, 400, 1]),
        ({"min_area": 0.2}, []),
        ({"min_confidence": 0.95}, []),
    ],
)
def test_specks_are_left_out_of_everything(limits: dict[str, float], areas: list[int]) -> None:
    result = HandMask(specks(), 0.6, **limits)
    assert [hand.area for hand in result.hands] == areas
    assert np.array_equal(result.mask > 0, result.regions > 0)
    assert np.count_nonzero(result.mask) == sum(areas)
    annotations = formats.coco_annotations(result, 1, 1, use_rle=True)
    assert [a["area"] for a in annotations] == areas
    assert [a["score"] for a in annotations] == pytest.approx([h.confidence for h in result.hands], abs=1e-4)
    assert len(formats.yolo_lines(result).splitlines()) == len(formats.labelme(result, "a.jpg")["shapes"]) == len(areas)
    assert [item.area for item in result.instances] == areas
    assert draw.indexed(result.regions).max() == len(areas)


@pytest.mark.parametrize(("threshold", "least"), [(0.05, 0.15), (0.6, 0.7), (0.68, 0.7), (0.95, 0.95)])
def test_what_a_region_must_reach_follows_the_threshold(threshold: float, least: float) -> None:
    probability = np.full((20, 30), least, np.float32)
    assert len(HandMask(probability, threshold).hands) == 1
    assert not HandMask(probability - 0.01, threshold).mask.any()


def fingertip(value: float, height: int = 10) -> np.ndarray:
    """A palm, and a fingertip that is `value` away from it in between."""
    probability = np.zeros((100, 100), np.float32)
    probability[40:90, 20:80] = 0.95
    probability[30:40, 40:50] = value
    probability[30 - height : 30, 40:50] = 0.9
    return probability


def test_a_fingertip_that_the_threshold_cuts_off_is_a_piece_of_its_hand() -> None:
    (hand,) = HandMask(fingertip(0.5), 0.6).hands
    assert hand.area == 3000 + 100
    assert hand.box == (20, 20, 60, 70)
    (outlines,) = HandMask(fingertip(0.5), 0.6).polygons()
    assert len(outlines) == 2
    assert len(HandMask(fingertip(0.1), 0.6).hands) == 2  # far from hand in between
    assert len(HandMask(fingertip(0.5, 30), 0.6, min_area=0).hands) == 1
    large = fingertip(0.5)
    large[0:30, 20:80] = 0.9
    assert len(HandMask(large, 0.6).hands) == 2  # as large as a hand


def test_a_hand_of_two_pieces_is_one_everywhere() -> None:
    result = HandMask(fingertip(0.5), 0.6)
    (annotation,) = formats.coco_annotations(result, 1, 1)
    assert len(annotation["segmentation"]) == 2
    shapes = formats.labelme(result, "a.jpg")["shapes"]
    assert [shape["group_id"] for shape in shapes] == [1, 1]
    assert len(formats.yolo_lines(result).splitlines()) == 1
    for mask in (
        formats.coco_mask([annotation], 100, 100),
        formats.labelme_mask(formats.labelme(result, "a.jpg")),
        formats.yolo_mask(formats.yolo_lines(result), 100, 100),
    ):
        assert np.array_equal(mask, result.mask)


def spread() -> HandMask:
    """A block, a frame with a hole, and a speck."""
    probability = np.zeros((100, 200), np.float32)
    probability[10:50, 10:60] = 0.9
    probability[20:80, 100:140] = 0.8
    probability[40:60, 110:130] = 0.1
    probability[95, 5] = 1
    return HandMask(probability, 0.5)


def test_regions_number_the_hands() -> None:
    result = spread()
    assert [hand.area for hand in result.hands] == [2000, 2000]
    assert np.unique(result.regions).tolist() == [0, 1, 2]
    for i, hand in enumerate(result.hands):
        assert np.count_nonzero(result.regions == i + 1) == hand.area


def test_convexity_is_one_for_a_block_and_less_for_a_hole_or_a_notch() -> None:
    block, frame = spread().hands
    assert block.convexity == pytest.approx(1)
    assert frame.convexity == pytest.approx(2000 / 2400)
    probability = np.zeros((100, 100), np.float32)
    probability[10:90, 10:30] = probability[70:90, 10:90] = 1  # an L: its hull cuts off a triangle
    (ell,) = HandMask(probability, 0.5).hands
    assert ell.convexity == pytest.approx(2800 / (80 * 80 - 60 * 60 / 2))


def test_contours_are_exact_holes_after_what_is_around_them() -> None:
    result = spread()
    block, frame = result.contours()
    assert [area(o) for o in block] == [2000]
    assert [area(o) for o in frame] == [2400, -400]
    assert frame[0].min(0).tolist() == [100, 20]
    assert frame[0].max(0).tolist() == [140, 80]


def test_polygons_fill_to_the_same_pixels() -> None:
    result = spread()
    for i, outlines in enumerate(result.polygons(0)):
        assert np.array_equal(fill(outlines, 100, 200) > 0, result.regions == i + 1)


def test_no_hand_has_no_contours() -> None:
    empty = HandMask(np.zeros((9, 9), np.float32), 0.5)
    assert empty.contours() == empty.polygons() == []
    assert not empty.regions.any()
