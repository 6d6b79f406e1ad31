from __future__ import annotations

import numpy as np
import pytest

from handseg.masks.hand import Hand
from handseg.masks.result import HandMask
from handseg.masks.tracks import Tracker

STEP = 1 / 30


def box(x: float, y: float, width: int = 40, height: int = 50) -> Hand:
    return Hand((round(x), round(y), width, height), width * height, (x + width / 2, y + height / 2), 0.9, 1.0)


def follow(tracker: Tracker, frames: list[list[Hand]]) -> list[list[int]]:
    return [[track.id for track in tracker(hands, i * STEP)] for i, hands in enumerate(frames)]


def test_two_hands_keep_their_ids_in_whatever_order_they_come() -> None:
    frames = [[box(10 + 5 * i, 20), box(300 - 5 * i, 120)][:: (-1) ** i] for i in range(20)]
    assert follow(Tracker(), frames) == [[1, 2][:: (-1) ** i] for i in range(20)]


def test_a_hand_that_jumps_its_own_width_each_frame_is_followed() -> None:
    assert follow(Tracker(), [[box(45 * i, 20)] for i in range(10)]) == [[1]] * 10


def test_hands_that_cross_at_different_heights_keep_their_ids() -> None:
    """Their boxes overlap by a half where they meet; what tells them apart is where they are going."""
    frames = [[box(10 + 9 * i, 100), box(290 - 9 * i, 125)] for i in range(32)]
    assert follow(Tracker(), frames) == [[1, 2]] * 32


def test_a_few_missed_frames_are_survived_and_ids_are_never_given_again() -> None:
    seen, gone = [box(100, 100)], []
    tracker = Tracker(patience=3)
    assert follow(tracker, [seen, gone, gone, gone, seen]) == [[1], [], [], [], [1]]
    assert follow(tracker, [gone] * 4 + [seen]) == [[], [], [], [], [2]]


def test_hands_that_touch_and_part_again() -> None:
    apart = [box(100, 100), box(160, 100)]
    together = [Hand((100, 100, 100, 50), 4500, (150, 125), 0.9, 1.0)]
    ids = follow(Tracker(), [apart, apart, together, together, apart])
    assert ids[2] in ([1], [2])
    assert ids[2] == ids[3]
    assert sorted(ids[4]) == [1, 2]


def test_a_far_hand_or_a_speck_is_another_one() -> None:
    tracker = Tracker()
    assert follow(tracker, [[box(10, 10)], [box(400, 300)], [box(410, 310, 6, 6)]]) == [[1], [2], [3]]


def test_a_track_tells_how_long_and_how_fast() -> None:
    tracker = Tracker()
    for i in range(6):
        (track,) = tracker([box(10 + 6 * i, 40 - 3 * i)], i * STEP)
    assert track.seen == 6
    assert track.velocity == pytest.approx((180, -90))
    assert track.hand == box(40, 25)


def test_frames_out_of_order_do_no_harm() -> None:
    tracker = Tracker()
    assert [tracker([box(10, 10)], time)[0].id for time in (1.0, 1.0, 0.5)] == [1, 1, 1]


def test_it_takes_what_a_hand_mask_gives() -> None:
    probability = np.zeros((60, 80), np.float32)
    probability[10:30, 10:30] = probability[35:50, 50:70] = 1
    assert [t.id for t in Tracker()(HandMask(probability, 0.5).hands, 0.0)] == [1, 2]


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(ValueError, match="patience"):
        Tracker(-1)


def test_hands_may_come_one_by_one() -> None:
    tracker = Tracker()
    for _ in range(2):
        assert [track.id for track in tracker((hand for hand in [box(10, 20), box(300, 20)]), 0.0)] == [1, 2]
