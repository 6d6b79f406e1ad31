"""A result as other libraries hold it; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from handseg.errors import MissingExtraError
from handseg.masks.hand import Hand

if TYPE_CHECKING:
    from supervision import Detections as Detections
    from torch import Tensor as Tensor


def to_supervision(hands: Sequence[Hand], regions: np.ndarray) -> Detections:
    """Hands as `supervision.Detections`, in their order. regions: int32 H×W, i + 1 on the pixels of `hands[i]`.

    xyxy: float32 (n, 4), the right and lower edges exclusive. mask: bool (n, H, W). confidence: float32 (n,).
    Raises MissingExtraError where supervision isn't installed.
    """
    try:
        from supervision import Detections
    except ImportError as error:
        raise MissingExtraError("to_supervision()", "supervision") from error
    boxes = np.array([hand.box for hand in hands], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Detections(
        xyxy=boxes,
        mask=regions[None] == np.arange(1, len(hands) + 1)[:, None, None],
        confidence=np.array([hand.confidence for hand in hands], np.float32),
        class_id=np.zeros(len(hands), int),
        data={"class_name": np.full(len(hands), "hand")},
    )


def to_torch(values: np.ndarray) -> Tensor:
    """An array as a tensor that shares no memory with it, on the CPU.

    Raises MissingExtraError where torch isn't installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("to_torch()", "train") from error
    return torch.tensor(values)
