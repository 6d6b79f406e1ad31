"""Where outputs go: no output takes the place of another, of an input, or of a file that isn't handseg's."""

from __future__ import annotations

import os
import shutil
import socket
import unicodedata
from pathlib import Path

import pytest

from handseg.batch import plan_jobs
from handseg.errors import HandsegError
from tests.batch.conftest import digest, files, is_rgb, picture, pictures, width


def paths(plan, kind: str = "mask") -> dict[str, str]:
    return {job.name: job.outputs[kind] for job in plan.jobs}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["dl.jpg", "dl.jpg.jpg"], ["dl.png", "dl.jpg.png"]),
        (["dl.jpg", "dl.jpg.jpg", "dl.png"], ["dl.jpg.png", "dl.jpg.jpg.png", "dl.png.png"]),
        (["x.jpg", "x.tar.jpg"], ["x.png", "x.tar.png"]),
        (["set.jpg", "set.png/1.jpg"], ["set.jpg.png", "set.png/1.png"]),
        (["A.jpg", "a.jpg"], ["A.png", "a.png"]),
        (["clip.jpg", "clip.mp4"], ["clip.jpg.png", "clip.mp4"]),
        (["clip.mp4", "clip/0.jpg", "clip_images/0.jpg"], ["clip", "clip_images_/0.png", "clip_images/0.png"]),
        (["a.png.mp4", "a.jpg"], ["a.png.mp4", "a.png"]),
    ],
)
def test_no_two_masks_have_one_name(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    for name in names:
        picture(tmp_path / "in" / name)
        if name.endswith(".mp4"):
            (tmp_path / "in" / name).write_bytes(b"no picture")
    if len(os.listdir(tmp_path / "in")) < len({name.split("/")[0] for name in names}):
        pytest.skip("the file system makes no difference between upper and lower case")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out")
    assert not plan.failures
    assert paths(plan) == dict(zip(names, expected))


def test_accents_written_in_two_ways_are_two_files(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        picture(tmp_path / "in" / f"{unicodedata.normalize(form, 'é')}.jpg")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out")
    assert len({job.outputs["mask"] for job in plan.jobs}) == len(os.listdir(tmp_path / "in"))


def test_an_overlay_never_takes_the_place_of_a_mask(tmp_path: Path, predict) -> None:
    folder = pictures(tmp_path / "in", "a.jpg", "a_overlay.jpg")
    out = tmp_path / "out"
    predict([folder], out)
    before = digest(out / "a_overlay.png")
    predict([folder / "a.jpg"], out, "mask,overlay", overwrite=True)
    assert digest(out / "a_overlay.png") == before
    assert is_rgb(out / "a.jpg_overlay.png")
    again = predict([folder], out, "mask,overlay")
    assert again["kept"] == ["a.jpg"]
    assert files(out) == ["a.jpg_overlay.png", "a.png", "a_overlay.png", "a_overlay_overlay.png"]


def test_a_mask_never_takes_the_place_of_an_overlay(tmp_path: Path, predict) -> None:
    folder = pictures(tmp_path / "in", "a.jpg")
    predict([folder], tmp_path / "out", "overlay")
    pictures(folder, "a_overlay.jpg")
    assert predict([folder], tmp_path / "out")["done"] == ["a.jpg", "a_overlay.jpg"]
    assert is_rgb(tmp_path / "out" / "a_overlay.png")
    assert files(tmp_path / "out") == ["a.png", "a_overlay.jpg.png", "a_overlay.png"]


def test_a_name_stays_when_another_picture_comes(tmp_path: Path, predict) -> None:
    folder = pictures(tmp_path / "in", "a.jpg")
    predict([folder], tmp_path / "out")
    picture(folder / "a.png", 120)
    again = predict([folder], tmp_path / "out")
    assert (again["done"], again["kept"]) == (["a.png"], ["a.jpg"])
    assert (width(tmp_path / "out" / "a.png"), width(tmp_path / "out" / "a.png.png")) == (96, 120)
    (folder / "a.jpg").unlink()
    assert predict([folder], tmp_path / "out")["kept"] == ["a.png"]


def test_json_of_an_image_called_annotations_is_not_the_coco_file(tmp_path: Path, predict) -> None:
    folder = pictures(tmp_path / "in", "annotations.jpg")
    predict([folder], tmp_path / "out", "json,coco")
    assert files(tmp_path / "out") == ["annotations.jpg.json", "annotations.json"]


def test_the_output_folder_may_be_the_input_folder(tmp_path: Path, predict) -> None:
    pictures(tmp_path, "hand.jpg")
    kinds = "mask,overlay,json,yolo,labelme,coco"
    first = predict([tmp_path], tmp_path, kinds)
    there = files(tmp_path)
    (tmp_path / "hand_overlay.partial.png").write_bytes((tmp_path / "hand_overlay.png").read_bytes())
    assert first["done"] == predict([tmp_path], tmp_path, kinds)["kept"] == ["hand.jpg"]
    assert predict([tmp_path], tmp_path, kinds, overwrite=True)["done"] == ["hand.jpg"]
    assert files(tmp_path) == sorted([*there, "hand_overlay.partial.png"])


def test_what_an_earlier_run_wrote_is_no_input_of_another(tmp_path: Path, predict) -> None:
    folder = pictures(tmp_path / "in", "a.jpg")
    predict([folder], folder / "out")
    assert predict([folder], tmp_path / "other")["done"] == ["a.jpg"]
    only = predict([folder / "out"], tmp_path / "third")
    assert "but those that handseg made" in only.messages[0]


def test_a_picture_that_its_mask_would_replace_is_left_alone(tmp_path: Path, predict) -> None:
    pictures(tmp_path, "a.jpg", "b.png")
    before = digest(tmp_path / "b.png")
    result = predict([tmp_path], tmp_path, overwrite=True)
    assert result["done"] == ["a.jpg"]
    assert "b.png: its own output b.png would replace it; choose another output folder" in result.messages[0]
    assert digest(tmp_path / "b.png") == before


def test_folders_and_files_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for name in ("A/p/x.jpg", "B/p/x.jpg", "C/y.jpg"):
        picture(tmp_path / name)
    folders = plan_jobs([tmp_path / "A/p", tmp_path / "B/p", tmp_path / "C"], tmp_path / "out")
    assert [job.outputs["mask"] for job in folders.jobs] == ["A/p/x.png", "B/p/x.png", "C/y.png"]
    single = plan_jobs([tmp_path / "A/p/x.jpg", tmp_path / "B/p/x.jpg", tmp_path / "C/y.jpg"], tmp_path / "out")
    assert [job.outputs["mask"] for job in single.jobs] == ["A/p/x.png", "B/p/x.png", "y.png"]


def test_an_input_named_twice_is_done_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.jpg", "b.jpg")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    inputs = [folder, tmp_path / "in" / ".." / "in", folder / "a.jpg", tmp_path / "link"]
    assert list(paths(plan_jobs(inputs, tmp_path / "out")).values()) == ["a.png", "b.png"]


def test_links_lead_to_each_folder_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "a.jpg", "z/b.jpg")
    pictures(tmp_path / "elsewhere", "deep/c.jpg")
    for link, target in (("loop", "."), ("a_first", "z"), ("z/up", ".."), ("album", "../elsewhere")):
        (folder / link).symlink_to(target, target_is_directory=True)
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "broken.jpg").symlink_to("/nowhere.jpg")
    plan = plan_jobs([folder], tmp_path / "out")
    assert list(paths(plan)) == ["a.jpg", "album/deep/c.jpg", "z/b.jpg"]
    assert [message.split(":")[0] for message in plan.failures] == [f"{folder}/broken.jpg", f"{folder}/self.jpg"]


def test_junk_is_left_out_and_what_is_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["a.jpg", "clip.mp4/1.jpg", "set.jpg/1.jpg"]
    junk = [
        "._a.jpg",
        ".thumbnails/t.jpg",
        "@eaDir/a.jpg",
        "__MACOSX/a.jpg",
        ".ipynb_checkpoints/a.jpg",
        "#recycle/a.jpg",
    ]
    folder = pictures(tmp_path / "in", *wanted, *junk)
    assert list(paths(plan_jobs([folder], tmp_path / "out"))) == wanted
    if not hasattr(os, "mkfifo"):
        return
    os.mkfifo(folder / "pipe.jpg")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
    plan = plan_jobs([folder, folder / "pipe.jpg", Path("/dev/null")], tmp_path / "out")
    assert list(paths(plan)) == wanted
    assert len(plan.failures) == 4
    assert all("a pipe, socket or device" in message for message in plan.failures)


def test_names_differ_in_more_than_case_where_the_file_system_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS, whose file systems aren't to be had here: what is found out about them is given."""
    monkeypatch.setattr("handseg.batch.plan._ignores_case", lambda _: True)
    pictures(tmp_path / "in", "A.jpg", "a.png", "b.jpg")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out")
    assert paths(plan) == {"A.jpg": "A.jpg.png", "a.png": "a.png.png", "b.jpg": "b.png"}
    picture(tmp_path / "in" / "a.jpg")
    refused = plan_jobs([tmp_path / "in"], tmp_path / "out")
    assert len(refused.failures) == 1
    assert "another input has the same output" in refused.failures[0]


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HandsegError, match="choose from mask, overlay"):
        plan_jobs([picture(tmp_path / "a.jpg")], tmp_path / "out", ["masks"])


def test_inputs_and_outputs_may_move_together(tmp_path: Path, predict) -> None:
    pictures(tmp_path / "old" / "in", "a.jpg")
    predict([tmp_path / "old" / "in"], tmp_path / "old" / "out")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert predict([tmp_path / "new" / "in"], tmp_path / "new" / "out")["kept"] == ["a.jpg"]


@pytest.mark.parametrize("place", ["file", "file/below", "input"])
def test_an_output_folder_that_is_a_file_is_said_at_once(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    source = picture(tmp_path / "in" / "a.jpg")
    with pytest.raises(HandsegError, match="is a file, not a folder"):
        plan_jobs([tmp_path / "in"], source if place == "input" else tmp_path / place)


def test_a_kind_that_a_video_lacks_leaves_the_others(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "clip.mp4").write_bytes(b"no picture")
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out", ["mask", "coco", "yolo"])
    assert [(job.name, set(job.outputs)) for job in plan.jobs] == [
        ("a.jpg", {"mask", "coco", "yolo"}),
        ("clip.mp4", {"mask"}),
    ]
    assert len(plan.failures) == 1
    assert "clip.mp4: no coco or yolo of a video; the other kinds are made" in plan.failures[0]
    plan = plan_jobs([tmp_path / "in"], tmp_path / "out", ["coco"])
    assert [job.name for job in plan.jobs] == ["a.jpg"]
    assert "no coco of a video; choose from mask, overlay" in plan.failures[0]
