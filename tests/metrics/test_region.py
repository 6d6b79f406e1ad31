from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from handseg.metrics import bootstrap_interval, count, count_labelled, score

masks = hnp.arrays(bool, (3, 5, 4))


@given(masks, masks)
def test_scores_follow_their_definitions(prediction: np.ndarray, target: np.ndarray) -> None:
    scores = score(np.array([count(p, t) for p, t in zip(prediction, target)]))
    tp = int((prediction & target).sum())
    wrong = int((prediction ^ target).sum())
    expected_iou = tp / (tp + wrong) if tp + wrong else 1.0
    assert scores["pixel"]["iou"] == pytest.approx(expected_iou)
    assert scores["pixel"]["f1"] == pytest.approx(2 * tp / (2 * tp + wrong) if tp + wrong else 1.0)
    each = []
    for p, t in zip(prediction, target):
        union = (p | t).sum()
        each.append((p & t).sum() / union if union else 1.0)
    assert scores["image"]["iou"] == pytest.approx(np.mean(each))
    tn = int((~prediction & ~target).sum())
    background = tn / (tn + wrong) if tn + wrong else 1.0
    assert scores["two_class_miou"] == pytest.approx((expected_iou + background) / 2)


@pytest.mark.parametrize(("predicted", "expected"), [(False, 1.0), (True, 0.0)])
def test_an_image_without_a_hand(predicted: bool, expected: float) -> None:
    counts = count(np.full((4, 4), predicted), np.zeros((4, 4), bool))
    assert score(counts)["image"] == {"iou": expected, "f1": expected}


def test_the_bootstrap_draws_whole_groups() -> None:
    rows = np.array([[9, 1, 0, 0]] * 50 + [[1, 9, 0, 0]] * 50)
    same = bootstrap_interval(rows, ["a"] * 100, lambda s: s["pixel"]["precision"])
    assert same == (0.5, 0.5)
    low, high = bootstrap_interval(rows, ["a"] * 50 + ["b"] * 50, lambda s: s["pixel"]["precision"])
    assert (low, high) == pytest.approx((0.1, 0.9))


def test_unknown_pixels_and_images_without_known_ones_dont_count() -> None:
    prediction = np.array([[255, 255, 0, 0, 255]], np.uint8)
    mask = np.array([[255, 0, 255, 0, 128]], np.uint8)
    counts = count_labelled(prediction, mask)
    assert counts.tolist() == [1, 1, 1, 1]
    nothing = count_labelled(prediction, np.full_like(mask, 128))
    assert nothing.tolist() == [0, 0, 0, 0]
    assert score(np.array([counts, nothing])) == score(counts)
