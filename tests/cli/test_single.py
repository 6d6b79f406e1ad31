"""handseg predict with one file in and one out, and how its pictures are drawn and stored."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from handseg.cli import main
from handseg.image import load_image, load_mask, save_png
from tests.cli.test_predict import EXAMPLE


def run(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["predict", "-m", "nano", *map(str, arguments)], input=stdin)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    with Image.open(EXAMPLE) as image:
        image.resize((240, 160)).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.jpg"


@pytest.fixture
def mask(photo: Path) -> np.ndarray:
    """What a folder gets: uint8 H×W."""
    assert run(photo, "-o", photo.parent / "usual").exit_code == 0
    return load_mask(photo.parent / "usual" / "photo.png")


def test_one_file_in_one_file_out_and_nothing_else(photo: Path, mask: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mask.png"
    result = run(photo, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"model nano, engine onnxruntime\n1 hand: {out}\n"
    assert [path.name for path in out.parent.iterdir()] == ["mask.png"]
    assert np.array_equal(load_mask(out), mask)
    again = run(photo, "-o", out)
    assert (again.exit_code, again.stderr) == (
        1,
        f"error: {out}: is there already; add --overwrite to replace it, or choose another name\n",
    )
    assert run(photo, "-o", out, "--overwrite").exit_code == 0


def test_a_webp_mask_is_exact(photo: Path, mask: np.ndarray, tmp_path: Path) -> None:
    assert run(photo, "-o", tmp_path / "mask.webp").exit_code == 0
    with Image.open(tmp_path / "mask.webp") as image:
        assert image.format == "WEBP"
        assert np.array_equal(np.array(image.convert("L")), mask)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("m.jpg", (), "JPEG would change the values of a mask; name a file with .png or .webp"),
        (
            "m.jpg",
            ("--save", "cutout"),
            "JPEG has no transparency; name a file with .png or .webp, or add a background",
        ),
        ("m.tif", (), "mask of an image isn't written as .tif; name a file with .png or .webp"),
        ("m.png", ("--save", "json"), "json of an image isn't written as .png; name a file with .json"),
        ("m.png", ("--save", "mask,overlay"), "one file holds one of mask, overlay"),
        ("m.json", ("--save", "coco"), "coco is one file for many images; name a folder"),
        ("m.png", ("--save", "cutout-prores"), "no cutout-prores of an image"),
        ("m.png", ("--background", "no.jpg"), "background no.jpg: neither a colour"),
        ("photo.jpg", ("--save", "overlay", "--overwrite"), "its own output would replace it"),
    ],
)
def test_what_a_file_cannot_hold_is_said_with_a_way_out(
    photo: Path, tmp_path: Path, name: str, arguments: tuple[str, ...], words: str
) -> None:
    before = photo.read_bytes()
    result = run(photo, "-o", tmp_path / name, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    assert photo.read_bytes() == before


def test_several_inputs_want_a_folder(photo: Path, tmp_path: Path) -> None:
    for inputs in ((photo, EXAMPLE), (tmp_path,)):
        result = run(*inputs, "-o", tmp_path / "out.png")
        assert result.exit_code == 1
        assert "one file can't hold several inputs' outputs" in result.stderr
        assert "-o DIR" in result.stderr
    assert "name where to write to: -o DIR" in run(photo).stderr


def test_stdin_to_stdout(photo: Path, mask: np.ndarray) -> None:
    command = [sys.executable, "-m", "handseg", "predict", "-m", "nano", "-"]
    with photo.open("rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, check=True, timeout=120)
    assert np.array_equal(np.array(Image.open(io.BytesIO(result.stdout))), mask)
    assert result.stderr == b"model nano, engine onnxruntime\n1 hand: -\n"
    quiet = run(photo, "-q", "-o", "-", "--save", "overlay", "--format", "jpg")
    assert (quiet.stderr, quiet.exit_code) == ("", 0)
    with Image.open(io.BytesIO(quiet.stdout_bytes)) as image:
        assert (image.format, image.size) == ("JPEG", (240, 160))
    described = run("-", "-o", "-", "--save", "json", stdin=photo.read_bytes())
    assert json.loads(described.stdout)["image"] == "stdin"


def test_stdin_to_a_file_and_what_is_no_picture(photo: Path, tmp_path: Path, mask: np.ndarray) -> None:
    assert run("-", "-o", tmp_path / "mask.png", stdin=photo.read_bytes()).exit_code == 0
    assert np.array_equal(load_mask(tmp_path / "mask.png"), mask)
    for content, words in ((b"", "stdin: "), (b"no picture", "stdin: not an image")):
        result = run("-", stdin=content)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert words in result.stderr
    assert "stdin has no name" in run("-", "-o", tmp_path / "folder", stdin=photo.read_bytes()).stderr
    assert "stdin stands alone" in run("-", photo, "-o", tmp_path / "m.png", stdin=photo.read_bytes()).stderr
    assert "--json prints to stdout too" in run("-", "--json", stdin=photo.read_bytes()).stderr


@pytest.mark.parametrize(
    ("colour", "rgb"), [("white", (255, 255, 255)), ("#00b140", (0, 177, 64)), ("rgb(9, 8, 7)", (9, 8, 7))]
)
def test_a_colour_behind_the_hands(photo: Path, mask: np.ndarray, tmp_path: Path, colour: str, rgb) -> None:
    assert run(photo, "-o", tmp_path / "out.png", "--background", colour).exit_code == 0
    image, before = load_image(tmp_path / "out.png").astype(int), load_image(photo).astype(int)
    corner = image[:10, :10]
    assert (corner == rgb).all()
    assert np.abs(image[mask > 0] - before[mask > 0]).mean() < 6


def test_a_photo_behind_the_hands_as_jpeg_of_a_chosen_quality(photo: Path, tmp_path: Path, mask: np.ndarray) -> None:
    back = np.full((64, 64, 3), (20, 90, 200), np.uint8)
    save_png(tmp_path / "sky.png", back)
    sizes = []
    for quality in (30, 95):
        out = tmp_path / f"{quality}.jpg"
        arguments = (photo, "-o", out, "--save", "cutout", "--background", tmp_path / "sky.png", "--quality", quality)
        assert run(*arguments).exit_code == 0
        with Image.open(out) as image:
            assert image.format == "JPEG"
        assert np.abs(load_image(out)[:10, :10].astype(int) - (20, 90, 200)).max() < 12
        sizes.append(out.stat().st_size)
    assert sizes[0] < sizes[1] / 2
    assert run(photo, "-o", tmp_path / "x.jpg", "--save", "overlay", "--quality", "0").exit_code == 2


def test_a_cutout_has_soft_edges_and_hard_ones_when_asked(photo: Path, tmp_path: Path, mask: np.ndarray) -> None:
    alphas = []
    for extra in ((), ("--hard",)):
        assert run(photo, "-o", tmp_path / "c.png", "--save", "cutout", "--overwrite", *extra).exit_code == 0
        with Image.open(tmp_path / "c.png") as image:
            alphas.append(np.array(image)[..., 3])
    soft, hard = alphas
    assert np.array_equal(hard, mask)
    between = (soft > 0) & (soft < 255)
    assert 0.01 < between.mean() < 0.1
    assert np.array_equal(soft >= 128, mask > 0)  # half where the mask ends
    assert (soft[:10] == 0).all()


def test_cropped_to_the_hands(photo: Path, tmp_path: Path, mask: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    result = run(photo, "-o", tmp_path / "d", "--crop", "--save", "mask,cutout,indexed,json,coco")
    assert result.exit_code == 0, result.stderr
    x, y, width, height = json.loads((tmp_path / "d" / "photo.json").read_text())["crop"]
    assert 0 < columns.min() - x < 12
    assert 0 < rows.min() - y < 12
    assert x + width > columns.max()
    cropped = load_mask(tmp_path / "d" / "photo.png")
    assert np.array_equal(cropped, mask[y : y + height, x : x + width])
    for name in ("photo_cutout.png", "photo_indexed.png"):
        with Image.open(tmp_path / "d" / name) as image:
            assert image.size == (width, height)
    box = json.loads((tmp_path / "d" / "annotations.json").read_text())["annotations"][0]["bbox"]
    assert box[0] >= columns.min()  # annotations count the photo's own pixels


def test_without_hands_nothing_is_cropped(tmp_path: Path) -> None:
    save_png(tmp_path / "plain.png", np.full((60, 80, 3), 128, np.uint8))
    for out in ("folder", "one.png"):
        result = run(tmp_path / "plain.png", "-o", tmp_path / out, "--crop")
        assert "plain.png: no hands found, so not cropped" in result.stderr
    assert "no hand: " in result.stderr
    assert load_mask(tmp_path / "one.png").shape == load_mask(tmp_path / "folder" / "plain.png").shape == (60, 80)


def test_pictures_of_a_folder_in_another_format(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    save = ("--save", "mask,overlay,cutout,matte,indexed")
    assert run(photo, "-o", out, *save, "--format", "webp").exit_code == 0
    assert sorted(path.name for path in out.glob("*.*") if path.name[0] != ".") == [
        "photo.png",
        "photo_cutout.webp",
        "photo_indexed.png",
        "photo_matte.png",
        "photo_overlay.webp",
    ]
    with Image.open(out / "photo_cutout.webp") as image:
        assert image.mode == "RGBA"
    result = run(photo, "-o", out, *save, "--format", "jpg")
    assert result.exit_code == 1
    assert "cutout: JPEG has no transparency; use --format webp, or add --background white" in result.stderr


def test_a_second_run_does_what_its_style_changes_alone(photo: Path, tmp_path: Path) -> None:
    arguments = (photo, "-o", tmp_path / "out", "--save", "mask,cutout", "--format", "webp")
    assert "1 done: " in run(*arguments, "--background", "white").stderr
    before = (tmp_path / "out" / "photo.png").stat().st_mtime_ns
    assert "1 there already" in run(*arguments, "--background", "#ffffff").stderr
    other = run(*arguments, "--background", "blue").stderr
    assert "note: 1 done again: background #0000ff, was #ffffff" in other
    assert "quality 50, was 90" in run(*arguments, "--background", "blue", "--quality", "50").stderr
    assert "edges hard, was soft" in run(*arguments, "--background", "blue", "--quality", "50", "--hard").stderr
    assert (tmp_path / "out" / "photo.png").stat().st_mtime_ns == before  # the mask has no part in it


def test_quiet_says_errors_only(photo: Path, tmp_path: Path) -> None:
    result = run(photo, tmp_path / "gone.jpg", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 1
    assert result.output == f"error: {tmp_path / 'gone.jpg'}: no such file; check the path\n"
    assert run(photo, "-o", tmp_path / "m.png", "-q").output == ""


def test_a_summary_for_programs(photo: Path, tmp_path: Path) -> None:
    result = run(photo, tmp_path / "gone.jpg", "-o", tmp_path / "out", "--save", "mask,overlay", "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert (summary["model"], summary["engine"]) == ("nano", "onnxruntime")
    assert (summary["done"], summary["kept"], summary["failed"], summary["interrupted"]) == (1, 0, 1, False)
    files = {entry["state"]: entry for entry in summary["files"]}
    assert "no such file" in files["failed"]["message"]
    assert files["done"]["input"] == str(photo)
    assert files["done"]["outputs"] == {
        "mask": str(tmp_path / "out" / "photo.png"),
        "overlay": str(tmp_path / "out" / "photo_overlay.png"),
    }
    again = json.loads(run(photo, "-o", tmp_path / "out", "--json", "-q").stdout)
    assert [entry["state"] for entry in again["files"]] == ["kept"]
    single = json.loads(run(photo, "-o", tmp_path / "m.png", "--json").stdout)
    assert single["files"] == [
        {"input": str(photo), "state": "done", "outputs": {"mask": str(tmp_path / "m.png")}},
    ]


def test_a_video_to_one_file(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV isn't installed: handseg[video]")
    from handseg.video import VideoReader
    from tests.video.test_predict import hand_clip

    clip = hand_clip(tmp_path / "clip.mp4", 3)
    result = run(clip, "-o", tmp_path / "green.mp4", "--background", "#00b140")
    assert result.exit_code == 0, result.output
    assert f"3 frames: {tmp_path / 'green.mp4'}" in result.stderr
    with VideoReader(tmp_path / "green.mp4") as reader:
        frames = list(reader)
    assert len(frames) == 3
    assert np.abs(frames[1].image[:20, :20].astype(int) - (0, 177, 64)).max() < 20
    for name, words in (
        ("masks.png", "mask is a folder of pictures, of a video"),
        ("over.gif", "mask is a folder of pictures"),
    ):
        assert words in run(clip, "-o", tmp_path / name).stderr
    assert "overlay of a video isn't written as .mkv" in run(clip, "-o", tmp_path / "a.mkv", "--save", "overlay").stderr
    assert "isn't cropped" in run(clip, "-o", tmp_path / "a.mp4", "--crop").stderr
    assert "isn't cropped" in run(clip, "-o", tmp_path / "folder", "--crop").stderr
    assert "stdout" in run(clip, "-o", "-", "--save", "overlay").stderr
