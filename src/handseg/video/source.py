"""Where live frames come from: a camera, a stream by URL, or a video file in a camera's place."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from handseg.errors import DamagedVideoError, MissingExtraError, VideoError
from handseg.video.frame import VideoFrame
from handseg.video.reader import open_video

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("A camera", "video") from error


class Source(Protocol):
    """Frames to iterate over once. name: for messages. rate: frames a second. is_live: they come when they come."""

    name: str
    rate: Fraction
    is_live: bool

    def __iter__(self) -> Iterator[VideoFrame]: ...

    def close(self) -> None: ...


class Camera:
    """The frames of a camera by its number, or of a network stream by its URL, at the times at which they arrive.

    Raises VideoError when it can't be opened, with the cameras that were found, and while iterating when it falls
    silent.
    """

    is_live = True

    def __init__(self, device: int | str) -> None:
        self.name = f"camera {device}" if isinstance(device, int) else device
        if isinstance(device, int):
            _check_device(device)
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            self._capture.release()
            remedy = "check the address" if isinstance(device, str) else "close the program that uses it"
            raise VideoError(f"{self.name}: can't be opened; {remedy}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(round(rate)) if 1 <= rate <= 240 else Fraction(30)

    def __iter__(self) -> Iterator[VideoFrame]:
        start = time.monotonic()
        index = 0
        while True:
            is_there, image = self._capture.read()
            if not is_there:
                raise VideoError(f"{self.name}: no more frames come; check that it is connected and switched on")
            yield VideoFrame(index, time.monotonic() - start, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))
            index += 1

    def close(self) -> None:
        self._capture.release()


class Clip:
    """The frames of a video file or animated picture, once, or over and over with times that go on.

    Raises VideoError as VideoReader does.
    """

    is_live = False

    def __init__(self, path: str | Path, *, loop: bool = False) -> None:
        self.name = str(path)
        self._loop = loop
        self._path = path
        self._reader = open_video(path)
        self.rate = self._reader.rate

    def __iter__(self) -> Iterator[VideoFrame]:
        index, start = 0, 0.0
        while True:
            frame = None
            try:
                for frame in self._reader:
                    yield replace(frame, index=index + frame.index, time=start + frame.time)
            except DamagedVideoError:
                if not self._loop or frame is None:
                    raise
            if not self._loop or frame is None:
                return
            index, start = index + frame.index + 1, start + frame.time + 1 / float(self.rate)
            self._reader.close()
            self._reader = open_video(self._path)

    def close(self) -> None:
        self._reader.close()


def open_source(device: int | str | Path, *, loop: bool = False) -> Source:
    """A camera by its number or its path (`/dev/video0`), a stream by its URL, or else a video file.

    Raises VideoError when it can't be opened.
    """
    text = str(device)
    number = text.removeprefix("/dev/video")
    if number.isdigit():
        return Camera(int(number))
    return Camera(text) if "://" in text else Clip(text, loop=loop)


def cameras() -> list[str]:
    """The device files of cameras, on Linux; elsewhere they have none."""
    return sorted(str(path) for path in Path("/dev").glob("video*"))


def _check_device(number: int) -> None:
    """Say what is wrong before OpenCV does, which prints to stderr on its own."""
    if not sys.platform.startswith("linux"):
        return
    found = cameras()
    path = f"/dev/video{number}"
    if path not in found:
        there = f"found: {', '.join(found)}" if found else "found none at /dev/video*"
        raise VideoError(f"camera {number}: not there ({there}); connect one, or name a video file as the device")
    if not os.access(path, os.R_OK | os.W_OK):
        raise VideoError(f"{path}: may not be used; add yourself to its group: sudo usermod -aG video $USER")
