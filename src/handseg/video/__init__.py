"""Video: readers and writers, each a context manager that holds a frame or two at a time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handseg.video.frame import VideoFrame
    from handseg.video.reader import VideoReader, open_video
    from handseg.video.writer import VideoWriter

_PLACES = {"VideoFrame": "frame", "VideoReader": "reader", "VideoWriter": "writer", "open_video": "reader"}

__all__ = ["VideoFrame", "VideoReader", "VideoWriter", "open_video"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: what an animated picture is, is known without the packages that videos need."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
