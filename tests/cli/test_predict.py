"""handseg predict as a user runs it: a second process, real files, and ten ways to go wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg import formats
from handseg.image import load_image, load_mask

EXAMPLE = Path(__file__).parents[2] / "examples" / "hand.jpg"


def handseg(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def written(folder: Path) -> list[str]:
    """The names of the files in a folder of outputs, without the record of how they were made."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".handseg.jsonl")


def assert_one_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line that starts with "error:" and holds the words; no traceback; exit status not 0."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert len(errors) == 1, result.stderr
    for word in words:
        assert word in errors[0]


def test_each_kind_of_output_is_written_at_the_images_size(tmp_path: Path) -> None:
    result = handseg("predict", EXAMPLE, "-o", tmp_path, "--save", "mask,overlay,cutout,heatmap,blur,indexed,json")
    assert result.returncode == 0, result.stderr
    assert written(tmp_path) == [
        "hand.json",
        "hand.png",
        "hand_blur.png",
        "hand_cutout.png",
        "hand_heatmap.png",
        "hand_indexed.png",
        "hand_overlay.png",
    ]
    with Image.open(tmp_path / "hand.png") as mask:
        assert (mask.mode, mask.size) == ("L", (960, 640))
    assert set(np.unique(load_mask(tmp_path / "hand.png"))) == {0, 255}
    assert load_image(tmp_path / "hand_overlay.png").shape == (640, 960, 3)
    with Image.open(tmp_path / "hand_cutout.png") as cutout:
        assert cutout.mode == "RGBA"
    with Image.open(tmp_path / "hand_indexed.png") as indexed:
        assert indexed.mode == "P"
        assert np.array_equal(np.array(indexed) > 0, load_mask(tmp_path / "hand.png") > 0)
    assert load_image(tmp_path / "hand_heatmap.png").shape == load_image(tmp_path / "hand_blur.png").shape
    description = json.loads((tmp_path / "hand.json").read_text())
    assert (description["width"], description["height"], description["policy"]) == (960, 640, "hand")
    assert description["hands"][0]["area"] > 20_000
    assert result.stderr.startswith("model default, engine onnxruntime\n")


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    result = handseg("predict", EXAMPLE, "-o", tmp_path, "--device", "toaster")
    assert_one_error(result, "toaster", "offers cpu")


def test_folders_are_mirrored_and_a_second_run_skips(tmp_path: Path) -> None:
    for place in ("in/a", "in/b/c", "in"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLE, tmp_path / place / "hand.jpg")
    first = handseg("predict", "in", "-o", "out", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    masks = sorted((tmp_path / "out").rglob("*.png"))
    assert [m.relative_to(tmp_path / "out").as_posix() for m in masks] == ["a/hand.png", "b/c/hand.png", "hand.png"]
    before = [m.stat().st_mtime_ns for m in masks]
    second = handseg("predict", "in", "-o", "out", cwd=tmp_path)
    assert "3 there already" in second.stderr
    assert [m.stat().st_mtime_ns for m in masks] == before
    third = handseg("predict", "in", "-o", "out", "--overwrite", cwd=tmp_path)
    assert "3 done" in third.stderr
    assert [m.stat().st_mtime_ns for m in masks] != before


def test_equal_names_never_overwrite_each_other(tmp_path: Path) -> None:
    image = Image.open(EXAMPLE).resize((96, 64))
    for name in ("one/x.jpg", "one/x.png", "two/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.save(tmp_path / name)
    result = handseg("predict", "one", "two", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png"))
    assert written == ["one/x.jpg.png", "one/x.png.png", "two/x.png"]


def test_an_output_folder_inside_the_input_is_not_read_again(tmp_path: Path) -> None:
    shutil.copyfile(EXAMPLE, tmp_path / "hand.jpg")
    for _ in range(2):
        assert handseg("predict", ".", "-o", "out", cwd=tmp_path).returncode == 0
    assert [p.name for p in (tmp_path / "out").rglob("*.png")] == ["hand.png"]


def test_a_mask_never_replaces_its_image(tmp_path: Path) -> None:
    Image.open(EXAMPLE).resize((96, 64)).save(tmp_path / "hand.png")
    before = (tmp_path / "hand.png").read_bytes()
    result = handseg("predict", tmp_path / "hand.png", "-o", tmp_path, "--overwrite")
    assert_one_error(result, "hand.png", "another output folder")
    assert (tmp_path / "hand.png").read_bytes() == before


def truncated(path: Path) -> None:
    path.write_bytes(EXAMPLE.read_bytes()[:30_000])


def text(path: Path) -> None:
    path.write_text("no picture")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def line(path: Path) -> None:
    Image.new("RGB", (100_000, 1)).save(path)


def nothing(path: Path) -> None:
    """Leaves the file missing."""


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("cut.jpg", truncated, "damaged"),
        ("text.png", text, "not an image"),
        ("empty.jpg", empty, "empty"),
        ("line.png", line, "64:1"),
        ("gone.jpg", nothing, "no such file"),
    ],
)
def test_one_bad_image_is_named_and_the_others_are_done(tmp_path: Path, name: str, make, words: str) -> None:
    shutil.copyfile(EXAMPLE, tmp_path / "good.jpg")
    make(tmp_path / name)
    result = handseg("predict", tmp_path / name, tmp_path / "good.jpg", "-o", tmp_path / "out")
    assert_one_error(result, name, words, ";")
    assert written(tmp_path / "out") == ["good.png"]


def test_a_folder_without_images_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    result = handseg("predict", tmp_path / "bare", EXAMPLE, "-o", tmp_path / "out")
    assert_one_error(result, "bare", "no images")
    assert (tmp_path / "out" / "hand.png").is_file()


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_error(
        handseg("predict", EXAMPLE, "-o", tmp_path / "file" / "out"), "file is a file, not a folder; name a folder"
    )


@pytest.mark.skipif(
    os.name == "nt" or not Path("/proc").is_dir(), reason="needs a folder that even root can't write to"
)
def test_a_read_only_output_is_named() -> None:
    assert_one_error(handseg("predict", EXAMPLE, "-o", "/proc/handseg"), "/proc", "can't write there")


def test_an_unknown_model_lists_what_there_is(tmp_path: Path) -> None:
    assert_one_error(handseg("predict", EXAMPLE, "-o", tmp_path, "-m", "best"), "best", "default")


def test_a_model_that_is_not_onnx_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("not a model")
    result = handseg("predict", EXAMPLE, "-o", tmp_path / "out", "-m", tmp_path / "model.onnx")
    assert_one_error(result, "model.onnx", "not an ONNX model")


def test_a_50_megapixel_photo_and_odd_kinds_of_image(tmp_path: Path) -> None:
    with Image.open(EXAMPLE) as image:
        image.resize((8660, 5774)).save(tmp_path / "large.jpg")
        small = image.resize((120, 80))
    small.convert("L").save(tmp_path / "grey.png")
    small.convert("RGBA").save(tmp_path / "alpha.png")
    small.resize((2, 2)).save(tmp_path / "tiny.png")
    Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(tmp_path / "turned.jpg", exif=exif)
    result = handseg("predict", tmp_path, "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    sizes = {p.stem: load_mask(p).shape for p in (tmp_path / "out").glob("*.png")}
    assert sizes == {
        "large": (5774, 8660),
        "grey": (80, 120),
        "alpha": (80, 120),
        "tiny": (2, 2),
        "deep": (80, 120),
        "turned": (120, 80),
    }


@pytest.mark.parametrize("save", ["masks", "mask,", ""])
def test_an_unknown_output_kind_is_refused(tmp_path: Path, save: str) -> None:
    result = handseg("predict", EXAMPLE, "-o", tmp_path, "--save", save)
    assert result.returncode == 2
    assert (
        "choose from mask, overlay, cutout, cutout-prores, cutout-png, matte, heatmap, blur, background, "
        in result.stderr
    )
    assert "indexed, json, yolo, labelme, coco" in result.stderr


def test_annotation_formats_hold_the_mask(tmp_path: Path) -> None:
    for name in ("a/hand.jpg", "b.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLE, tmp_path / "in" / name)
    result = handseg("predict", "in", "-o", "out", "--save", "mask,coco,yolo,labelme", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    mask = load_mask(tmp_path / "out" / "b.png")
    coco = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a/hand.jpg", "b.jpg"]
    mine = [a for a in coco["annotations"] if a["image_id"] == coco["images"][1]["id"]]
    assert np.array_equal(formats.coco_mask(mine, *mask.shape), mask)
    drawn = formats.yolo_mask((tmp_path / "out" / "b.txt").read_text(), *mask.shape)
    assert ((drawn > 0) & (mask > 0)).sum() > 0.98 * ((drawn > 0) | (mask > 0)).sum()
    assert json.loads((tmp_path / "out" / "b_labelme.json").read_text())["imagePath"] == "../in/b.jpg"
    shutil.copyfile(EXAMPLE, tmp_path / "in" / "c.jpg")
    again = handseg("predict", "in", "-o", "out", "--save", "mask,coco,yolo,labelme", cwd=tmp_path)
    assert "1 done, 2 there already" in again.stderr
    more = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert len(more["images"]) == 3
    assert len({a["id"] for a in more["annotations"]}) == len(more["annotations"]) > len(coco["annotations"])


def test_a_foreign_annotations_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_text("[1, 2]")
    result = handseg("predict", EXAMPLE, "-o", tmp_path, "--save", "coco")
    assert_one_error(result, "annotations.json", "not a COCO file", "--overwrite")
    assert (tmp_path / "annotations.json").read_text() == "[1, 2]"


def test_one_hand_is_one_instance_in_every_output(tmp_path: Path, data: Path) -> None:
    """Hands that a network takes for two, with a fingertip cut off, and with specks beside them."""
    photos = [data / "irllabs" / "images" / f"00000{number}.jpg" for number in (104, 113, 116, 118)]
    save = "mask,json,coco,yolo,labelme,indexed"
    assert handseg("predict", *photos, "-o", tmp_path, "--save", save).returncode == 0
    coco = json.loads((tmp_path / "annotations.json").read_text())
    assert len(coco["annotations"]) == len(photos)
    for photo, image, annotation in zip(photos, coco["images"], coco["annotations"]):
        stem = tmp_path / photo.stem
        mask = load_mask(stem.with_suffix(".png"))
        (hand,) = json.loads(stem.with_suffix(".json").read_text())["hands"]
        assert annotation["image_id"] == image["id"]
        assert annotation["area"] == hand["area"] == np.count_nonzero(mask)
        assert annotation["bbox"] == hand["box"]
        assert annotation["score"] == pytest.approx(hand["confidence"], abs=1e-4)
        assert hand["owner"] is None
        assert len(stem.with_suffix(".txt").read_text().splitlines()) == 1
        (instance,) = formats.labelme_instances(json.loads((tmp_path / f"{photo.stem}_labelme.json").read_text()))
        assert instance.score == annotation["score"]
        assert np.array_equal(np.array(Image.open(tmp_path / f"{photo.stem}_indexed.png")) * 255, mask)


def test_what_counts_as_a_hand_can_be_chosen(tmp_path: Path) -> None:
    assert handseg("predict", EXAMPLE, "-o", tmp_path, "--min-area", "0.5", "--save", "mask,json").returncode == 0
    assert not load_mask(tmp_path / "hand.png").any()
    description = json.loads((tmp_path / "hand.json").read_text())
    assert (description["hands"], description["min_area"]) == ([], 0.5)
    assert handseg("predict", EXAMPLE, "-o", tmp_path, "--min-confidence", "2").returncode == 2


def test_save_may_be_given_several_times(tmp_path: Path) -> None:
    result = handseg("predict", EXAMPLE, "-o", tmp_path, "-m", "nano", "--save", "mask", "--save", "overlay,json")
    assert result.returncode == 0, result.stderr
    assert written(tmp_path) == ["hand.json", "hand.png", "hand_overlay.png"]
    again = handseg("predict", EXAMPLE, tmp_path / "no\nfile.jpg", "-o", tmp_path, "-m", "nano", "--threshold", "0.3")
    assert_one_error(again, "no file.jpg: no such file")
    assert "note: 1 done again: threshold 0.3, was 0.6\n1 done, 1 failed: " in again.stderr
