from __future__ import annotations

import numpy as np
import pytest

from handseg.metrics.temporal import StabilityMeter, stability


def bar(width: int) -> np.ndarray:
    mask = np.zeros((10, 100), np.uint8)
    mask[:, :width] = 255
    return mask


def test_equal_masks_are_perfectly_steady_and_so_are_empty_ones() -> None:
    for width in (0, 40):
        assert stability([bar(width)] * 5) == {"successive_iou": 1.0, "flip_rate": 0.0, "area_jitter": 0.0}


def test_a_flickering_edge_is_measured() -> None:
    scores = stability([bar(w) for w in (40, 50, 40, 50)])
    assert scores["successive_iou"] == pytest.approx(0.8)
    assert scores["flip_rate"] == pytest.approx(0.2)
    assert scores["area_jitter"] == pytest.approx(20 / 45)


def test_steady_growth_is_no_jitter() -> None:
    assert stability([bar(w) for w in (10, 20, 30, 40)])["area_jitter"] == 0


def test_a_single_mask_is_steady() -> None:
    assert stability([bar(3)])["successive_iou"] == 1


def test_what_is_carried_along_is_compared_where_both_frames_show_it() -> None:
    meter = StabilityMeter()
    meter.add(bar(40))
    seen = np.ones((10, 100), bool)
    seen[:, 45:] = False
    meter.add(bar(50), last=bar(40), seen=seen)
    assert meter.scores()["flip_rate"] == pytest.approx(5 / 45)
