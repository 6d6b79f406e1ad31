"""Hands as they come: frames read in one thread and segmented in another, each with its tracks and its timing."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from handseg.errors import VideoError
from handseg.inference.engines import open_engine
from handseg.inference.segmenter import Segmenter
from handseg.masks.result import HandMask
from handseg.masks.tracks import Track, Tracker
from handseg.video.frame import VideoFrame
from handseg.video.slot import Slot
from handseg.video.smooth import Smoother
from handseg.video.source import Source, open_source

STOPPING = 15.0  # seconds to wait for a camera's last frame; OpenCV gives up on one after ten
RATE_FRAMES = 30  # frames over which the rate is taken


@dataclass(frozen=True)
class Timing:
    """Where a frame's time went, in seconds.

    waited: for the frame. segmented, smoothed: in the network and in the smoothing. latency: from the frame's capture
    until it is handed out. rate: frames a second, of the last 30. dropped: frames left out so far.
    """

    waited: float
    segmented: float
    smoothed: float
    latency: float
    rate: float
    dropped: int


@dataclass(frozen=True, eq=False)
class LiveItem:
    """A frame, its hands, who they are (in the order of `result.hands`), and how long it took."""

    frame: VideoFrame
    result: HandMask
    tracks: list[Track]
    timing: Timing


class LiveStream:
    """Iterate it once; leave it by its `with` block, by `close`, or by leaving the loop, and its thread is stopped.

    realtime: the newest frame is taken and those before it are dropped, so that the picture never lags; a file's
    frames then come at their own times. Without it each frame is taken, and the reader waits.
    """

    def __init__(
        self, source: Source, segment: Callable[[np.ndarray], HandMask], *, smooth: bool, realtime: bool
    ) -> None:
        self.source = source
        self._segment = segment
        self._smoother = Smoother() if smooth else None
        self._tracker = Tracker()
        self._slot = Slot(drop=realtime)
        paced = realtime and not source.is_live
        # A daemon, so that a camera that never answers can't keep the program from ending.
        self._thread = threading.Thread(target=_read, args=(source, self._slot, paced), name="handseg", daemon=True)
        self._is_started = False

    def __iter__(self) -> Iterator[LiveItem]:
        if self._is_started:
            raise VideoError(f"{self.source.name}: a stream is iterated over once; open it anew")
        self._is_started = True
        self._thread.start()
        ready: deque[float] = deque(maxlen=RATE_FRAMES)
        try:
            while True:
                start = time.monotonic()
                captured = self._slot.get()
                if captured is None:
                    return
                frame, when = captured
                arrived = time.monotonic()
                result = self._segment(frame.image)
                segmented = time.monotonic()
                if self._smoother is not None:
                    steady = self._smoother(frame.image, result.probability, frame.time)
                    result = replace(result, probability=steady)
                smoothed = time.monotonic()
                tracks = self._tracker(result.hands, frame.time)
                ready.append(time.monotonic())
                rate = (len(ready) - 1) / (ready[-1] - ready[0]) if len(ready) > 1 else 0.0
                timing = Timing(
                    waited=arrived - start,
                    segmented=segmented - arrived,
                    smoothed=smoothed - segmented,
                    latency=ready[-1] - when,
                    rate=rate,
                    dropped=self._slot.dropped,
                )
                yield LiveItem(frame, result, tracks, timing)
        finally:
            self.close()

    def close(self) -> None:
        """Stop the reader and wait until it has let go of its source. May be called more than once."""
        self._slot.close()
        if not self._is_started:
            self._is_started = True
            self.source.close()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOPPING)

    def __enter__(self) -> LiveStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def live(
    source: int | str | Path,
    segmenter: Callable[[np.ndarray], HandMask] | None = None,
    *,
    smooth: bool = True,
    realtime: bool | None = None,
    loop: bool = False,
) -> LiveStream:
    """The hands of a camera or a video, frame by frame:

        with handseg.live(0) as stream:
            for item in stream:
                print(item.tracks, item.timing.rate)

    source: a camera's number, the URL of a stream, or a video file. segmenter: default: `handseg.load()`. smooth:
    steady the masks from frame to frame. realtime: drop frames rather than lag; default: for cameras and URLs, not
    for files. loop: start a file again at its end.
    Raises VideoError when the source can't be opened, and while iterating when it fails.
    """
    opened = open_source(source, loop=loop)
    try:
        return LiveStream(
            opened,
            segmenter or Segmenter(open_engine(), second_look=False),
            smooth=smooth,
            realtime=opened.is_live if realtime is None else realtime,
        )
    except BaseException:
        opened.close()
        raise


def _read(source: Source, slot: Slot, paced: bool) -> None:
    """The reader thread: it alone touches the source, which it closes at the end."""
    start = time.monotonic()
    failure: BaseException | None = None
    try:
        for frame in source:
            if paced and not slot.pause(start + frame.time - time.monotonic()):
                break
            if not slot.put(frame):
                break
    except BaseException as error:
        failure = error
    finally:
        source.close()
        slot.finish(failure)
