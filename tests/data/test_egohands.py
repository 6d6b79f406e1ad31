"""The EgoHands reader, on the real label files and on damaged copies of them."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from handseg.data import read_datasets
from handseg.data.egohands import (
    HAND_CLASSES,
    LABELLED,
    LEFT,
    OTHER,
    OWN,
    RIGHT,
    Frame,
    join_hands,
    read_egohands,
    read_polygons,
    read_video,
    session_of,
    video_folders,
)
from handseg.errors import DataError

VIDEO = "CARDS_OFFICE_S_B"


@pytest.fixture
def video(data: Path, tmp_path: Path) -> Path:
    """A copy of one real video, with empty files for frames."""
    source = data / "egohands" / "_LABELLED_SAMPLES" / VIDEO
    folder = tmp_path / "ego" / "_LABELLED_SAMPLES" / VIDEO
    folder.mkdir(parents=True)
    shutil.copyfile(source / "polygons.mat", folder / "polygons.mat")
    for frame in source.glob("*.jpg"):
        (folder / frame.name).touch()
    return folder


def test_all_48_label_files_hold_what_the_paper_says(data: Path) -> None:
    folders = video_folders(data / "egohands")
    frames = [hands for folder in folders for hands in read_polygons(folder / "polygons.mat")]
    classes = Counter(name for hands in frames for name in hands)
    assert len(folders) == 48
    assert len(frames) == 4800
    assert [classes[name] for name in HAND_CLASSES] == [2560, 3416, 4567, 4510]
    assert classes.total() == 15053
    assert sum(not hands for hands in frames) == 13
    assert len({session_of(folder.name) for folder in folders}) == 24


def test_videos_without_frames_are_left_out(data: Path) -> None:
    samples = read_egohands(data / "egohands")
    assert len(samples) == 400
    assert len({s.video for s in samples}) == 4


def test_a_mask_is_of_the_frames_size_and_of_hands(data: Path) -> None:
    sample = next(s for s in read_egohands(data / "egohands") if s.video == VIDEO)
    mask = sample.load_mask()
    assert mask.shape == (720, 1280)
    assert 0.005 < (mask > 0).mean() < 0.5


def test_own_other_left_and_right_masks(data: Path) -> None:
    frame = read_video(data / "egohands" / "_LABELLED_SAMPLES" / VIDEO)[10]
    whole = frame.mask(720, 1280) > 0
    for first, second in ((OWN, OTHER), (LEFT, RIGHT)):
        parts = [frame.mask(720, 1280, side) > 0 for side in (first, second)]
        assert np.array_equal(parts[0] | parts[1], whole)
    classes = frame.class_map(720, 1280)
    assert np.array_equal(classes > 0, whole)
    assert set(np.unique(classes)) == {0, *(1 + HAND_CLASSES.index(c) for c in frame.hands)}


@pytest.mark.parametrize(
    ("video", "session"), [("CHESS_COURTYARD_T_B", "CHESS_COURTYARD_BT"), ("CHESS_COURTYARD_B_T", "CHESS_COURTYARD_BT")]
)
def test_both_cameras_are_one_session(video: str, session: str) -> None:
    assert session_of(video) == session


def test_a_name_that_is_no_video_is_refused() -> None:
    with pytest.raises(DataError, match="ACTIVITY_PLACE_VIEWER_PARTNER"):
        session_of("holiday")


def test_both_forms_of_an_empty_polygon_are_left_out(tmp_path: Path) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    table = np.empty((1, 2), dtype=[(name, object) for name in HAND_CLASSES])
    triangle = np.array([[1.0, 1.0], [5.0, 1.0], [1.0, 5.0]])
    table[0, 0] = (triangle, np.empty((1, 0)), np.empty((0, 0)), np.empty((0, 0)))
    table[0, 1] = (np.empty((0, 0)),) * 4
    savemat(tmp_path / "polygons.mat", {"polygons": table})
    first, second = read_polygons(tmp_path / "polygons.mat")
    assert list(first) == ["myleft"]
    assert np.array_equal(first["myleft"], triangle)
    assert second == {}
    assert not Frame("A_B_C_D", tmp_path / "frame_0001.jpg", second).mask(8, 8).any()


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_label_file_is_named(video: Path, keep: int) -> None:
    path = video / "polygons.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"CARDS_OFFICE_S_B/polygons\.mat: damaged"):
        read_video(video)


def test_another_number_of_frames_is_named(video: Path) -> None:
    next(video.glob("*.jpg")).unlink()
    with pytest.raises(DataError, match="CARDS_OFFICE_S_B: 99 frames but 100 labels"):
        read_video(video)


def test_a_root_without_videos_is_named(tmp_path: Path) -> None:
    (tmp_path / "_LABELLED_SAMPLES").mkdir()
    with pytest.raises(DataError, match="no VIDEO/polygons.mat"):
        read_egohands(tmp_path)


def test_a_root_without_frames_is_named(video: Path) -> None:
    for frame in video.glob("*.jpg"):
        frame.unlink()
    with pytest.raises(DataError, match="no video has frames"):
        read_egohands(video.parents[1])


def test_single_frames_elsewhere_are_told_whose_hands_they_show(data: Path) -> None:
    samples = read_datasets([data / "egohands", data / "egohands_more"])
    assert all(s.hands for s in samples)
    assert [bool(s.hands) for s in read_datasets([data / "egohands_more"])] == [False] * 51
    for sample in samples[-51::7]:
        hands = sample.load_hands()
        assert hands is not None
        union, mask = np.max(hands, axis=0) > 0, sample.load_mask() > 0
        assert (union & mask).sum() >= 0.93 * (union | mask).sum()  # the polygons belong to that very frame


def test_an_index_that_names_a_missing_label_is_named(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "ego"
    video = "CARDS_OFFICE_B_S"
    (root / LABELLED / video).mkdir(parents=True)
    (root / LABELLED / video / "polygons.mat").write_bytes(
        (data / "egohands" / LABELLED / video / "polygons.mat").read_bytes()
    )
    sample = next(s for s in read_datasets([data / "egohands_more"]) if s.video == video)
    frame = sample.name.removeprefix(f"{video}_")
    (root / "frame_index.csv").write_text(f"video,frame_file,polygon_index0\n{video},{frame}.jpg,100\n")
    with pytest.raises(DataError, match=rf"frame_index\.csv: {sample.name} has no label"):
        join_hands([sample], root)
