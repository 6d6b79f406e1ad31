from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.data.doctor import Report, examine
from handseg.image import load_image, load_mask, save_png
from tests.conftest import scene
from tests.data.test_identity import make


def found(report: Report) -> set[tuple[str, str, str]]:
    return {(fault.level, fault.kind, fault.path.name) for fault in report.faults}


def test_all_faults_of_all_files_are_listed(tmp_path: Path) -> None:
    make(tmp_path, *(f"a{i}" for i in range(12)))
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "a0.png").write_bytes(b"no image")
    (images / "a1.png").write_bytes((images / "a1.png").read_bytes()[:900])
    (masks / "a2.png").write_bytes(b"")
    save_png(masks / "a3.png", np.zeros((5, 5), np.uint8))
    save_png(masks / "a4.png", np.random.default_rng(0).integers(0, 256, (72, 96), dtype=np.uint8))
    (masks / "a5.png").unlink()
    (images / "a6.png").unlink()
    shutil.copy(images / "a7.png", images / "a7.jpg")
    save_png(masks / "a8.png", 255 - load_mask(masks / "a8.png"))
    (images / "notes.txt").write_text("")
    tiny = np.zeros((200, 300), np.uint8)
    tiny[5, 5:8] = 255
    save_png(masks / "a9.png", tiny)
    save_png(images / "a9.png", np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    assert found(examine([tmp_path])) == {
        ("error", "unreadable", "a0.png"),
        ("error", "unreadable", "a1.png"),
        ("error", "unreadable", "a2.png"),
        ("error", "size", "a3.png"),
        ("error", "values", "a4.png"),
        ("error", "no-mask", "a5.png"),
        ("warning", "no-image", "a6.png"),
        ("error", "same-name", "a7.jpg"),
        ("error", "inverted", "a8.png"),
        ("warning", "suffix", "notes.txt"),
        ("warning", "tiny", "a9.png"),
    }


def test_what_systems_leave_behind_is_no_part_of_the_data(tmp_path: Path) -> None:
    make(tmp_path, "c/a", "c/b")
    junk = ("images/._a.png", "images/c/.ipynb_checkpoints/a.png", "images/@eaDir/a.png", "images/Thumbs.db")
    for name in (*junk, "masks/._a.png", "masks/__MACOSX/a.png", "images/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"junk")
    (tmp_path / "images" / "x.jpg").mkdir()
    (tmp_path / "images" / "c" / "loop").symlink_to(tmp_path / "images")
    report = examine([tmp_path])
    assert report.faults == []
    assert [len(samples) for samples in report.roots.values()] == [2]


def test_suffixes_of_any_kind_and_letters_of_either_kind_go_together(tmp_path: Path) -> None:
    make(tmp_path, "a", "b", "é", "手")
    masks = tmp_path / "masks"
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "a.PNG")
    Image.open(masks / "b.png").save(masks / "b.tif")
    (masks / "b.png").unlink()
    (masks / "é.png").rename(masks / f"{unicodedata.normalize('NFD', 'é')}.png")
    assert examine([tmp_path]).faults == []
    Image.open(masks / "a.png").save(masks / "a.bmp")
    assert found(examine([tmp_path])) == {("error", "same-name", "a.PNG")}


def test_copies_are_found_whatever_they_are_called_and_stored_as(tmp_path: Path) -> None:
    make(tmp_path, "a", "b", "c", "d", "e", "black1", "black2")
    images, masks = tmp_path / "images", tmp_path / "masks"
    for name, copy in (("a", "w.png"), ("b", "x.jpg"), ("c", "y.png"), ("d", "z.bmp")):
        Image.open(images / f"{name}.png").save(images / copy)
        shutil.copy(masks / f"{'e' if name == 'c' else name}.png", masks / f"{copy[0]}.png")
    for name in ("black1", "black2"):
        save_png(images / f"{name}.png", np.zeros((72, 96, 3), np.uint8))
    assert found(examine([tmp_path])) == {
        ("warning", "copy", "w.png"),
        ("warning", "near-copy", "x.jpg"),
        ("error", "contradiction", "y.png"),
        ("warning", "copy", "z.bmp"),
    }


def test_a_shrunk_copy_in_another_dataset_is_found(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", "a", "b"), make(tmp_path / "other", "a", "b", seed=1)
    image = load_image(one / "images" / "a.png")
    Image.fromarray(image).resize((192, 144)).save(other / "images" / "a.png")
    Image.open(one / "masks" / "a.png").resize((192, 144), Image.Resampling.NEAREST).save(other / "masks" / "a.png")
    assert found(examine([one, other])) == {("warning", "near-copy", "a.png")}


def test_exif_on_one_side_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turned = {}
    for name, orientation in (("stored", 6), ("upright", 6), ("half", 3), ("mask", 1)):
        image, mask = scene(rng)
        exif = Image.Exif()
        exif[0x112] = orientation
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.jpg", exif=exif)
        exif[0x112] = 6
        turned = {"exif": exif} if name == "mask" else {}
        upright = np.rot90(mask, -1) if name == "upright" else mask
        Image.fromarray(upright).save(tmp_path / "masks" / f"{name}.png", **turned)
    faults = found(examine([tmp_path]))
    assert {name for _, kind, name in faults if kind == "orientation"} == {"stored.png", "half.png", "mask.png"}
    assert ("warning", "orientation", "half.png") in faults
    assert ("error", "orientation", "stored.png") in faults


def test_half_of_the_masks_empty_is_a_warning_and_all_an_error(tmp_path: Path) -> None:
    make(tmp_path, "a", "b", "c", "d")
    empty = np.zeros((72, 96), np.uint8)
    for name in "ab":
        save_png(tmp_path / "masks" / f"{name}.png", empty)
    assert found(examine([tmp_path])) == {("warning", "many-empty", "images")}
    for name in "cd":
        save_png(tmp_path / "masks" / f"{name}.png", empty)
    assert found(examine([tmp_path])) == {("error", "all-empty", "images")}


def test_labels_beside_the_masks_are_looked_at_too(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    save_png(tmp_path / "classes" / "a.png", np.full((72, 96), 7, np.uint8))
    save_png(tmp_path / "forearms" / "b.png", np.zeros((9, 9), np.uint8))
    save_png(tmp_path / "classes" / "nobody.png", np.zeros((9, 9), np.uint8))
    assert found(examine([tmp_path])) == {
        ("error", "values", "a.png"),
        ("error", "size", "b.png"),
        ("warning", "no-image", "nobody.png"),
    }


def test_polygons_that_are_no_polygons(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    video = tmp_path / "_LABELLED_SAMPLES" / "CARDS_OFFICE_B_S"
    classes = ("myleft", "myright", "yourleft", "yourright")
    table = np.empty((1, 4), [(name, object) for name in classes])
    square = np.array([[5.0, 5], [40, 5], [40, 40], [5, 40]])
    rng = np.random.default_rng(0)
    video.mkdir(parents=True)
    for i, second in enumerate((square, square * np.nan, square + 500, square + np.array([70, 0]))):
        Image.fromarray(scene(rng)[0]).save(video / f"frame_{i:04d}.jpg")
        for name in classes:
            table[name][0, i] = np.zeros((1, 0))
        table["myleft"][0, i], table["yourright"][0, i] = square, second
    scipy_io.savemat(video / "polygons.mat", {"polygons": table})
    for name, content in (("CHESS_OFFICE_B_S/frame_0001.jpg", b""), ("CARDS_OFFICE_H_T/polygons.mat", b"broken")):
        (video.parent / name).parent.mkdir()
        (video.parent / name).write_bytes(content)
    assert found(examine([tmp_path])) == {
        ("error", "polygon", "frame_0001.jpg"),
        ("error", "polygon", "frame_0002.jpg"),
        ("warning", "polygon", "frame_0003.jpg"),
        ("warning", "no-mask", "CHESS_OFFICE_B_S"),
        ("error", "label-file", "polygons.mat"),
    }


def test_the_two_masks_of_one_picture(data: Path) -> None:
    report = examine([data / "irllabs"])
    assert found(report) == {("error", "contradiction", "00000102.jpg")}
    assert "00000101.jpg, with another mask" in str(report.faults[0])


def test_a_folder_that_is_no_dataset_does_not_keep_the_others_from_being_checked(tmp_path: Path) -> None:
    make(tmp_path / "good", "a", "b")
    for folder in ("images", "masks"):
        (tmp_path / "empty" / folder).mkdir(parents=True)
    report = examine([tmp_path / "nowhere", tmp_path / "empty", tmp_path / "good"])
    assert found(report) == {("error", "dataset", "nowhere"), ("error", "empty", "images")}
    assert report.roots.keys() == {tmp_path / "empty", tmp_path / "good"}
    assert report.summary()[-1] == "2 errors, 0 warnings"
