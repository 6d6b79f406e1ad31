"""handseg predict on videos, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.image import load_image, load_mask, save_png
from tests.cli.test_predict import EXAMPLE, assert_one_error, handseg, written
from tests.video.conftest import beep, case, make_clip, square

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

from handseg.batch import plan_jobs, run_jobs
from handseg.inference.segmenter import Segmenter
from handseg.models import load
from handseg.video import VideoReader


def hand_clip(path: Path, frames: int = 12, audio: str | None = None) -> Path:
    """The example hand, which moves to the right by four pixels a frame."""
    image = load_image(EXAMPLE)[::2, ::2]
    return make_clip(path, frames, size=(320, 480), audio=audio, picture=lambda i: np.roll(image, 4 * i, axis=1))


def test_every_kind_of_output(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", audio="aac")
    out = tmp_path / "out"
    kinds = "mask,overlay,cutout,cutout-prores,cutout-png,matte,heatmap,blur,json"
    result = handseg("predict", clip, "-o", out, "--save", kinds)
    assert result.returncode == 0, result.stderr
    assert written(out) == [
        "clip",
        "clip.jsonl",
        "clip_blur.mp4",
        "clip_cutout",
        "clip_cutout.mov",
        "clip_cutout.webm",
        "clip_heatmap.mp4",
        "clip_matte.mp4",
        "clip_overlay.mp4",
    ]
    masks = sorted((out / "clip").glob("*.png"))
    assert [m.name for m in masks] == [f"{i:06d}.png" for i in range(12)]
    assert load_mask(masks[0]).shape == (320, 480)
    index = json.loads((out / "clip" / "frames.json").read_text())
    assert index["frames"] == 12
    assert index["seconds"][3] == pytest.approx(0.12)
    for path in [*out.glob("*.mp4"), out / "clip_cutout.webm", out / "clip_cutout.mov"]:
        with VideoReader(path) as reader:
            assert len(list(reader)) == 12
    cutouts = sorted((out / "clip_cutout").glob("*.png"))
    assert len(cutouts) == 12
    with Image.open(cutouts[6]) as cutout:
        assert cutout.mode == "RGBA"
        assert np.array_equal(np.array(cutout)[..., 3] >= 128, load_mask(masks[6]) > 0)
    assert beep(out / "clip_overlay.mp4")[0] == pytest.approx(beep(clip)[0], abs=1 / 25)
    lines = [json.loads(line) for line in (out / "clip.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(12))
    assert {(line["width"], line["height"]) for line in lines} == {(480, 320)}
    area = lines[6]["hands"][0]["area"]
    assert area == pytest.approx(int((load_mask(masks[6]) > 0).sum()), rel=0.05)
    # The hand moves to the right, and so does its mask.
    x = [line["hands"][0]["centroid"][0] for line in lines]
    assert x[11] - x[0] == pytest.approx(44, abs=6)
    assert [line["hands"][0]["track"] for line in lines] == [1] * 12
    again = handseg("predict", clip, "-o", out, "--save", kinds)
    assert "1 there already" in again.stderr
    result = handseg("predict", EXAMPLE, "-o", out, "-m", "nano", "--save", "cutout-prores")
    assert_one_error(result, "no cutout-prores of an image")


def test_a_folder_of_images_and_videos_and_a_broken_one(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    hand_clip(folder / "a.mp4", 3)
    (folder / "b.jpg").write_bytes(EXAMPLE.read_bytes())
    (folder / "c.mp4").write_text("no video")
    result = handseg("predict", folder, "-o", tmp_path / "out")
    assert result.returncode == 1
    assert "2 done, 1 failed" in result.stderr
    assert result.stderr.count("error: ") == 1
    assert "c.mp4: not a video that can be opened" in result.stderr
    assert (tmp_path / "out" / "b.png").exists()
    assert len(list((tmp_path / "out" / "a").glob("*.png"))) == 3


def test_an_interrupted_sequence_of_masks_goes_on_where_it_was(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 30)
    assert handseg("predict", clip, "-o", tmp_path / "whole").returncode == 0
    assert handseg("predict", clip, "-o", tmp_path / "out").returncode == 0
    folder = tmp_path / "out" / "clip"
    (folder / "frames.json").unlink()
    for i in range(20, 30):
        (folder / f"{i:06d}.png").unlink()
    kept = (folder / "000010.png").stat().st_mtime_ns
    assert handseg("predict", clip, "-o", tmp_path / "out").returncode == 0
    assert (folder / "000010.png").stat().st_mtime_ns == kept
    assert (folder / "frames.json").read_text() == (tmp_path / "whole" / "clip" / "frames.json").read_text()
    for i in range(30):
        new, old = (load_mask(root / "clip" / f"{i:06d}.png") for root in (tmp_path / "out", tmp_path / "whole"))
        assert (new != old).mean() < 0.002


def test_a_truncated_video_is_done_as_far_as_it_goes(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "cut.mkv", 100)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    result = handseg("predict", clip, "-o", tmp_path / "out", "--save", "mask,overlay")
    assert result.returncode == 1
    assert result.stderr.count("error: ") == 1
    assert "frame" in result.stderr
    done = len(list((tmp_path / "out" / "cut").glob("*.png")))
    assert 10 < done < 99
    with VideoReader(tmp_path / "out" / "cut_overlay.mp4") as reader:
        assert len(list(reader)) == done


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process on Windows")
def test_ctrl_c_leaves_a_file_that_plays(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 200, audio="aac")
    command = [sys.executable, "-m", "handseg", "predict", clip, "-o", tmp_path / "out", "--save", "overlay,json"]
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
    partial, lines = tmp_path / "out" / "clip_overlay.partial.mp4", tmp_path / "out" / "clip.partial.jsonl"
    deadline = time.monotonic() + 60
    while not (lines.exists() and lines.read_bytes().count(b"\n") > 20) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    with VideoReader(partial) as reader:
        seen = list(reader)
    frames = len(seen)
    assert 20 < frames < 200
    begin, end = beep(partial)
    assert begin == pytest.approx(beep(clip)[0], abs=1 / 25)
    assert end == pytest.approx(seen[-1].time + 1 / 25, abs=2 / 25)
    assert not (tmp_path / "out" / "clip_overlay.mp4").exists()
    assert len(lines.read_text().splitlines()) == pytest.approx(frames, abs=1)


def test_files_that_are_odd_or_cut_beside_one_that_is_whole(tmp_path: Path) -> None:
    cut, silent, sizes = (
        case(name) / file
        for name, file in (
            ("video_cut_fragment", "truncfrag.mp4"),
            ("video_undecodable_sound", "apac.mp4"),
            ("resize_midway", "resize.ts"),
        )
    )
    wide = Fraction(16, 11)
    clip = make_clip(
        tmp_path / "clip.mp4", 3, setup=lambda stream: setattr(stream.codec_context, "sample_aspect_ratio", wide)
    )
    out = tmp_path / "out"
    result = handseg(
        "predict", cut, silent, sizes, clip, "-o", out, "-m", "nano", "--no-smooth", "--save", "overlay,json"
    )
    assert result.returncode == 1
    assert "3 done, 1 failed" in result.stderr
    assert result.stderr.count("error: ") == 1
    assert "truncfrag.mp4: damaged" in result.stderr
    assert result.stderr.count("note: ") == 2
    assert "apac.mp4: its sound is left out" in result.stderr
    assert "resize_overlay.mp4: letterboxed" in result.stderr
    for name, frames in (("truncfrag", 27), ("apac", 25), ("resize", 24), ("clip", 3)):
        with VideoReader(out / f"{name}_overlay.mp4") as reader:
            assert reader.pixel_aspect == (wide if name == "clip" else 1)
            assert len(list(reader)) == frames
        assert len((out / f"{name}.jsonl").read_text().splitlines()) == frames
    lines = [json.loads(line) for line in (out / "resize.jsonl").read_text().splitlines()]
    assert [(line["width"], line["height"]) for line in lines] == [(320, 240)] * 12 + [(480, 320)] * 12
    for line in lines:
        for hand in line["hands"]:
            x, y, width, height = hand["box"]
            assert x + width <= line["width"]
            assert y + height <= line["height"]


@pytest.fixture(scope="module")
def nano() -> Segmenter:
    return load("nano", threads=1)


def states(segmenter: Segmenter, *inputs: Path, output: Path, kinds: str = "mask", **settings) -> list[tuple[str, str]]:
    """State and message of each file."""
    plan = plan_jobs(inputs, output, kinds.split(","), overwrite=settings.pop("overwrite", False))
    return [(o.state, o.message) for o in run_jobs(plan, segmenter, threads=1, **settings)]


def frames(folder: Path) -> list[tuple[int, int]]:
    return [load_mask(path).shape for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize("order", ["together", "video first", "frames first"])
def test_a_video_beside_its_frames(tmp_path: Path, nano: Segmenter, order: str) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "clip").mkdir(parents=True)
    make_clip(folder / "clip.mp4", 5)
    for i in range(3):
        save_png(folder / "clip" / f"{i:06d}.png", square(i, 48, 64))
    if order == "video first":
        states(nano, folder / "clip.mp4", output=out)
    if order == "frames first":
        (folder / "clip.mp4").rename(tmp_path / "clip.mp4")
        states(nano, folder, output=out)
        (tmp_path / "clip.mp4").rename(folder / "clip.mp4")
    states(nano, folder, output=out)
    video, images = ("clip.mp4", "clip") if order == "frames first" else ("clip", "clip_images")
    assert frames(out / video) == [(96, 128)] * 5
    assert frames(out / images) == [(48, 64)] * 3
    assert {state for state, _ in states(nano, folder, output=out)} == {"kept"}


def test_a_videos_masks_never_replace_a_users_frames(tmp_path: Path, nano: Segmenter) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 3)
    (tmp_path / "clip").mkdir()
    save_png(tmp_path / "clip" / "000000.png", square(0, 48, 64))
    before = (tmp_path / "clip" / "000000.png").read_bytes()
    ((state, message),) = states(nano, clip, output=tmp_path)
    assert state == "failed"
    assert "clip: there already, without a record" in message
    together = plan_jobs([tmp_path], tmp_path, overwrite=True)  # where the frame is an input
    assert str(clip) in [message.split(":")[0] for message in together.failures]
    assert (tmp_path / "clip" / "000000.png").read_bytes() == before


def test_what_a_video_is_made_with_decides_what_is_done_again(tmp_path: Path, nano: Segmenter) -> None:
    clip, out = make_clip(tmp_path / "clip.mp4", 6), tmp_path / "out"
    assert states(nano, clip, output=out) == [("done", "")]
    (out / "clip" / "notes.txt").write_text("mine")
    assert states(nano, clip, output=out, smooth=False) == [("done", "smooth False, was True")]
    assert states(nano, clip, output=out, smooth=False) == [("kept", "")]
    (out / "clip" / "000002.png").unlink()
    assert states(nano, clip, output=out, smooth=False) == [("done", "it isn't whole")]
    save_png(out / "clip" / "000003.png", np.full((96, 128), 255, np.uint8))  # corrected by hand
    assert "clip: changed since handseg wrote it" in states(nano, clip, output=out)[0][1]
    assert load_mask(out / "clip" / "000003.png").all()
    assert states(nano, clip, output=out, smooth=False, overwrite=True)[0][0] == "done"
    make_clip(clip, 4, size=(64, 96))
    assert states(nano, clip, output=out, smooth=False) == [("done", "the file has changed")]
    assert frames(out / "clip") == [(64, 96)] * 4
    clip.write_text("no video")
    assert states(nano, clip, output=out, smooth=False)[0][0] == "failed"
    assert frames(out / "clip") == [(64, 96)] * 4
    make_clip(clip, 5)
    assert states(nano, clip, output=out, smooth=False) == [("done", "the file has changed")]
    assert frames(out / "clip") == [(96, 128)] * 5
    assert (out / "clip" / "notes.txt").read_text() == "mine"


def test_a_damaged_video_is_remembered_as_one(tmp_path: Path, nano: Segmenter) -> None:
    clip = make_clip(tmp_path / "cut.mkv", 60)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    ((state, message),) = states(nano, clip, output=tmp_path / "out")
    assert (state, "is done" in message) == ("failed", True)
    (again,) = run_jobs(plan_jobs([clip], tmp_path / "out"), nano)
    assert (again.state, again.notes) == ("kept", (message,))


def test_an_error_that_no_one_foresaw_ends_one_video_only(
    tmp_path: Path, nano: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PyAV raises for a sound whose codec it doesn't know; the reader's own error stands for any."""

    def read(self, *_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'name'")

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"no picture")
    (tmp_path / "in" / "b.jpg").write_bytes(EXAMPLE.read_bytes())
    monkeypatch.setattr(VideoReader, "__init__", read)
    outcomes = states(nano, tmp_path / "in", output=tmp_path / "out")
    assert [state for state, _ in outcomes] == ["done", "failed"]
    assert "a.mp4: an error that handseg doesn't know (AttributeError: 'NoneType'" in outcomes[1][1]


def test_lines_that_cannot_be_written_are_said_to(tmp_path: Path, nano: Segmenter) -> None:
    plan = plan_jobs([hand_clip(tmp_path / "clip.mp4", 3)], tmp_path / "out", ["json"])
    (tmp_path / "out" / "clip.partial.jsonl").mkdir(parents=True)
    (outcome,) = run_jobs(plan, nano, threads=1)
    assert outcome.state == "failed"
    assert re.search(r"clip\.jsonl: can't be written \(.+\); choose another folder", outcome.message)
