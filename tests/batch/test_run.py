"""What is done again, what isn't, and that one bad file never ends a batch."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from handseg.batch import plan_jobs, run_jobs
from handseg.batch.record import RECORD_FILE
from handseg.inference.segmenter import Segmenter
from tests.batch.conftest import EXAMPLE, coco, digest, files, picture, pictures, width


def test_another_picture_of_the_same_name_is_refused(tmp_path: Path, predict) -> None:
    first, second = picture(tmp_path / "a" / "s.jpg"), picture(tmp_path / "b" / "s.jpg", 120)
    out = tmp_path / "out"
    predict([first], out, "mask,coco")
    refused = predict([second], out, "mask,coco")
    assert refused["done"] == refused["kept"] == []
    assert f"s.png there is of {first}" in refused.messages[0]
    assert width(out / "s.png") == 96
    assert predict([second], out, "mask,coco", overwrite=True)["done"] == ["s.jpg"]
    assert width(out / "s.png") == coco(out)["images"][0]["width"] == 120
    assert predict([second], out, "mask,coco")["kept"] == ["s.jpg"]
    second.unlink()  # then its mask is nobody's
    assert predict([first], out)["done"] == ["s.jpg"]


def test_a_copy_of_the_same_picture_is_the_same_picture(tmp_path: Path, predict) -> None:
    first = picture(tmp_path / "a" / "s.jpg")
    (tmp_path / "b").mkdir()
    predict([first], tmp_path / "out")
    copy = Path(shutil.copyfile(first, tmp_path / "b" / "s.jpg"))
    assert predict([copy], tmp_path / "out")["kept"] == ["s.jpg"]


def test_a_picture_that_has_changed_is_done_again(tmp_path: Path, predict) -> None:
    path = picture(tmp_path / "a.jpg", 120)
    predict([path], tmp_path / "out")
    before = path.stat()
    content = picture(tmp_path / "b.jpg", 96).read_bytes()
    assert len(content) < before.st_size
    with path.open("r+b") as file:  # of the same size, and given the same time
        file.write(content.ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = predict([path], tmp_path / "out")
    assert again["done"] == ["a.jpg"]
    assert again.messages == ["the file has changed"]
    assert width(tmp_path / "out" / "a.png") == 96
    os.utime(path)
    assert predict([path], tmp_path / "out")["kept"] == ["a.jpg"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"threshold": 0.05}, "threshold 0.05, was 0.6"),
        ({"policy": "hand+forearm"}, "policy hand+forearm, was hand"),
        ({"second_look": False}, "second_look False, was True"),
        ({"test_time": "flip"}, "test_time flip, was none"),
        ({"min_area": 0.5}, "min_area 0.5, was 0.0002"),
        ({"min_confidence": 0.9}, "min_confidence 0.9, was None"),
    ],
)
def test_other_settings_are_another_mask(tmp_path: Path, predict, settings: dict, why: str) -> None:
    path = picture(tmp_path / "a.jpg")
    predict([path], tmp_path / "out")
    again = predict([path], tmp_path / "out", **settings)
    assert (again["done"], again.messages) == (["a.jpg"], [why])
    assert predict([path], tmp_path / "out", **settings)["kept"] == ["a.jpg"]


class Stub:
    """An engine that finds a hand everywhere, or fails as it is told to."""

    model = "stub"

    def __init__(self, like: Segmenter, name: str = "stub", error: Exception | None = None) -> None:
        self.name, self.card, self.error = name, like.card, error

    def run(self, batch: np.ndarray) -> np.ndarray:
        if self.error is not None and batch.mean() < 100:
            raise self.error
        channels = len(self.card.policies) + len(self.card.hand_classes)
        return np.ones((len(batch), channels, *batch.shape[1:3]), np.float32)


def test_another_model_or_engine_is_another_mask(tmp_path: Path, predict, nano: Segmenter) -> None:
    path = picture(tmp_path / "a.jpg")
    predict([path], tmp_path / "out")
    for name in ("one", "other"):
        plan = plan_jobs([path], tmp_path / "out")
        outcome = next(run_jobs(plan, Segmenter(Stub(nano, name), second_look=False)))
        assert outcome.state == "done"
        assert f"engine {name}" in outcome.message


def test_only_the_kinds_that_lack_are_made(tmp_path: Path, predict) -> None:
    path = picture(tmp_path / "a.jpg")
    predict([path], tmp_path / "out", "mask")
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    assert predict([path], tmp_path / "out", "mask,overlay,yolo")["done"] == ["a.jpg"]
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    (tmp_path / "out" / "a.txt").unlink()
    assert predict([path], tmp_path / "out", "mask,overlay,yolo")["done"] == ["a.jpg"]


def test_what_has_no_record_is_checked_and_never_replaced_unasked(tmp_path: Path, predict) -> None:
    folder, out = pictures(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out"
    predict([folder], out, "mask,coco")
    (out / RECORD_FILE).unlink()  # as an older handseg left it
    again = predict([folder], out, "mask,coco")
    assert again["done"] == ["a.jpg", "b.jpg"]
    assert set(again.messages) == {"there already, without a record of how it was made"}
    (out / RECORD_FILE).unlink()
    picture(out / "a.png", 200)  # a file of the user's
    (out / "a.json").write_text('{"shapes": []}')
    before = digest(out / "a.png")
    refused = predict([folder], out, "mask,json,coco")
    assert refused["done"] == ["b.jpg"]
    assert "add --overwrite to replace it" in "".join(refused.messages)
    assert digest(out / "a.png") == before
    assert (out / "a.json").read_text() == '{"shapes": []}'
    assert predict([folder], out, "mask,json", overwrite=True)["done"] == ["a.jpg", "b.jpg"]


def test_an_output_that_was_edited_is_never_replaced_unasked(tmp_path: Path, predict) -> None:
    path, out = picture(tmp_path / "a.jpg"), tmp_path / "out"
    predict([path], out, "mask,labelme")
    edited = json.loads((out / "a_labelme.json").read_text())
    edited["shapes"][0]["label"] = "glove"
    (out / "a_labelme.json").write_text(json.dumps(edited))
    assert predict([path], out, "mask,labelme")["kept"] == ["a.jpg"]
    refused = predict([path], out, "mask,labelme", threshold=0.05)
    assert "a_labelme.json: changed since handseg wrote it" in refused.messages[0]
    assert json.loads((out / "a_labelme.json").read_text()) == edited
    assert predict([path], out, threshold=0.05)["done"] == ["a.jpg"]
    assert predict([path], out, "labelme", overwrite=True)["done"] == ["a.jpg"]
    assert json.loads((out / "a_labelme.json").read_text())["shapes"][0]["label"] == "hand"


def test_whatever_a_file_raises_is_said_and_the_others_are_done(tmp_path: Path, nano: Segmenter) -> None:
    bright = picture(tmp_path / "bright.jpg")
    from PIL import Image

    Image.new("RGB", (60, 40)).save(tmp_path / "dark.jpg")
    Image.new("RGB", (60, 40), "white").save(bright)
    plan = plan_jobs([tmp_path], tmp_path / "out", ["mask", "coco"])
    stub = Segmenter(Stub(nano, error=RuntimeError("no\nluck")), second_look=False)
    outcomes = list(run_jobs(plan, stub, threads=2))
    assert [outcome.state for outcome in outcomes] == ["done", "failed"]
    assert "dark.jpg: an error that handseg doesn't know (RuntimeError: no luck)" in outcomes[1].message
    assert files(tmp_path / "out") == ["annotations.json", "bright.png"]


def test_a_file_that_vanishes_is_said(tmp_path: Path, nano: Segmenter) -> None:
    folder = pictures(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    plan = plan_jobs([folder], tmp_path / "out")
    (folder / "b.jpg").unlink()
    outcomes = list(run_jobs(plan, nano, threads=1))
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert outcomes[1].message == f"{folder / 'b.jpg'}: no such file; check the path"


def test_a_name_too_long_for_its_output_is_said(tmp_path: Path, predict) -> None:
    long = picture(tmp_path / f"{'x' * 251}.jpg")
    result = predict([long, picture(tmp_path / "b.jpg")], tmp_path / "out", "mask,json")
    assert result["done"] == ["b.jpg"]
    assert "File name too long" in result.messages[0]
    assert predict([long], tmp_path / "out")["done"] == [long.name]


def test_a_record_that_was_cut_short_is_used_as_far_as_it_goes(tmp_path: Path, predict) -> None:
    folder, record = pictures(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out" / RECORD_FILE
    predict([folder], tmp_path / "out")
    record.write_bytes(record.read_bytes()[:-40])  # as a kill or a full disk leaves it
    again = predict([folder], tmp_path / "out")
    assert (again["kept"], again["done"]) == (["a.jpg"], ["b.jpg"])
    assert predict([folder], tmp_path / "out")["kept"] == ["a.jpg", "b.jpg"]
    with record.open("ab") as file:
        file.write(b'\n[1]\n{"outputs": 3}\n{"id": 1, "settings": null}\n\xff\xfe\n')
    assert predict([folder], tmp_path / "out")["kept"] == ["a.jpg", "b.jpg"]


def test_a_record_doesnt_grow_for_ever(tmp_path: Path, predict) -> None:
    path, record = picture(tmp_path / "a.jpg"), tmp_path / "out" / RECORD_FILE
    predict([path], tmp_path / "out")
    last = record.read_text().splitlines()[-1]
    record.write_text(record.read_text() + f"{last}\n" * 300)
    predict([path], tmp_path / "out", overwrite=True)
    assert len(record.read_text().splitlines()) < 10
    assert predict([path], tmp_path / "out")["kept"] == ["a.jpg"]


def test_labelme_finds_its_image_from_where_it_lies(tmp_path: Path, predict) -> None:
    folder, out = pictures(tmp_path / "in", "s/a.jpg"), tmp_path / "real"
    out.mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "out").symlink_to(out, target_is_directory=True)

    def named() -> Path:
        path = json.loads((out / "s" / "a_labelme.json").read_text())["imagePath"]
        return (out / "s" / path).resolve()

    predict([folder], tmp_path / "deep" / "out", "labelme")
    assert named() == folder / "s" / "a.jpg"
    shutil.move(folder, tmp_path / "deep" / "in")
    assert predict([tmp_path / "deep" / "in"], out, "labelme")["done"] == ["a.jpg"]
    assert named() == tmp_path / "deep" / "in" / "s" / "a.jpg"


def test_two_runs_at_once_spoil_nothing(tmp_path: Path, nano: Segmenter) -> None:
    folders = [pictures(tmp_path / name, *(f"{name}{i}.jpg" for i in range(6))) for name in "ij"]
    failed = []

    def run(folder: Path) -> None:
        plan = plan_jobs([folder], tmp_path / "out", ["mask", "coco"])
        failed.extend(o for o in run_jobs(plan, nano, threads=1) if o.state == "failed")

    threads = [threading.Thread(target=run, args=[folder]) for folder in (*folders, *folders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    content = coco(tmp_path / "out")
    assert sorted(image["file_name"] for image in content["images"]) == sorted(
        f"{n}{i}.jpg" for n in "ij" for i in range(6)
    )
    assert len({image["id"] for image in content["images"]}) == 12
    assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])
    assert len(files(tmp_path / "out")) == 13


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process on Windows")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_interrupted_goes_on_where_it_was(tmp_path: Path, sent: signal.Signals) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(24):
        shutil.copyfile(EXAMPLE, folder / f"{i:02d}.jpg")
    command = [sys.executable, "-m", "handseg", "predict", folder, "-o", out, "-m", "nano", "--threads", "1"]
    process = subprocess.Popen([*map(str, command), "--save", "mask,coco"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.png"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    there = {path: path.stat().st_mtime_ns for path in list(out.glob("*.png"))[:-1]}
    assert 2 <= len(there) < 23
    if sent == signal.SIGINT:
        assert process.returncode == 130
        counts = re.search(r"interrupted: (\d+) done, (\d+) not done: ", errors)
        assert counts is not None, errors
        assert sum(map(int, counts.groups())) == 24
        assert len(coco(out)["images"]) >= 2
        assert "Traceback" not in errors
    again = subprocess.run([*map(str, command), "--save", "mask,coco"], capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert len(coco(out)["images"]) == 24
    assert {path: path.stat().st_mtime_ns for path in there} == there
