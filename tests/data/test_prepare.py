from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from handseg.data import read_dataset
from handseg.data.egohands import read_egohands
from handseg.data.prepare import prepare_egohands
from handseg.errors import DataError
from handseg.image import load_label, load_mask

VIDEO = "CARDS_OFFICE_S_B"


@pytest.fixture
def root(data: Path, tmp_path: Path) -> Path:
    """A real video cut to its first eight frames."""
    io = pytest.importorskip("scipy.io")
    source = data / "egohands" / "_LABELLED_SAMPLES" / VIDEO
    folder = tmp_path / "ego" / "_LABELLED_SAMPLES" / VIDEO
    folder.mkdir(parents=True)
    io.savemat(
        folder / "polygons.mat", {"polygons": io.loadmat(source / "polygons.mat")["polygons"].reshape(1, -1)[:, :8]}
    )
    for frame in sorted(source.glob("*.jpg"))[:8]:
        shutil.copyfile(frame, folder / frame.name)
    return tmp_path / "ego"


def test_what_is_prepared_reads_back_as_the_original(root: Path, tmp_path: Path) -> None:
    counts = prepare_egohands(root, tmp_path / "out", workers=2)
    assert counts["failures"] == []
    prepared, original = read_dataset(tmp_path / "out"), read_dataset(root)
    assert counts["frames"] == len(prepared) == len(original) == 8
    for a, b in zip(prepared, original):
        assert (a.name, a.video, a.session, a.policy) == (b.name, b.video, b.session, b.policy)
        assert a.image.read_bytes() == b.image.read_bytes()
        assert np.array_equal(a.load_mask(), b.load_mask())
        classes = load_label(tmp_path / "out" / "classes" / f"{a.name}.png")
        assert np.array_equal(classes > 0, b.load_mask() > 0)


def test_a_second_run_does_only_what_is_missing(root: Path, tmp_path: Path) -> None:
    prepare_egohands(root, tmp_path / "out", workers=1)
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    before = {mask: mask.stat().st_mtime_ns for mask in masks}
    masks[3].unlink()
    prepare_egohands(root, tmp_path / "out", workers=1)
    again = [mask for mask in masks if mask.stat().st_mtime_ns != before[mask]]
    assert again == [masks[3]]
    assert load_mask(masks[3]).any()


def test_a_frame_that_does_not_decode_is_named_and_no_index_written(root: Path, tmp_path: Path) -> None:
    frame = sorted((root / "_LABELLED_SAMPLES" / VIDEO).glob("*.jpg"))[2]
    frame.write_bytes(frame.read_bytes()[:2000])
    (failure,) = prepare_egohands(root, tmp_path / "out", workers=1)["failures"]
    assert frame.name in failure
    assert not (tmp_path / "out" / "index.csv").exists()
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 7
    with pytest.raises(DataError, match=r"out: is not a whole dataset: .* or delete unfinished\.txt"):
        read_dataset(tmp_path / "out")  # its images and masks would be read as a folder of 7
    frame.unlink()
    polygons = frame.with_name("polygons.mat")
    io = pytest.importorskip("scipy.io")
    io.savemat(polygons, {"polygons": np.delete(io.loadmat(polygons)["polygons"], 2, axis=1)})
    assert prepare_egohands(root, tmp_path / "out", workers=1)["failures"] == []
    assert len(read_dataset(tmp_path / "out")) == 7


def test_what_was_interrupted_isnt_taken_for_the_whole(root: Path, tmp_path: Path) -> None:
    def stop(names: Iterable[str], _: int) -> Iterable[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_egohands(root, tmp_path / "out", workers=1, progress=stop)
    assert len(list((tmp_path / "out" / "masks").iterdir())) > 0
    with pytest.raises(DataError, match="is not a whole dataset: its preparation was interrupted"):
        read_dataset(tmp_path / "out")
    prepare_egohands(root, tmp_path / "out", workers=1)
    assert len(read_dataset(tmp_path / "out")) == 8


def test_a_damaged_video_is_named_and_the_others_are_done(root: Path, tmp_path: Path) -> None:
    damaged = root / "_LABELLED_SAMPLES" / "CHESS_OFFICE_S_B"
    damaged.mkdir()
    (damaged / "polygons.mat").write_bytes(b"MATLAB")
    (failure,) = prepare_egohands(root, tmp_path / "out", workers=1)["failures"]
    assert "CHESS_OFFICE_S_B/polygons.mat: damaged" in failure
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 8
    assert not (tmp_path / "out" / "index.csv").exists()


def test_labels_without_frames_are_refused(root: Path, tmp_path: Path) -> None:
    for frame in (root / "_LABELLED_SAMPLES" / VIDEO).glob("*.jpg"):
        frame.unlink()
    with pytest.raises(DataError, match="no video has frames"):
        prepare_egohands(root, tmp_path / "out")


def test_what_is_prepared_still_tells_whose_hand_is_where(root: Path, tmp_path: Path) -> None:
    prepare_egohands(root, tmp_path / "out", workers=1)
    prepared = {s.name: s for s in read_dataset(tmp_path / "out")}
    for sample in read_egohands(root):
        expected, hands = sample.load_hands(), prepared[sample.name].load_hands()
        assert expected is not None
        assert hands is not None
        assert np.array_equal(np.max(hands, axis=0), np.max(expected, axis=0))
        assert all(h.any() == e.any() for h, e in zip(hands, expected))
