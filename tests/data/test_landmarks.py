"""The wrist from a hand tracker's landmarks, on drawn arms whose wrist is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handseg.data import Sample
from handseg.data.classes import may_be_hand
from handseg.data.landmarks import with_landmarks, wrist_probability
from handseg.data.loading import Memory
from handseg.errors import DataError

SIZE = 200
FOREARM = 5  # plane of a label


def hand(degrees: float, scale: float = 1.0) -> np.ndarray:
    """Landmarks of a stretched hand, wrist in the middle, palm of 40 pixels, turned; at 0° it points up."""
    points = [(0.0, 0.0), *[(x, y) for x in (-16, -9, -3, 3, 9) for y in (40, 50, 58, 64)]]
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upwards = np.array(points) * (1, -1)
    return (upwards @ turn.T * scale + SIZE / 2).astype(np.float32)


@given(st.floats(0, 360), st.floats(0.5, 1.2))
def test_the_palm_is_hand_the_arm_is_not_whichever_way_it_points(degrees: float, scale: float) -> None:
    landmarks = hand(degrees, scale)
    probability = wrist_probability([landmarks], SIZE, SIZE)
    along = (landmarks[[5, 9, 13, 17]].mean(0) - landmarks[0]) / 40 / scale
    for distance, lowest, highest in ((40, 1, 1), (10, 1, 1), (-12, 0.3, 0.6), (-30, 0, 0), (-50, 0, 0)):
        x, y = (landmarks[0] + along * distance * scale).round().astype(int)
        assert lowest <= probability[y, x] <= highest


def test_fingers_bent_back_over_the_wrist_stay_hand() -> None:
    landmarks = hand(0)
    landmarks[5:9] = [(60, 60), (60, 90), (60, 120), (60, 140)]
    assert wrist_probability([landmarks], SIZE, SIZE)[135, 60] == 1


def test_what_is_far_from_every_hand_is_left_open() -> None:
    assert np.isnan(wrist_probability([], 30, 40)).all()
    probability = wrist_probability([hand(0, 0.3)], SIZE, SIZE)
    assert np.isnan(probability[0, 0])
    assert probability[95, 100] == 1


def test_a_hand_seen_along_the_arm_tells_nothing() -> None:
    landmarks = hand(0)
    landmarks[[5, 9, 13, 17]] = landmarks[0]
    assert np.isnan(wrist_probability([landmarks], SIZE, SIZE)).all()


@pytest.fixture
def arm(tmp_path: Path) -> Sample:
    """An arm that comes from the lower border, its wrist in the middle."""
    for folder in ("images", "masks"):
        (tmp_path / "arms" / folder).mkdir(parents=True)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[30:, 80:121] = 255
    cv2.imwrite(str(tmp_path / "arms/images/a.png"), np.dstack([mask] * 3))
    cv2.imwrite(str(tmp_path / "arms/masks/a.png"), mask)
    return Sample("a", tmp_path / "arms/images/a.png", tmp_path / "arms/masks/a.png", "a", "a", "hand+forearm")


def landmark_file(folder: Path, key: str = "arms/a.png") -> Path:
    file = folder / "landmarks.json"
    file.write_text(json.dumps({key: [hand(0).tolist()]}))
    return file


@pytest.mark.parametrize("long_side", [SIZE, SIZE // 2])
def test_labels_are_cut_at_the_landmarks_wrist(arm: Sample, tmp_path: Path, long_side: int) -> None:
    (sample,) = with_landmarks([arm], landmark_file(tmp_path))
    (planes,) = Memory([sample], long_side).labels
    rows = [round(y * long_side / SIZE) for y in (60, 112, 160)]  # finger, wrist, arm
    middle = long_side // 2
    assert [bool(may_be_hand(planes)[y, middle]) for y in rows] == [True, True, False]
    assert [bool(planes[y, middle, FOREARM]) for y in rows] == [False, True, True]  # at the wrist, either


def test_where_landmarks_tell_all_no_teacher_is_asked(arm: Sample, tmp_path: Path) -> None:
    def teacher(_image: np.ndarray) -> np.ndarray:
        raise AssertionError("asked")

    (sample,) = with_landmarks([arm], landmark_file(tmp_path))
    assert np.array_equal(Memory([sample], SIZE, teacher).labels[0], Memory([sample], SIZE).labels[0])


def test_arms_without_landmarks_are_the_teachers(arm: Sample, tmp_path: Path) -> None:
    (sample,) = with_landmarks([arm], landmark_file(tmp_path))
    far = replace(sample, landmarks=(hand(0, 0.1),))  # tells only about its own surroundings
    (planes,) = Memory([far], SIZE, lambda image: np.ones(image.shape[:2], np.float32)).labels
    assert may_be_hand(planes)[40, 100]
    assert not planes[40, 100, FOREARM]


@pytest.mark.parametrize("text", ["", "[]", '{"arms/a.png": [[[1, 2]]]}', '{"arms/a.png": 5}'])
def test_a_bad_file_is_named(arm: Sample, tmp_path: Path, text: str) -> None:
    file = tmp_path / "landmarks.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"landmarks\.json: not a file of landmarks"):
        with_landmarks([arm], file)


def test_landmarks_of_other_images_are_refused(arm: Sample, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of these images"):
        with_landmarks([arm], landmark_file(tmp_path, "elsewhere/b.png"))


def test_labels_of_hands_alone_have_no_use_for_them(arm: Sample, tmp_path: Path) -> None:
    other = replace(arm, policy="hand")
    assert with_landmarks([arm, other], landmark_file(tmp_path))[1].landmarks == ()
