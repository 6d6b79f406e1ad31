from __future__ import annotations

import numpy as np
import pytest

from handseg.masks.regions import label_components
from handseg.masks.result import HandMask

Place = tuple[slice, slice, int]


def scene(*hands: Place, sure: float = 0.97, cell: int = 4) -> HandMask:
    """A mask of rectangles, each of a hand class; the classes are told at a `cell`-th of the size."""
    probability = np.zeros((160, 240), np.float32)
    classes = np.full((4, 160 // cell, 240 // cell), 0.25, np.float32)
    for rows, columns, index in hands:
        probability[rows, columns] = 0.9
        place = slice(rows.start // cell, rows.stop // cell), slice(columns.start // cell, columns.stop // cell)
        classes[(slice(None), *place)] = (1 - sure) / 3
        classes[(index, *place)] = sure
    return HandMask(probability, 0.5, classes)


LEFT_BELOW = (slice(80, 160), slice(0, 80), 0)
RIGHT_BELOW = (slice(80, 160), slice(80, 160), 1)
RIGHT_ABOVE = (slice(0, 40), slice(160, 240), 3)


def test_each_hand_has_an_owner_and_a_side() -> None:
    result = scene(LEFT_BELOW, RIGHT_ABOVE)
    assert [(h.owner, h.side, h.area) for h in result.hands] == [("own", "left", 6400), ("other", "right", 3200)]
    assert (result.class_map[120, 20], result.class_map[10, 200], result.class_map[140, 200]) == (1, 4, 0)


@pytest.mark.parametrize(
    ("place", "sure"),
    [
        ((slice(20, 100), slice(80, 160), 0), 0.97),  # "own", but it doesn't come from below
        (LEFT_BELOW, 0.85),
        (RIGHT_ABOVE, 0.7),
    ],
)
def test_an_owner_that_is_a_guess_is_not_told(place: Place, sure: float) -> None:
    result = scene(place, sure=sure)
    assert [(h.owner, h.side) for h in result.hands] == [(None, None)]
    assert result.class_map.max() == place[2] + 1  # what is likeliest is still there


def test_a_side_that_is_a_guess_is_not_told() -> None:
    result = scene(RIGHT_ABOVE)
    assert result.classes is not None
    result.classes[2] = result.classes[3] = 0.49
    assert [(h.owner, h.side) for h in result.hands] == [("other", None)]


def test_a_hand_between_the_networks_pixels_has_a_class_too() -> None:
    classes = np.zeros((4, 4, 6), np.float32)
    classes[2] = 1
    probability = np.zeros((160, 240), np.float32)
    probability[42:46, 3:7] = probability[100:150, 100:150] = 0.9
    assert [(h.owner, h.side) for h in HandMask(probability, 0.5, classes).hands] == [("other", "left")] * 2


def test_hands_that_touch_are_two() -> None:
    result = scene(LEFT_BELOW, RIGHT_BELOW)
    assert [(h.owner, h.side) for h in result.hands] == [("own", "left"), ("own", "right")]
    assert [h.area for h in result.hands] == pytest.approx([6400, 6400], rel=0.02)


def test_three_in_a_row_are_three() -> None:
    result = scene(LEFT_BELOW, RIGHT_BELOW, (slice(80, 160), slice(160, 240), 2))
    assert [h.area for h in result.hands] == pytest.approx([6400] * 3, rel=0.05)


@pytest.mark.parametrize(
    ("hands", "sure"),
    [
        ((LEFT_BELOW, RIGHT_BELOW), 0.7),  # not sure
        ((LEFT_BELOW, (slice(80, 160), slice(80, 88), 1)), 0.97),  # hardly anything
        (((slice(0, 30), slice(0, 200), 0), (slice(30, 60), slice(0, 200), 1)), 0.97),  # along the whole length
        (
            (
                (slice(0, 60), slice(0, 60), 0),
                (slice(0, 60), slice(60, 80), 1),
                (slice(0, 60), slice(80, 140), 0),
                (slice(0, 60), slice(140, 160), 1),
            ),
            0.97,
        ),  # in patches
    ],
)
def test_one_hand_of_which_a_network_sees_parts_as_another_is_not_cut(hands: tuple[Place, ...], sure: float) -> None:
    assert len(scene(*hands, sure=sure).hands) == 1


def test_a_cut_is_no_staircase_and_leaves_each_hand_in_one_piece() -> None:
    rows, columns = np.mgrid[0:240, 0:320]
    cell = 20
    beyond = columns - 160 > (rows - 120) * 0.5
    coarse = beyond[cell // 2 :: cell, cell // 2 :: cell]
    classes = np.stack([np.where(coarse, 0.01, 0.97), np.where(coarse, 0.97, 0.01), *np.full((2, 12, 16), 0.01)])
    near = np.hypot(rows - 120, (columns - 100)) < 62
    far = np.hypot(rows - 120, (columns - 220)) < 62
    probability = np.where(near | far, 0.9, 0).astype(np.float32)
    result = HandMask(probability, 0.5, classes.astype(np.float32))
    assert len(result.hands) == 2
    for i in (1, 2):
        assert label_components(result.regions == i)[1] == 1
    wrong = (result.regions == result.regions[120, 220]) != beyond
    distance = np.abs(columns - 160 - (rows - 120) * 0.5)
    assert distance[wrong & (result.regions > 0)].max(initial=0) < cell / 2


def test_every_pixel_of_the_mask_belongs_to_one_hand() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.random((10, 15)).repeat(8, 0).repeat(8, 1).astype(np.float32)
    result = HandMask(blocks, 0.5, rng.random((4, 20, 30), np.float32))
    assert np.array_equal(result.regions > 0, result.mask > 0)
    assert sum(h.area for h in result.hands) == int((result.mask > 0).sum()) > 0
    for i, hand in enumerate(result.hands, start=1):
        rows, columns = np.nonzero(result.regions == i)
        assert hand.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert hand.area == len(rows)
        assert hand.confidence == pytest.approx(blocks[rows, columns].mean(), abs=1e-5)
        assert 0 < hand.convexity <= 1


@pytest.mark.parametrize("hands", [[], [(slice(0, 40), slice(0, 40), 2)]])
def test_a_model_that_does_not_tell_leaves_it_open(hands: list[Place]) -> None:
    result = HandMask(scene(*hands).probability, 0.5)
    assert all(h.owner is None and h.side is None for h in result.hands)
    assert not result.class_map.any()
