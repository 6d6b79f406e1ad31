from __future__ import annotations

import json
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from handseg.data import Sample, Split, read_dataset
from handseg.data.copies import fingerprints
from handseg.data.leaks import refuse_leaks
from handseg.data.splits import Protocol, make_split
from handseg.errors import DataError
from tests.data.test_identity import make


def samples(sizes: list[int]) -> list[Sample]:
    return [
        Sample(f"s{s}_{i}", Path("i"), Path("m"), f"s{s}", f"s{s}") for s, size in enumerate(sizes) for i in range(size)
    ]


@given(st.lists(st.integers(1, 30), min_size=6, max_size=20), st.integers(2, 5), st.integers(0, 99))
def test_session_disjoint_keeps_sessions_whole(sizes: list[int], folds: int, seed: int) -> None:
    every = samples(sizes)
    assume(max(sizes) < sum(sizes) / folds)
    tested = []
    for fold in range(folds):
        split = make_split(every, "session-disjoint", folds=folds, fold=fold, seed=seed)
        sides = [{s.session for s in split.select(every, side)} for side in ("train", "val", "test")]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert sorted([*split.train, *split.val, *split.test]) == sorted(s.name for s in every)
        assert split.train
        assert split.val
        assert split == make_split(every, "session-disjoint", folds=folds, fold=fold, seed=seed)
        tested += split.test
    assert sorted(tested) == sorted(s.name for s in every)


def test_random_frame_mixes_sessions() -> None:
    split = make_split(samples([50, 50]), "random-frame")
    assert {n.split("_")[0] for n in split.train} == {n.split("_")[0] for n in split.test} == {"s0", "s1"}


def test_a_file_and_back(tmp_path: Path) -> None:
    split = make_split(samples([3, 4, 5, 6, 7]), "session-disjoint", seed=4)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split


@pytest.mark.parametrize("content", ["", "[]", '{"train": []}', None])
def test_a_file_that_is_no_split_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "split.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"split\.json: not a split file"):
        Split.load(path)


def test_a_split_of_other_data_is_refused() -> None:
    split = make_split(samples([3, 4, 5, 6, 7]), "session-disjoint")
    with pytest.raises(DataError, match="doesn't have"):
        split.select(samples([1]), "train")


@pytest.mark.parametrize("arguments", [{"folds": 1}, {"fold": 9}, {"folds": 5}])
def test_impossible_folds_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(DataError, match="folds"):
        make_split(samples([3, 4, 5]), "session-disjoint", **arguments)


def test_one_session_that_is_nearly_everything_is_refused() -> None:
    with pytest.raises(
        DataError, match="leaves one session for training and validation, .* one holds nearly all frames"
    ):
        make_split(samples([1, 1, 1, 1, 1, 50]), "session-disjoint", folds=2, fold=1)


def test_four_sessions_are_enough_for_four_folds() -> None:
    split = make_split(samples([100] * 4), "session-disjoint")
    assert [len(side) for side in (split.train, split.val, split.test)] == [200, 100, 100]


def test_equal_names_are_refused() -> None:
    with pytest.raises(DataError, match="same name"):
        make_split(samples([3, 4, 5, 6, 7]) * 2, "session-disjoint")


def test_real_egohands_sides_share_no_session(data: Path) -> None:
    every = read_dataset(data / "egohands") + read_dataset(data / "egohands_more")
    split = make_split(every, "session-disjoint")
    train, test = ({s.session for s in split.select(every, side)} for side in ("train", "test"))
    assert len(every) == 451
    assert not train & test


def test_for_a_final_model_the_test_side_is_learned_from() -> None:
    split = make_split(samples([10, 8, 6, 4, 2]), "session-disjoint")
    final = split.without_test()
    assert final.test == ()
    assert set(final.train) == {*split.train, *split.test}
    assert final.val == split.val


@given(st.integers(0, 30), st.integers(0, 11))
def test_a_validation_side_shows_a_hand_where_one_can_be_spared(seed: int, first: int) -> None:
    hands = {f"s{first}_0", f"s{(first + 5) % 12}_0", f"s{(first + 7) % 12}_0"}
    every = [replace(s, empty=s.name not in hands) for s in samples([1] * 12)]
    split = make_split(every, "session-disjoint", seed=seed)
    left = hands - {*split.test}
    assert bool(hands & {*split.val}) == (len(left) > 1 or bool(left & {*split.val}))
    assert len(left) < 2 or hands & {*split.train}
    assert sorted([*split.train, *split.val, *split.test]) == sorted(s.name for s in every)


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    make(tmp_path, *(f"a{i}" for i in range(12)))
    for folder in ("images", "masks"):
        for i in range(4):
            shutil.copy(tmp_path / folder / f"a{i}.png", tmp_path / folder / f"copy{i}.png")
    Image.open(tmp_path / "images" / "a4.png").save(tmp_path / "images" / "copy4.jpg")
    shutil.copy(tmp_path / "masks" / "a4.png", tmp_path / "masks" / "copy4.png")
    every = read_dataset(tmp_path)
    prints = fingerprints([s.image for s in every])
    for seed in range(4):
        split = make_split(every, "session-disjoint", seed=seed, prints=prints)
        for side in (split.train, split.val, split.test):
            assert all((f"a{i}" in side) == (f"copy{i}" in side) for i in range(5))
        refuse_leaks(split, every, {s.image: p for s, p in zip(every, prints)}, tmp_path / "split.json")


def test_a_split_without_copies_is_the_same_as_ever(dataset: Path) -> None:
    every = read_dataset(dataset)
    split = make_split(every, "session-disjoint", prints=fingerprints([s.image for s in every]))
    plain = make_split(every, "session-disjoint")
    assert [split.train, split.val, split.test] == [plain.train, plain.val, plain.test]
    assert split.contents.keys() == {s.name for s in every}
    assert plain.contents == {}


def test_the_hash_is_of_sides_and_images(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    every = read_dataset(dataset)
    split = make_split(every, "session-disjoint", prints=fingerprints([s.image for s in every]))
    split.save(path)
    assert json.loads(path.read_text())["hash"] == split.hash == Split.load(path).hash
    assert not Split.load(path).edited
    assert make_split(every, "session-disjoint").hash != split.hash
    values = json.loads(path.read_text())
    values["train"].remove(values["train"][0])
    path.write_text(json.dumps(values))
    assert Split.load(path).edited
    assert Split.load(path).hash != split.hash


def test_files_of_older_versions_load(tmp_path: Path) -> None:
    old = {
        "protocol": "session-disjoint",
        "seed": 0,
        "folds": 4,
        "fold": 0,
        "train": ["a"],
        "val": ["b"],
        "test": ["c"],
    }
    (tmp_path / "split.json").write_text(json.dumps(old))
    split = Split.load(tmp_path / "split.json")
    assert (split.train, split.test, split.contents, split.edited) == (("a",), ("c",), {}, False)


@pytest.mark.parametrize(("val", "told"), [(["a"], "a is on two sides, train and val"), (["b", "b"], "b is twice on")])
def test_a_name_on_two_sides_is_refused(tmp_path: Path, val: list[str], told: str) -> None:
    old = {"protocol": "random-frame", "seed": 0, "folds": 4, "fold": 0, "train": ["a"], "val": val, "test": ["c"]}
    (tmp_path / "split.json").write_text(json.dumps(old))
    with pytest.raises(DataError, match=rf"split\.json: {told}"):
        Split.load(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("images", "protocol", "folds", "words"),
    [
        (
            1,
            "session-disjoint",
            4,
            "1 session is too few for 4 folds.*; label more data, or .*--protocol all$",
        ),
        (1, "random-frame", 4, "1 image is too few for 4 folds.*; label more data, or .*--protocol all$"),
        (3, "session-disjoint", 4, "3 sessions are too few .* handseg data split --folds 3, or label more data, or .*"),
        (3, "session-disjoint", 2, "fold 0 of 2 leaves one session .* there are few, or"),
    ],
)
def test_too_few_images_are_told_with_what_helps(
    tmp_path: Path, images: int, protocol: Protocol, folds: int, words: str
) -> None:
    samples = read_dataset(make(tmp_path / "set", *(f"a{i}" for i in range(images))))
    with pytest.raises(DataError, match=words):
        make_split(samples, protocol, folds=folds)
    if images == 3:  # what it says does help
        assert make_split(samples, protocol, folds=3).train


def test_one_clip_is_told_how_frames_are_split(tmp_path: Path) -> None:
    samples = read_dataset(make(tmp_path / "set", *(f"clip/{i}" for i in range(6))))
    with pytest.raises(DataError, match="1 session is too few .* --group-by .* --protocol random-frame"):
        make_split(samples, "session-disjoint")
    assert make_split(samples, "random-frame").train


def test_a_split_of_names_in_another_unicode_form_is_the_same(tmp_path: Path) -> None:
    """macOS may write an é as two characters, in file names and so in splits."""
    apart = [unicodedata.normalize("NFD", f"é{i}") for i in range(8)]
    samples = read_dataset(make(tmp_path / "set", *apart))
    split = make_split(samples, "session-disjoint")
    split.save(tmp_path / "split.json")
    as_mac = json.loads((tmp_path / "split.json").read_text())
    for side in ("train", "val", "test"):
        as_mac[side] = [unicodedata.normalize("NFD", name) for name in as_mac[side]]
    del as_mac["hash"]
    (tmp_path / "mac.json").write_text(json.dumps(as_mac))
    for name in ("split.json", "mac.json"):
        read = Split.load(tmp_path / name)
        assert (read.hash, read.edited) == (split.hash, False)
        assert read.select(samples, "test") == split.select(samples, "test")
