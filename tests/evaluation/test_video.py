"""The stability report: a camera that moves over a still hand is steady, and noise isn't."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from handseg.evaluation.video import FlowWarp, evaluate_video
from handseg.masks.result import HandMask
from tests.cli.test_predict import assert_one_error, handseg
from tests.video.test_predict import hand_clip

cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")


def test_masks_are_carried_along_with_the_picture() -> None:
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (240, 360, 3), dtype=np.uint8), (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    mask = np.zeros((240, 360), np.uint8)
    mask[80:160, 100:200] = 255
    warp = FlowWarp()
    warp.advance(np.ascontiguousarray(scene[:, :320]))
    warp.advance(np.ascontiguousarray(scene[:, 8:328]))  # the camera turns to the right
    carried, seen = warp.carry(warp.shrink(np.ascontiguousarray(mask[:, :320])))
    expected = mask[:, 8:328]
    assert np.mean(carried[seen] != expected[seen]) < 0.005
    assert not seen[:, -4:].any()
    assert seen[4:-4, 4:-12].all()


class Trembling:
    """A segmenter that finds skin-coloured things, and adds blobs of noise."""

    def __init__(self, noise: float) -> None:
        self.noise, self.rng = noise, np.random.default_rng(0)

    def __call__(self, image: np.ndarray) -> HandMask:
        soft = cv2.GaussianBlur((image[..., 0].astype(np.float32) - image[..., 2] > 40).astype(np.float32), (0, 0), 3)
        blobs = cv2.GaussianBlur(self.rng.standard_normal(soft.shape).astype(np.float32), (0, 0), 4)
        return HandMask(np.clip(soft + self.noise * blobs / blobs.std(), 0, 1), 0.5)


def test_smoothing_steadies_a_trembling_segmenter(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 10)
    shaky, calm = (evaluate_video(Trembling(noise), clip) for noise in (0.2, 0.0))
    assert shaky["frames"] == 10
    assert shaky["smoothed"]["flip_rate"] < 0.7 * shaky["unsmoothed"]["flip_rate"]
    assert shaky["smoothed"]["successive_iou"] > shaky["unsmoothed"]["successive_iou"]
    assert calm["unsmoothed"]["flip_rate"] < 0.06
    assert calm["agreement"] > 0.97


def test_the_command_prints_and_writes_both_columns(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 6)
    result = handseg("evaluate", "--video", clip, "--json", tmp_path / "r.json")
    assert result.returncode == 0, result.stderr
    assert "flow-warped IoU" in result.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["frames"] == 6
    assert 0.1 < report["hand_share"] < 0.2
    for name in ("unsmoothed", "smoothed"):
        assert report[name]["successive_iou"] > 0.9
    assert report["segment_ms"] > 0
    assert report["smooth_ms"] > 0


def test_mistakes_are_named(tmp_path: Path) -> None:
    for arguments in ((), ("data", "--video", "clip.mp4"), ("--video", "clip.mp4", "--corruptions")):
        assert handseg("evaluate", *arguments).returncode == 2
    assert_one_error(handseg("evaluate", "--video", tmp_path / "none.mp4"), "none.mp4: no such file")
