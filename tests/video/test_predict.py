"""handseg predict on videos, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from handseg.image import load_image, load_mask
from tests.cli.test_predict import EXAMPLE, handseg, written
from tests.video.conftest import beep, make_clip

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

from handseg.video import VideoReader


def hand_clip(path: Path, frames: int = 12, audio: str | None = None) -> Path:
    """The example hand, which moves to the right by four pixels a frame."""
    image = load_image(EXAMPLE)[::2, ::2]
    return make_clip(path, frames, size=(320, 480), audio=audio, picture=lambda i: np.roll(image, 4 * i, axis=1))


def test_every_kind_of_output(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", audio="aac")
    out = tmp_path / "out"
    result = handseg("predict", clip, "-o", out, "--save", "mask,overlay,cutout,matte,heatmap,blur,json")
    assert result.returncode == 0, result.stderr
    assert written(out) == [
        "clip",
        "clip.jsonl",
        "clip_blur.mp4",
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
    for name in ("clip_overlay.mp4", "clip_matte.mp4", "clip_cutout.webm", "clip_heatmap.mp4", "clip_blur.mp4"):
        with VideoReader(out / name) as reader:
            assert len(list(reader)) == 12
    assert beep(out / "clip_overlay.mp4")[0] == pytest.approx(beep(clip)[0], abs=1 / 25)
    lines = [json.loads(line) for line in (out / "clip.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(12))
    area = lines[6]["hands"][0]["area"]
    assert area == pytest.approx(int((load_mask(masks[6]) > 0).sum()), rel=0.05)
    # The hand moves to the right, and so does its mask.
    x = [line["hands"][0]["centroid"][0] for line in lines]
    assert x[11] - x[0] == pytest.approx(44, abs=6)
    assert [line["hands"][0]["track"] for line in lines] == [1] * 12
    again = handseg("predict", clip, "-o", out, "--save", "mask,overlay,cutout,matte,heatmap,blur,json")
    assert "1 there already" in again.stderr


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
