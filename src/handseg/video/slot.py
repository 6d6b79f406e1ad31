"""One frame's room between the thread that reads and the one that works."""

from __future__ import annotations

import threading
import time

from handseg.video.frame import VideoFrame

TICK = 0.5  # seconds between looks up from waiting, so that Ctrl-C is heard on Windows


class Slot:
    """Hands frames over; holds one at a time. drop: a new frame takes the place of one that nobody fetched."""

    def __init__(self, *, drop: bool) -> None:
        self.dropped = 0
        self._drop = drop
        self._changed = threading.Condition()
        self._held: tuple[VideoFrame, float] | None = None
        self._is_finished = False
        self._is_closed = False
        self._failure: BaseException | None = None

    def put(self, frame: VideoFrame) -> bool:
        """Leave a frame; without `drop` wait until there is room. False: nobody wants more."""
        now = time.monotonic()
        with self._changed:
            if not self._drop:
                self._changed.wait_for(lambda: self._held is None or self._is_closed)
            if self._is_closed:
                return False
            self.dropped += self._held is not None
            self._held = frame, now
            self._changed.notify_all()
            return True

    def get(self) -> tuple[VideoFrame, float] | None:
        """The next frame and when it was left (`time.monotonic`), or None after the last.

        Raises what the reader raised, once.
        """
        with self._changed:
            while not (self._held or self._is_finished or self._is_closed):
                self._changed.wait(TICK)
            if self._is_closed:
                return None
            held, self._held = self._held, None
            self._changed.notify_all()
            if held is None and self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            return held

    def pause(self, seconds: float) -> bool:
        """Wait as long as that, but not beyond `close`. False: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, max(0.0, seconds))
            return not self._is_closed

    def finish(self, failure: BaseException | None = None) -> None:
        """The reader's last word: no more frames come."""
        with self._changed:
            self._is_finished, self._failure = True, failure
            self._changed.notify_all()

    def close(self) -> None:
        """The worker's last word: no more frames are wanted."""
        with self._changed:
            self._is_closed, self._held = True, None
            self._changed.notify_all()
