from __future__ import annotations

import numpy as np
import pytest

from handseg.result import HandMask


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


def test_specks_are_left_out() -> None:
    probability = np.zeros((300, 300), np.float32)
    probability[3, 3] = 1
    assert HandMask(probability, 0.5).hands == []
