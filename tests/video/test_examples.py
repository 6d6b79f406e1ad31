"""The examples on video, each run as its first lines say."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handseg.image import save_png
from tests.video.conftest import beep
from tests.video.test_predict import hand_clip

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

import handseg
from handseg.video import VideoReader

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def frames(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [frame.image.astype(int) for frame in reader]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hand_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 16, audio="aac")


def test_background(tmp_path: Path, clip: Path) -> None:
    save_png(tmp_path / "blue.png", np.full((50, 50, 3), (10, 20, 220), np.uint8))
    run("background.py", clip, tmp_path / "out.mp4", "--background", tmp_path / "blue.png")
    before, after = frames(clip), frames(tmp_path / "out.mp4")
    assert len(after) == len(before) == 16
    for old, new in zip(before[::5], after[::5]):
        mask = handseg.load(threads=1)(old.astype(np.uint8)).mask > 0
        assert np.abs(new[~mask] - (10, 20, 220)).mean() < 12
        assert np.abs(new[mask] - old[mask]).mean() < 12
    assert beep(tmp_path / "out.mp4")[0] == pytest.approx(beep(clip)[0], abs=1 / 25)


def test_privacy(tmp_path: Path, clip: Path) -> None:
    run("privacy.py", clip, tmp_path / "out.mp4")
    before, after = frames(clip), frames(tmp_path / "out.mp4")
    assert len(after) == len(before)
    mask = handseg.load(threads=1)(before[4].astype(np.uint8)).mask > 0
    assert np.abs(after[4][:30] - before[4][:30]).mean() < 3  # above the hand

    def detail(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image, axis=1)).mean(axis=2)[mask[:, 1:]].mean())

    assert detail(after[4]) < detail(before[4]) / 2


def test_pointer(clip: Path) -> None:
    lines = [json.loads(line) for line in run("pointer.py", clip, "--frames", 6).splitlines()]
    assert [line["track"] for line in lines] == [1] * 6
    # The middle finger's tip, at (450, 50) of 960×640; the hand moves by four of the clip's 480 pixels a frame.
    assert (lines[0]["x"], lines[0]["y"]) == pytest.approx((450 / 960, 60 / 640), abs=0.03)
    assert lines[5]["x"] - lines[0]["x"] == pytest.approx(16 / 480, abs=0.015)


def test_the_tip_lies_away_from_where_the_hand_comes_in() -> None:
    spec = importlib.util.spec_from_file_location("pointer", EXAMPLES / "pointer.py")
    pointer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pointer)
    region = np.zeros((100, 200), bool)
    region[60:90, 120:] = True  # a palm at the right border …
    region[70:76, 60:120] = True  # … and a finger to the left
    assert pointer.finger_tip(region) == pytest.approx((62, 72.5), abs=3)
    assert pointer.finger_tip(region[:, ::-1]) == pytest.approx((137, 72.5), abs=3)
    assert pointer.finger_tip(region.T) == pytest.approx((72.5, 62), abs=3)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pointer.py", ("99",), "camera 99: not there"),
        ("pointer.py", ("gone.mp4",), "gone.mp4: no such file"),
        ("privacy.py", ("gone.mp4", "out.mp4"), "gone.mp4: no such file"),
        ("background.py", ("gone.mp4", "out.mp4"), "gone.mp4: no such file"),
    ],
)
def test_without_a_camera_or_file_they_end_in_one_line(
    tmp_path: Path, name: str, arguments: tuple[str, ...], words: str
) -> None:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {words}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["background.py", "privacy.py", "pointer.py"])
def test_they_are_short(name: str) -> None:
    assert (EXAMPLES / name).read_text("utf-8").count("\n") < 80
