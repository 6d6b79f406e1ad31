"""The file that names all data of a training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from handseg.cli.kept_apart import prints_of
from handseg.data import Mixture
from handseg.errors import DataError
from handseg.image import save_png

from ..conftest import scene


def photos(folder: Path, *names: str, seed: int, masks: bool = True) -> Path:
    rng = np.random.default_rng(seed)
    for name in names:
        image, mask = scene(rng)
        if masks:
            save_png(folder / "images" / f"{name}.png", image)
            save_png(folder / "masks" / f"{name}.png", mask)
        else:
            save_png(folder / f"{name}.png", image)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    photos(tmp_path / "data" / "desk", *(f"p{p:02}s1_{i}" for p in range(4) for i in range(3)), seed=1)
    photos(tmp_path / "data" / "arms", *(f"train_{v}_{i}" for v in (200, 201) for i in range(2)), seed=2)
    photos(tmp_path / "data" / "rooms", "a", "b", "c", seed=3, masks=False)
    (tmp_path / "marks.json").write_text(
        json.dumps({"arms/train_200_0.png": [[[10.0 + i, 9.0 + i] for i in range(21)]]})
    )
    path = tmp_path / "mixture.toml"
    path.write_text(
        """
[roots]
data = "data"

[[source]]
name = "desk"
folders = ["{data}/desk"]
share = 0.6
val = ["p01"]
test = ["p03"]

[[source]]
name = "arms"
folders = ["data/arms"]
policy = "hand+forearm"
landmarks = "marks.json"
share = 0.3

[[source]]
name = "rooms"
folders = ["{data}/rooms"]
role = "no-hands"
share = 0.1
test = 1
"""
    )
    return path


def changed(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def test_sources_give_samples_sides_and_shares(file: Path) -> None:
    read = Mixture.load(file).read()
    assert {name: len(samples) for name, samples in read.sources.items()} == {"desk": 12, "arms": 4, "rooms": 3}
    assert read.shares == {"desk": 0.6, "arms": 0.3, "rooms": 0.1}
    assert {name[:3] for name in read.split.val} == {"p01"}
    assert sorted(name.split("s1")[0] for name in read.split.test) == ["p03"] * 3 + [read.split.test[-1]]
    assert len(read.split.train) == 6 + 4 + 2
    assert {s.policy for s in read.sources["arms"]} == {"hand+forearm"}
    assert [len(s.landmarks) for s in read.sources["arms"]] == [1, 0, 0, 0]
    assert all(s.background for s in read.sources["rooms"])
    assert read.split.protocol == "session-disjoint"
    assert {*read.split.contents} == {s.name for s in read.samples}


def test_a_number_of_images_is_the_same_ones_wherever_they_lie_and_whatever_is_added(
    file: Path, tmp_path: Path
) -> None:
    first = Mixture.load(changed(file, "test = 1", "test = 2")).read()
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere" / "data")
    photos(tmp_path / "elsewhere" / "data" / "rooms", "zzz", seed=9, masks=False)
    second = Mixture.load(file, {"data": tmp_path / "elsewhere" / "data"}).read()
    chosen = [{n for n in r.split.test if n.startswith("rooms")} for r in (first, second)]
    assert len(chosen[0]) == len(chosen[1]) == 2
    assert len(chosen[0] & chosen[1]) >= 1


def test_all_of_a_source_may_be_held_out_and_patterns_name_sessions(file: Path) -> None:
    read = Mixture.load(changed(changed(file, '["p03"]', '["p0[23]"]'), "test = 1", 'test = "all"')).read()
    assert sum(n.startswith("p0") for n in read.split.test) == 6
    assert sum(n.startswith("rooms") for n in read.split.test) == 3
    assert "rooms" not in read.shares


def test_copies_of_what_is_held_out_are_not_trained_on(file: Path, tmp_path: Path) -> None:
    held = tmp_path / "data" / "desk" / "images" / "p03s1_0.png"
    shutil.copy(held, tmp_path / "data" / "arms" / "images" / "train_201_1.png")
    read = Mixture.load(file).read(prints_of)
    assert [s.name for s in read.left_out] == ["train_201_1"]
    assert "train_201_1" not in read.split.train
    assert len(read.split.train) == 11


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share = 0.6", "shares = 0.6", "source desk: unknown entry 'shares'"),
        ("share = 0.6", "share = -1", "share is -1"),
        ("share = 0.6", "share = true", "share is True"),
        ("share = 0.6", "share = nan", "share is nan"),
        ("share = 0.6", 'share = "1"', "share is '1'"),
        ('policy = "hand+forearm"', 'policy = "arm"', "source arms: unknown policy 'arm'"),
        ('role = "no-hands"', 'role = "empty"', "unknown role 'empty'"),
        ('name = "arms"', 'name = "desk"', "two sources are called desk"),
        ('name = "arms"\n', "", "needs a name and folders"),
        ('folders = ["data/arms"]', "folders = []", "needs a name and folders"),
        ('folders = ["data/arms"]', 'folders = ["{nowhere}/arms"]', "names a root that"),
        ('folders = ["data/arms"]', 'folders = ["data/legs"]', "data/legs: no such folder"),
        ('val = ["p01"]', 'val = ["p09"]', "desk: val names 'p09', which no session is called; there are p00"),
        ('val = ["p01"]', "", "nothing is validated on"),
        ("test = 1", "test = 9", "rooms: test wants 9 images of 3"),
        ("test = 1", "test = -1", "test is -1"),
        ("test = 1", "test = 1.5", "test is 1.5"),
        ("[roots]", "[root]", "unknown entry 'root'"),
        ('data = "data"', "data = 3", "must give each name a folder"),
        ("[roots]", "[roots", "no mixture's file"),
        ('landmarks = "marks.json"', 'landmarks = "none.json"', "none.json"),
        ('landmarks = "marks.json"', 'group_by = "("', "source arms: '\\('"),
        ('landmarks = "marks.json"', 'mask_values = "many"', "source arms: "),
    ],
)
def test_what_is_wrong_is_named(file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Mixture.load(changed(file, old, new)).read()


def test_a_root_that_the_file_does_not_have_is_named(file: Path) -> None:
    with pytest.raises(DataError, match="has no root 'dat'; its roots are data"):
        Mixture.load(file, {"dat": "x"})


def test_no_shares_and_no_sources_are_named(file: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    with pytest.raises(DataError, match="names no sources"):
        Mixture.load(empty)
    empty.write_text('[[source]]\nname = "a"\nfolders = ["b"]\n')
    with pytest.raises(DataError, match="no source has a share"):
        Mixture.load(empty)
    with pytest.raises(DataError, match=r"gone\.toml: no mixture's file"):
        Mixture.load(tmp_path / "gone.toml")


def test_the_file_of_the_packaged_weights_keeps_people_and_sessions_apart(data: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    photos(made / "background", "room", seed=1, masks=False)
    marks = {f"{folder}/{next((data / folder / 'images').iterdir()).name}": [] for folder in ("utg", "yhg", "hgr")}
    marks = {key: [[[1.0 + i, 2.0 + i] for i in range(21)]] for key in marks}
    (made / "landmarks.json").write_text(json.dumps(marks))
    path = Path(__file__).parents[2] / "weights" / "mixture.toml"
    read = Mixture.load(path, {"data": data, "made": made}).read()
    sides = {side: {s.session for s in read.split.select(read.samples, side)} for side in ("train", "val", "test")}
    assert not sides["train"] & sides["val"]
    assert not sides["train"] & sides["test"]
    assert not sides["val"] & sides["test"]
    counts = {name: sum(s.name in {*read.split.val} for s in samples) for name, samples in read.sources.items()}
    assert counts["everyday"] == 150
    assert not any(s.source == "irllabs" for s in read.split.select(read.samples, "train"))
