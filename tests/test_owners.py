from __future__ import annotations

import numpy as np
import pytest

from handseg.result import HandMask


def scene(*hands: tuple[slice, slice, int], sure: float = 0.91) -> HandMask:
    """A mask of rectangles, each of a hand class; the classes are told at a quarter of the size."""
    probability = np.zeros((80, 120), np.float32)
    classes = np.full((4, 20, 30), 0.25, np.float32)
    for rows, columns, index in hands:
        probability[rows, columns] = 0.9
        place = slice(rows.start // 4, rows.stop // 4), slice(columns.start // 4, columns.stop // 4)
        classes[(slice(None), *place)] = (1 - sure) / 3
        classes[(index, *place)] = sure
    return HandMask(probability, 0.5, classes)


def test_each_hand_has_an_owner_and_a_side() -> None:
    result = scene((slice(40, 80), slice(0, 40), 0), (slice(0, 20), slice(80, 120), 3))
    assert [(h.owner, h.side, h.area) for h in result.hands] == [("own", "left", 1600), ("other", "right", 800)]
    assert (result.class_map[60, 10], result.class_map[5, 100], result.class_map[70, 100]) == (1, 4, 0)


def test_hands_of_different_people_that_touch_are_two() -> None:
    result = scene((slice(40, 80), slice(0, 60), 1), (slice(8, 40), slice(20, 60), 2))
    assert [(h.owner, h.side, h.area) for h in result.hands] == [("own", "right", 2400), ("other", "left", 1280)]
    assert [h.box for h in result.hands] == [(0, 40, 60, 40), (20, 8, 40, 32)]
    assert result.mask.astype(bool).sum() == 2400 + 1280


def test_a_hand_that_the_network_is_not_sure_of_is_not_cut() -> None:
    result = scene((slice(40, 80), slice(0, 60), 1), (slice(8, 40), slice(20, 60), 2), sure=0.7)
    assert [(h.owner, h.side, h.area) for h in result.hands] == [("own", "right", 2400 + 1280)]


def test_a_few_pixels_of_another_class_are_no_hand_of_their_own() -> None:
    result = scene((slice(0, 40), slice(0, 40), 0), (slice(40, 48), slice(0, 40), 1))
    assert [(h.side, h.area) for h in result.hands] == [("left", 1920)]


def test_every_pixel_of_the_mask_belongs_to_one_hand() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.random((10, 15)).repeat(8, 0).repeat(8, 1).astype(np.float32)
    result = HandMask(blocks, 0.5, rng.random((4, 20, 30), np.float32))
    assert np.array_equal(result.regions > 0, result.mask > 0)
    assert sum(h.area for h in result.hands) == int((result.mask > 0).sum())
    for i, hand in enumerate(result.hands, start=1):
        rows, columns = np.nonzero(result.regions == i)
        assert hand.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert hand.area == len(rows)
        assert 0 < hand.convexity <= 1


@pytest.mark.parametrize("hands", [[], [(slice(0, 40), slice(0, 40), 2)]])
def test_a_model_that_does_not_tell_leaves_it_open(hands: list) -> None:
    result = HandMask(scene(*hands).probability, 0.5)
    assert all(h.owner is None and h.side is None for h in result.hands)
    assert not result.class_map.any()
