"""Live streams: nothing lost from a file, nothing late from a camera, and no thread left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from handseg.errors import VideoError
from handseg.masks.result import HandMask
from tests.video.conftest import make_clip, square

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

import handseg
from handseg.video.live import LiveStream
from handseg.video.reader import VideoFrame
from handseg.video.source import Camera, Clip, cameras, open_source


def bright(image: np.ndarray) -> HandMask:
    """A segmenter that takes the bright square for a hand."""
    return HandMask((image[..., 0] > 150).astype(np.float32), 0.5)


def slowly(image: np.ndarray) -> HandMask:
    time.sleep(0.05)
    return bright(image)


class Ticking:
    """A camera of 100 frames a second, which fails after `frames`."""

    name = "camera 9"
    rate = Fraction(100)
    is_live = True

    def __init__(self, frames: int = 10_000) -> None:
        self.frames = frames
        self.read = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[VideoFrame]:
        for index in range(self.frames):
            time.sleep(0.01)
            self.read += 1
            yield VideoFrame(index, index / 100, square(index))
        raise VideoError("camera 9: no more frames come")

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_every_frame_of_a_file_with_its_tracks_and_timing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 30, picture=lambda i: square(min(i, 10)))
    with handseg.live(clip, slowly) as stream:
        items = list(stream)
    assert [item.frame.index for item in items] == list(range(30))
    assert {tuple(t.id for t in item.tracks) for item in items} == {(1,)}
    assert items[-1].tracks[0].hand == items[-1].result.hands[0]
    timing = items[-1].timing
    assert timing.dropped == 0
    assert timing.segmented > 0.04
    assert timing.latency > timing.segmented
    assert 0 < timing.rate < 20


def test_a_slow_worker_holds_the_reader_of_a_file_back() -> None:
    source = Ticking(50)
    source.is_live = False
    with LiveStream(source, bright, smooth=False, realtime=False) as stream:
        frames = iter(stream)
        next(frames)
        time.sleep(0.3)
        assert source.read <= 3
    assert source.is_closed


def test_a_slow_worker_gets_the_newest_frame_of_a_camera() -> None:
    source = Ticking()
    with LiveStream(source, slowly, smooth=False, realtime=True) as stream:
        for item in stream:
            if item.frame.index > 100:
                break
    assert item.timing.dropped > 50
    assert item.frame.index + 1 <= source.read
    assert item.timing.latency < 5


def test_a_file_in_a_cameras_place_keeps_its_times(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 20)
    start = time.monotonic()
    with handseg.live(clip, bright, smooth=False, realtime=True) as stream:
        last = [item.frame.index for item in stream][-1]
    assert time.monotonic() - start > 0.7
    assert last == 19


def test_a_loop_goes_on_in_index_and_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 5)
    times = []
    with handseg.live(clip, bright, smooth=False, loop=True) as stream:
        for item in stream:
            times.append(item.frame.time)
            assert item.frame.index == len(times) - 1
            if len(times) == 17:
                break
    assert times == pytest.approx([0.04 * i for i in range(17)], abs=2e-3)


def test_leaving_by_an_error_or_without_with_stops_the_thread() -> None:
    source = Ticking()
    with pytest.raises(KeyError), LiveStream(source, bright, smooth=False, realtime=True) as stream:
        for _ in stream:
            raise KeyError
    assert source.is_closed
    source = Ticking()
    for _ in LiveStream(source, bright, smooth=False, realtime=True):
        break
    assert source.is_closed


def test_closing_from_another_thread_ends_the_loop() -> None:
    stream = LiveStream(Ticking(), bright, smooth=False, realtime=True)
    closer = threading.Timer(0.2, stream.close)
    closer.start()
    assert len(list(stream)) > 3
    closer.join()
    stream.close()


def test_never_started_it_still_closes_its_source() -> None:
    source = Ticking()
    with LiveStream(source, bright, smooth=False, realtime=True):
        pass
    assert source.is_closed


def test_what_the_reader_raises_arrives_after_its_last_frame() -> None:
    source = Ticking(3)
    seen = []
    with LiveStream(source, bright, smooth=False, realtime=False) as stream, pytest.raises(VideoError, match="no more"):
        seen += [item.frame.index for item in stream]
    with pytest.raises(VideoError, match="iterated over once"):
        list(stream)


def test_many_streams_leave_nothing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 3)
    for _ in range(30):
        with handseg.live(clip, bright, smooth=False, loop=True) as stream:
            next(iter(stream))


def test_a_device_is_a_camera_a_url_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"missing\.mp4: no such file"):
        open_source("missing.mp4")
    clip = make_clip(tmp_path / "a.mp4", 3)
    source = open_source(clip)
    assert isinstance(source, Clip)
    assert float(source.rate) == 25
    source.close()


@pytest.mark.skipif(bool(cameras()), reason="this machine has a camera")
@pytest.mark.parametrize("device", [0, "0", "/dev/video0"])
def test_where_no_camera_is_what_was_found_is_said(device: int | str) -> None:
    with pytest.raises(VideoError, match=r"camera 0: not there \(found none at /dev/video\*\); connect one"):
        open_source(device)


def test_a_camera_is_named_beside_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handseg.video.source.cameras", lambda: ["/dev/video0", "/dev/video2"])
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(VideoError, match=r"camera 1: not there \(found: /dev/video0, /dev/video2\)"):
        Camera(1)
    with pytest.raises(VideoError, match="usermod"):
        Camera(2)
