"""A window on the screen, by OpenCV's highgui, where the installed OpenCV has one."""

from __future__ import annotations

import os
import re
import sys
from types import TracebackType

import numpy as np

from handseg.errors import MissingExtraError, VideoError

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("A window", "video") from error

INSTEAD = "--no-window goes without"
ESCAPE = 27


class Window:
    """One window; a context manager that takes it away. Raises VideoError where none can be opened."""

    def __init__(self, title: str) -> None:
        self.title = title
        if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
            raise VideoError(
                "no window: the installed OpenCV is a headless one; replace it: pip uninstall opencv-python-headless, "
                f"pip install opencv-python; {INSTEAD}"
            )
        # Without a display Qt doesn't raise an error, it ends the program.
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise VideoError(f"no window: there is no display ($DISPLAY isn't set); {INSTEAD}")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise VideoError(f"no window: OpenCV can't open one ({error.err}); {INSTEAD}") from error

    def show(self, picture: np.ndarray) -> str:
        """Show RGB uint8 H×W×3; returns the key that was pressed, "" for none, "q" where the window was closed."""
        cv2.imshow(self.title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        if key == ESCAPE or cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return "" if key == 0xFF else chr(key).lower()

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cv2.destroyAllWindows()
