"""handseg: pixel-accurate hand masks from any camera."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handseg.card import ModelCard
    from handseg.errors import HandsegError
    from handseg.pipeline import HandSegmentationPipeline
    from handseg.result import Hand, HandMask
    from handseg.segmenter import Segmenter, load
    from handseg.tracks import Tracker
    from handseg.video.live import live

__version__ = "0.1.0"

__all__ = [
    "Hand",
    "HandMask",
    "HandSegmentationPipeline",
    "HandsegError",
    "ModelCard",
    "Segmenter",
    "Tracker",
    "live",
    "load",
]

_HOME = {
    "Hand": "result",
    "HandMask": "result",
    "HandSegmentationPipeline": "pipeline",
    "HandsegError": "errors",
    "ModelCard": "card",
    "Segmenter": "segmenter",
    "Tracker": "tracks",
    "live": "video.live",
    "load": "segmenter",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `handseg --help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'handseg' has no attribute {name!r}")
    return getattr(import_module(f"handseg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
