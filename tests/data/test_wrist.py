from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[train]")

from handseg.data import read_dataset
from handseg.data.wrist import split_at_wrist


def arm(height: int = 240, width: int = 320) -> np.ndarray:
    """A forearm 30 pixels wide that enters from below and ends in a disc, the hand, about row 40."""
    y, x = np.mgrid[0:height, 0:width]
    mask = (np.abs(x - 160) <= 15) & (y >= 40)
    mask |= (x - 160) ** 2 + (y - 45) ** 2 <= 28**2
    return np.where(mask, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("turns", range(4))
def test_the_far_end_is_hand_and_what_enters_is_forearm(turns: int) -> None:
    hand, unknown = (np.rot90(part, -turns) for part in split_at_wrist(np.rot90(arm(), turns)))
    assert hand[25, 160]
    assert unknown[80, 160]
    assert not (hand | unknown)[200:, 160].any()


def test_the_parts_lie_within_the_mask_and_apart() -> None:
    mask = arm() > 0
    hand, unknown = split_at_wrist(arm())
    assert not (hand & unknown).any()
    assert not ((hand | unknown) & ~mask).any()


def test_a_short_region_inside_is_a_hand_in_a_sleeve() -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[100:150, 100:140] = 255
    hand, unknown = split_at_wrist(mask)
    assert np.array_equal(hand, mask > 0)
    assert not unknown.any()


def test_a_long_region_inside_and_a_stump_at_the_border_are_unknown() -> None:
    for place in (np.s_[60:200, 100:125], np.s_[200:240, 100:150]):
        mask = np.zeros((240, 320), np.uint8)
        mask[place] = 255
        hand, unknown = split_at_wrist(mask)
        assert not hand.any()
        assert np.array_equal(unknown, mask > 0)


def test_an_empty_mask_has_no_parts() -> None:
    assert not any(part.any() for part in split_at_wrist(np.zeros((50, 60), np.uint8)))


def hand_above(row: int) -> np.ndarray:
    """A model's probability: high above a row, low below it."""
    return np.where(np.arange(240)[:, None] < row, 0.9, 0.1).repeat(320, axis=1)


def test_a_model_says_where_the_wrist_is() -> None:
    hand, unknown = split_at_wrist(arm(), hand_above(90))
    assert hand[20:80, 160].all()
    assert unknown[90, 160]
    assert not (hand | unknown)[100:, 160].any()


def test_a_finger_that_the_model_misses_is_hand_all_the_same() -> None:
    mask = arm()
    mask[2:25, 155:161] = 255
    probability = hand_above(90)
    probability[:14] = 0.05
    hand, unknown = split_at_wrist(mask, probability)
    assert hand[2:80, 158].all()
    assert not (hand | unknown)[110:, 160].any()


@pytest.mark.parametrize("probability", [np.full((240, 320), 0.05), np.full((240, 320), 0.95)])
def test_an_arm_on_which_the_model_sees_no_wrist_is_unknown(probability: np.ndarray) -> None:
    thin = np.zeros((240, 320), np.uint8)
    thin[20:, 150:170] = 255
    hand, unknown = split_at_wrist(thin, probability)
    assert not hand.any()
    assert np.array_equal(unknown, thin > 0)


def test_real_forearm_labels_are_mostly_decided_by_the_packaged_model(data: Path) -> None:
    """And shape alone decides far fewer: the reason for a teacher."""
    import handseg

    teacher = handseg.load(threads=1)
    known = {"shape": 0.0, "model": 0.0}
    for sample in read_dataset(data / "hgr", "hand+forearm")[::12]:
        mask, probability = sample.load_mask(), teacher(sample.load_image()).probability
        for name, seen in (("shape", None), ("model", probability)):
            known[name] += 1 - float(split_at_wrist(mask, seen)[1].sum() / (mask > 0).sum())
    assert known["model"] > 1.5 * known["shape"]


def test_real_labels_cut_at_the_wrist_are_seldom_called_forearm(data: Path) -> None:
    """On EgoHands, where the truth is known: all labelled pixels are hand, so none should be surely forearm."""
    forearm = total = 0
    for sample in read_dataset(data / "egohands_more"):
        mask = sample.load_mask()
        hand, unknown = split_at_wrist(mask)
        forearm += int(((mask > 0) & ~hand & ~unknown).sum())
        total += int((mask > 0).sum())
    assert forearm < 0.02 * total
