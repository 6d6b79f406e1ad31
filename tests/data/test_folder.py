from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.data import read_background, read_dataset, read_unlabelled
from handseg.data.folder import scan_dataset
from handseg.errors import DataError
from handseg.image import save_png
from tests.conftest import scene
from tests.data.test_identity import make


def test_a_folder_of_images_and_masks(dataset: Path) -> None:
    samples = read_dataset(dataset)
    assert len(samples) == 12
    assert samples[0].policy == "hand"
    assert len({s.session for s in samples}) == 6
    assert samples[0].load_mask().shape == samples[0].load_image().shape[:2]


@pytest.mark.parametrize(
    ("folder", "images", "sessions"), [("utg", 855, 44), ("yhg", 488, 22), ("hgr", 178, 20), ("irllabs", 20, 20)]
)
def test_the_real_sets_are_read_with_their_sessions(data: Path, folder: str, images: int, sessions: int) -> None:
    samples = read_dataset(data / folder, "hand+forearm")
    assert len(samples) == images
    assert len({s.session for s in samples}) == sessions
    assert {s.policy for s in samples} == {"hand+forearm"}


def test_both_halves_of_one_original_split_are_one_session(data: Path) -> None:
    videos = {s.name.split("_")[0]: s.session for s in read_dataset(data / "utg") if "_200_" in s.name}
    assert videos == {"train": "utg:200", "test": "utg:200"}


def test_forearms_beside_the_masks_are_found(dataset: Path) -> None:
    first = sorted((dataset / "masks").iterdir())[0]
    (dataset / "forearms").mkdir()
    label = np.zeros((72, 96), np.uint8)
    label[:10], label[10:20] = 255, 77
    save_png(dataset / "forearms" / first.name, label)
    samples = read_dataset(dataset)
    assert [s.load_forearm() is not None for s in samples] == [True] + [False] * 11
    forearm = samples[0].load_forearm()
    assert forearm is not None
    assert [int(forearm[y, 0]) for y in (0, 10, 20)] == [255, 128, 0]
    save_png(dataset / "forearms" / first.name, label[:5])
    with pytest.raises(DataError, match=rf"forearms/{first.name}: the mask has 96×5 pixels"):
        samples[0].load_forearm()


def test_a_missing_mask_is_named(dataset: Path) -> None:
    mask = next((dataset / "masks").iterdir())
    mask.unlink()
    with pytest.raises(DataError, match=f"no mask masks/{mask.name}"):
        read_dataset(dataset)


def test_a_mask_of_another_size_is_named(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[0]
    save_png(mask, np.zeros((5, 7), np.uint8))
    with pytest.raises(DataError, match=rf"{mask.name}: the mask has 7×5 pixels and its image .* 96×72"):
        read_dataset(dataset)[0].load_mask()


def test_folders_that_are_no_dataset_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither an EgoHands root nor"):
        read_dataset(tmp_path)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match="no images in it"):
        read_dataset(tmp_path)


HEADER = "name,image,mask,video,session,policy\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "holds no rows"),
        ("a,,masks/a.png,,,\n", "line 2: no image"),
        ("a,images/a.png,masks/a.png,,,\n", "named in index.csv, but not there"),
        ("a,images/a.png,masks/a.png,,,arm\n", "unknown label policy 'arm'"),
    ],
)
def test_a_wrong_index_is_named(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "index.csv").write_text(HEADER + rows)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_an_index_says_session_and_policy(dataset: Path) -> None:
    image = sorted((dataset / "images").iterdir())[0].name
    (dataset / "index.csv").write_text(HEADER + f"one,images/{image},masks/{image},clip,day 1,hand+forearm\n")
    (sample,) = read_dataset(dataset)
    assert (sample.name, sample.video, sample.session, sample.policy) == ("one", "clip", "day 1", "hand+forearm")


def test_a_folder_of_photos_without_hands_needs_no_masks(tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.png"):
        (tmp_path / "room" / name).parent.mkdir(parents=True, exist_ok=True)
        save_png(tmp_path / "room" / name, np.full((8, 9, 3), 90, np.uint8))
    samples = read_background(tmp_path / "room")
    assert [s.name for s in samples] == ["room:a.png", "room:sub/b.png"]
    assert all(s.background and not s.load_mask().any() for s in samples)
    assert all(s.unlabelled and not s.background for s in read_unlabelled(tmp_path / "room"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"nothing: no images in this folder"):
        read_background(tmp_path / "nothing")


def test_images_that_share_a_mask_file_stay_themselves(tmp_path: Path) -> None:
    """One empty mask for all images without hands: each image once, with its own name."""
    root = make(tmp_path / "set", "a", "b", "c", "d", "e")
    save_png(root / "masks" / "none.png", np.zeros((72, 96), np.uint8))
    rows = [f"{name},images/{name}.png,masks/{name if name < 'c' else 'none'}.png" for name in "abcde"]
    (root / "index.csv").write_text("\n".join(["name,image,mask", *rows]))
    samples = read_dataset(root)
    assert [(s.name, s.image.stem, s.empty) for s in samples] == [
        ("a", "a", False), ("b", "b", False), ("c", "c", True), ("d", "d", True), ("e", "e", True),
    ]  # fmt: skip
    assert len({s.session for s in samples}) == 5


@pytest.mark.parametrize(
    ("images", "sessions"),
    [
        (["clip1/1", "clip1/2", "clip2/1"], ["clip1", "clip1", "clip2"]),
        (["images/clip1/1", "more/clip1/1", "more/clip2/1"], ["clip1", "more", "more"]),
        (["rgb/clip1/1", "rgb/clip2/1"], ["clip1", "clip2"]),
        (["rgb/1", "rgb/2"], ["1", "2"]),
        (["1", "2", "images"], ["1", "2", "images"]),
        (["images/1", "2"], ["1", "2"]),
    ],
)
def test_an_index_may_name_images_anywhere(tmp_path: Path, images: list[str], sessions: list[str]) -> None:
    """A folder of frames is a session there too: equal numbers of two clips aren't one."""
    root = tmp_path / "set"
    rows = ["name,image,mask"]
    rng = np.random.default_rng(0)
    for number, name in enumerate(images):
        image, mask = scene(rng)
        save_png(root / f"{name}.png", image)
        save_png(root / "masks" / f"{number}.png", mask)
        rows.append(f"{number},{name}.png,masks/{number}.png")
    (root / "index.csv").write_text("\n".join(rows))
    assert [s.session for s in read_dataset(root)] == [f"set:{session}" for session in sessions]


@pytest.mark.parametrize("folder", ["classes", "forearms"])
@pytest.mark.parametrize("written", ["é.bmp", "é.PNG", unicodedata.normalize("NFD", "é") + ".png", "é.tif"])
def test_labels_beside_the_masks_are_found_as_masks_are(tmp_path: Path, folder: str, written: str) -> None:
    root = make(tmp_path / "set", "é", "b")
    (root / folder).mkdir()
    Image.fromarray(np.zeros((72, 96), np.uint8)).save(root / folder / written)
    samples, faults = scan_dataset(root)
    assert faults == []
    found = {s.name: s.hands if folder == "classes" else s.forearm for s in samples}
    assert found == {"é": root / folder / written, "b": () if folder == "classes" else None}
    save_png(root / folder / "é.gif", np.zeros((72, 96), np.uint8))
    with pytest.raises(DataError, match=r"images/é\.png: has several .* and .*; keep one"):
        read_dataset(root)


@pytest.mark.parametrize("folder", ["images/in", "masks/in", "images"])
def test_a_folder_that_may_not_be_read_isnt_passed_over(tmp_path: Path, folder: str) -> None:
    root = make(tmp_path / "set", "in/a", "in/b", "out/c")
    (root / folder).chmod(0)
    was = os.geteuid()
    try:
        for place in (tmp_path, *tmp_path.parents):
            if place == Path(tempfile.gettempdir()):
                break
            place.chmod(0o755)
        if was == 0:
            os.seteuid(65534)  # root may read all
        with pytest.raises(DataError, match=f"{folder}: can't be looked into .* check the folder's rights"):
            read_dataset(root)
    finally:
        os.seteuid(was)
        (root / folder).chmod(0o755)
