"""handseg camera as a user runs it: a second process, a looped clip for a camera, real HTTP on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from handseg.errors import VideoError
from handseg.image import load_image
from tests.cli.test_predict import assert_one_error, handseg
from tests.video.test_mjpeg import next_part
from tests.video.test_predict import hand_clip

cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

import handseg as package
from handseg.cli import camera
from handseg.video import VideoReader, views, window
from handseg.video.source import cameras

HEADLESS = bool(re.search(r"GUI:\s+NONE", cv2.getBuildInformation()))


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`handseg camera` in the background; killed at the end if it hasn't ended."""
    command = [sys.executable, "-m", "handseg", "camera", "--no-window", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address(process: subprocess.Popen[str]) -> str:
    line = process.stderr.readline()
    assert line.startswith("watch at http://127.0.0.1:"), line
    return line.split()[-1]


def test_what_is_shown_is_recorded(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 8)
    out = tmp_path / "new" / "out.mp4"
    arguments = ("camera", "--device", clip, "--loop", "--no-window", "-o", out, "--frames", 12)
    result = handseg(*arguments)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^12 frames, \d+\.\d a second, \d+ dropped: .*out\.mp4$", result.stderr, re.MULTILINE)
    with VideoReader(out) as reader:
        frames = list(reader)
    assert len(frames) == 12
    assert frames[0].image.shape == (320, 480, 3)
    assert (np.diff([f.time for f in frames]) > 0.03).all()
    red = frames[5].image.astype(int)
    assert ((red[..., 0] - red[..., 1]) > 100).mean() > 0.05  # the overlay
    assert_one_error(handseg(*arguments), "out.mp4: is there already", "--overwrite")


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process on Windows")
def test_browsers_watch_and_a_stream_is_a_camera_too(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 8)
    with running("--device", clip, "--loop", "--mjpeg", 0, "--view", "mask") as process:
        url = address(process)
        with urllib.request.urlopen(url + "stream", timeout=90) as stream:
            numbers = []
            for _ in range(5):
                number, picture = next_part(stream)
                numbers.append(number)
                assert picture.shape == (320, 480, 3)
            assert numbers == sorted(set(numbers))
        seen = []
        with package.live(url + "stream", smooth=False) as live:
            for item in live:
                seen.append(item.frame.index)
                assert item.frame.image.shape == (320, 480, 3)
                if len(seen) == 3:
                    break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 0
    assert re.fullmatch(r"\d+ frames, .* dropped\n", errors)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process on Windows")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_a_recording_is_whole(tmp_path: Path, kind: signal.Signals) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 8)
    out = tmp_path / "out.mp4"
    with running("--device", clip, "--loop", "--mjpeg", 0, "-o", out) as process:
        with urllib.request.urlopen(address(process) + "stream", timeout=90) as stream:
            while next_part(stream)[0] < 5:
                pass
        process.send_signal(kind)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 0
    assert "Traceback" not in errors
    with VideoReader(out) as reader:
        assert len(list(reader)) >= 5


@pytest.mark.skipif(bool(cameras()), reason="this machine has a camera")
def test_where_no_camera_is_one_line_says_so(tmp_path: Path) -> None:
    result = handseg("camera", "--no-window", "-o", tmp_path / "out.mp4")
    assert_one_error(result, "camera 0: not there (found none at /dev/video*); connect one, or name a video file")
    assert not list(tmp_path.iterdir())


def test_mistakes_are_named(tmp_path: Path) -> None:
    result = handseg("camera", "--no-window")
    assert result.returncode == 2
    assert "give -o FILE or --mjpeg PORT" in result.stderr
    result = handseg("camera", "--no-window", "--device", tmp_path / "missing.mp4", "--mjpeg", 0)
    assert_one_error(result, "missing.mp4: no such file")
    clip = hand_clip(tmp_path / "clip.mp4", 3)
    assert_one_error(
        handseg("camera", "--device", clip, "--no-window", "-o", "a.avi"), "a.avi: video is written as .mp4"
    )


def test_a_clip_is_not_recorded_over_itself(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 3)
    (tmp_path / "link.mp4").symlink_to(clip)
    before = clip.read_bytes()
    for name in ("clip.mp4", "link.mp4"):
        result = handseg("camera", "--device", clip, "--no-window", "--overwrite", "-o", tmp_path / name)
        assert_one_error(result, f"{name}: is the clip that is read; choose another name")
    assert clip.read_bytes() == before


@pytest.mark.skipif(not HEADLESS, reason="the installed OpenCV has windows")
def test_without_a_window_it_goes_on_in_the_browser_and_says_what_to_install(tmp_path: Path) -> None:
    clip = hand_clip(tmp_path / "clip.mp4", 3)
    result = handseg("camera", "--device", clip, "--frames", 2)
    assert result.returncode == 0, result.stderr
    first, second, _ = result.stderr.splitlines()
    assert "headless" in first
    assert "pip install opencv-python" in first
    assert second.startswith("watch at http://127.0.0.1:")
    recorded = handseg("camera", "--device", clip, "--frames", 2, "-o", tmp_path / "out.mp4")
    assert recorded.returncode == 0, recorded.stderr
    assert "watch at" not in recorded.stderr
    assert (tmp_path / "out.mp4").is_file()


def test_each_view_has_a_picture(tmp_path: Path) -> None:
    assert tuple(views.VIEWS) == camera.VIEWS
    clip = hand_clip(tmp_path / "clip.mp4", 2)
    with package.live(clip) as stream:
        item = next(iter(stream))
    pictures = [camera.draw_view(item, view, "default 9.9 frames/s") for view in camera.VIEWS]
    for picture in pictures:
        assert (picture.shape, picture.dtype) == ((320, 480, 3), np.uint8)
        assert (picture[:40, :200] == 255).all(axis=2).any()  # the words
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert np.abs(item.frame.image.astype(int) - pictures[-1])[60:].max() == 0


def test_a_saved_picture_never_replaces_another(tmp_path: Path) -> None:
    picture = np.full((20, 30, 3), 7, np.uint8)
    names = [camera.save_picture(picture, tmp_path).name for _ in range(2)]
    assert names == ["handseg_001.png", "handseg_002.png"]
    assert np.array_equal(load_image(tmp_path / names[1]), picture)


class Highgui:
    """A stand-in for OpenCV's windows: a person who presses the keys given, one a frame."""

    def __init__(self, keys: list[int], visible: bool = True) -> None:
        self.keys, self.visible, self.shown, self.is_open = keys, visible, [], False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DISPLAY", ":9")
        monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GUI:  QT5")
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: setattr(self, "is_open", True))
        monkeypatch.setattr(cv2, "imshow", lambda _, picture: self.shown.append(picture))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.keys.pop(0) if self.keys else -1)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: float(self.visible))
        monkeypatch.setattr(cv2, "destroyAllWindows", lambda: setattr(self, "is_open", False))


def test_keys_in_the_window_switch_save_and_quit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Highgui([-1, ord("v"), ord("S"), ord("q")])
    screen.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    clip = hand_clip(tmp_path / "clip.mp4", 8)
    camera.command.main(["--device", str(clip), "--loop", "--no-smooth"], standalone_mode=False)
    assert len(screen.shown) == 4
    assert not screen.is_open
    saved = load_image(tmp_path / "handseg_001.png")
    assert np.array_equal(saved[..., ::-1], screen.shown[2])  # the window takes BGR
    assert "saved: handseg_001.png" in capsys.readouterr().err


def test_escape_or_closing_the_window_quits(monkeypatch: pytest.MonkeyPatch) -> None:
    for screen in (Highgui([27]), Highgui([], visible=False)):
        screen.install(monkeypatch)
        with window.Window("handseg") as shown:
            assert shown.show(np.zeros((4, 4, 3), np.uint8)) == "q"
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(VideoError, match=r"no display .*--no-window"):
        window.Window("handseg")
