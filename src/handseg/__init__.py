"""handseg: pixel-accurate hand masks from any camera."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from handseg.version import __version__ as __version__

if TYPE_CHECKING:
    from handseg.errors import HandsegError
    from handseg.inference.card import ModelCard
    from handseg.inference.segmenter import Segmenter
    from handseg.masks.hand import Hand
    from handseg.masks.result import HandMask
    from handseg.masks.tracks import Tracker
    from handseg.models import load
    from handseg.pipeline import HandSegmentationPipeline
    from handseg.video.live import live

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
    "Hand": "masks.hand",
    "HandMask": "masks.result",
    "HandSegmentationPipeline": "pipeline",
    "HandsegError": "errors",
    "ModelCard": "inference.card",
    "Segmenter": "inference.segmenter",
    "Tracker": "masks.tracks",
    "live": "video.live",
    "load": "models",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `handseg --help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'handseg' has no attribute {name!r}")
    return getattr(import_module(f"handseg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
