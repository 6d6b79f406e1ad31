from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from handseg.data import read_dataset, read_datasets
from handseg.data.identity import GroupRule, alone, identify, name_datasets
from handseg.errors import DataError
from handseg.image import save_png
from tests.conftest import scene


def make(root: Path, *names: str, seed: int = 0) -> Path:
    """A dataset of small scenes with these names below images/, without suffix."""
    rng = np.random.default_rng(seed)
    for name in names:
        image, mask = scene(rng)
        save_png(root / "images" / f"{name}.png", image)
        save_png(root / "masks" / f"{name}.png", mask)
    return root


@pytest.mark.parametrize(
    ("paths", "sessions"),
    [
        (["clip_3/00007.jpg", "clip_4/00007.jpg"], ["d:clip_3", "d:clip_4"]),
        (["clip_3/1.jpg", "clip_3/2.jpg"], ["d:clip_3", "d:clip_3"]),
        (["anna/1/7.jpg", "anna/2/7.jpg", "ben/1/7.jpg"], ["d:anna", "d:anna", "d:ben"]),
        (["anna/1/7.jpg", "anna/2/7.jpg"], ["d:anna/1", "d:anna/2"]),
        (["images/a/7.jpg", "images/b/7.jpg"], ["d:images/a", "d:images/b"]),
        (["train/a/1.jpg", "val/a/2.jpg", "Test/b/2.jpg"], ["d:a", "d:a", "d:b"]),
        (["train/1.jpg", "val/1.jpg"], ["d:train/1", "d:val/1"]),
        (["p04s08_002.jpg", "p04s01_001.jpg", "x/p11s01_001.jpg"], ["d:p04", "d:p04", "d:p11"]),
        (["hgr1id12_F3.jpg", "3_A_hgr2B_id12_1.jpg"], ["d:hgr1id12", "d:hgr2B_id12"]),
        (["test_200_0001.jpg", "clip/CARDS_OFFICE_S_B_frame_0001.jpg"], ["d:200", "CARDS_OFFICE_BS"]),
        (["手/é.jpg", "b/é.jpg"], ["d:手", "d:b"]),
    ],
)
def test_sessions_are_told_by_names_and_folders(paths: list[str], sessions: list[str]) -> None:
    assert [session for _, session in identify([PurePosixPath(p) for p in paths], "d")] == sessions


def test_the_folder_is_the_video() -> None:
    found = identify([PurePosixPath("anna/1/7.jpg"), PurePosixPath("ben/p01s02_003.jpg")], "d")
    assert [video for video, _ in found] == ["d:anna/1", "d:p01s02"]


@pytest.mark.parametrize(
    ("rule", "session"),
    [
        ("folder", "a/b"),
        ("folder:1", "a"),
        (r"(clip\d+)_", "clip7"),
        (r"clip(?P<session>\d)\d*_(\d+)", "7"),
        (r"^(.)/(.)/", "a_b"),
        ("column:person", "p3"),
    ],
)
def test_a_rule_tells_the_session(rule: str, session: str) -> None:
    assert GroupRule.parse(rule)(PurePosixPath("a/b/clip7_0001.jpg"), {"person": "p3"}) == session


@pytest.mark.parametrize("rule", ["", "folder:", "folder:0", "column:", "clip", "clip(", "name"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(DataError, match="no rule to group images by"):
        GroupRule.parse(rule)


@pytest.mark.parametrize("rule", ["folder", "folder:2", "column:person", r"(p\d)"])
def test_an_image_that_a_rule_does_not_fit_is_named(tmp_path: Path, rule: str) -> None:
    make(tmp_path, "a")
    with pytest.raises(DataError, match=r"images/a\.png: .*grouped"):
        read_dataset(tmp_path, group_by=rule)


def test_a_dataset_may_hold_its_rule_itself(tmp_path: Path) -> None:
    make(tmp_path / "set", "clip1_01", "clip1_02", "clip2_01")
    assert len(alone(read_dataset(tmp_path / "set"))) == 1
    (tmp_path / "set" / "dataset.toml").write_text("group_by = '(clip\\d)_'\n")
    samples = read_dataset(tmp_path / "set")
    assert [s.session for s in samples] == ["set:clip1", "set:clip1", "set:clip2"]
    assert alone(samples) == []
    (tmp_path / "set" / "dataset.toml").write_text("group = 'folder'\n")
    with pytest.raises(DataError, match=r"dataset\.toml: unknown entry 'group'"):
        read_dataset(tmp_path / "set")


def test_datasets_with_equal_names_and_folders_are_told_apart(tmp_path: Path) -> None:
    roots = [make(tmp_path / x / "data", "clip/1", f"only_{x}", seed=i) for i, x in enumerate("ab")]
    samples = read_datasets(roots)
    assert [s.name for s in samples] == ["a/data:clip/1", "only_a", "b/data:clip/1", "only_b"]
    assert [s.session for s in samples][::2] == ["a/data:clip", "b/data:clip"]
    assert set(name_datasets([roots[0], tmp_path]).values()) == {"data", tmp_path.name}
    with pytest.raises(DataError, match="are the same folder"):
        read_datasets([roots[0], roots[1] / ".." / ".." / "a" / "data"])


def test_the_real_sets_are_grouped_by_person(data: Path) -> None:
    for name, images, sessions in (("webcam", 403, 15), ("first_person", 411, 7), ("hgr_more", 160, 4)):
        samples = read_dataset(data / name)
        assert (len(samples), len({s.session for s in samples})) == (images, sessions)
    assert len(alone(read_dataset(data / "irllabs"))) == 1


INDEX = "name,image,mask\na,images/c/a.png,masks/c/a.png\nb,images/c/b.png,masks/c/b.png\n"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + INDEX,
        INDEX.replace(",", ";"),
        INDEX.replace(",", "\t"),
        INDEX.replace("/", "\\"),
        INDEX.replace("\n", "\r\n"),
        INDEX.replace("name,image", "name , image"),
    ],
)
def test_an_index_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    make(tmp_path, "c/a", "c/b")
    (tmp_path / "index.csv").write_text(text, encoding="utf-8", newline="")
    assert [(s.name, s.session) for s in read_dataset(tmp_path)] == [(n, f"{tmp_path.name}:c") for n in "ab"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INDEX.replace(",mask\n", ",label\n"), "no column mask; its first line must be name,image,mask"),
        (INDEX.replace("b,images", "a,images"), "line 3: the name a is in line 2 already"),
        (INDEX.replace("images/c/b", "images/c/a"), r"line 3: the image images/c/a\.png is in line 2 already"),
        (INDEX.replace("images/c/b", "../x/images/c/b"), "line 3: .* leads out of"),
        (INDEX.replace("images/c/b", "/x/images/c/b"), "line 3: .* is an absolute path"),
        (INDEX.replace("images/c/b", "C:\\x\\b"), "line 3: .* is an absolute path"),
    ],
)
def test_an_index_of_no_use_is_told_by_line(tmp_path: Path, text: str, message: str) -> None:
    make(tmp_path, "c/a", "c/b")
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_an_index_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes("name,image,mask\né,a,b\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"index\.csv: can't be read as UTF-8"):
        read_dataset(tmp_path)
