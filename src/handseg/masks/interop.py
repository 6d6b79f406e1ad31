"""A result as other libraries hold it; each is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from handseg.errors import MissingExtraError

if TYPE_CHECKING:
    from supervision import Detections as Detections
    from torch import Tensor as Tensor

    from handseg.masks.result import HandMask


def to_supervision(result: HandMask) -> Detections:
    """The hands as `supervision.Detections`, in the order of `result.hands`.

    xyxy: float32 (n, 4), the right and lower edges exclusive. mask: bool (n, H, W). confidence: float32 (n,).
    Raises MissingExtraError where supervision isn't installed.
    """
    try:
        from supervision import Detections
    except ImportError as error:
        raise MissingExtraError("to_supervision()", "supervision") from error
    hands = result.hands
    boxes = np.array([hand.box for hand in hands], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Detections(
        xyxy=boxes,
        mask=result.regions[None] == np.arange(1, len(hands) + 1)[:, None, None],
        confidence=np.array([hand.confidence for hand in hands], np.float32),
        class_id=np.zeros(len(hands), int),
        data={"class_name": np.full(len(hands), "hand")},
    )


def to_torch(result: HandMask, what: Literal["mask", "probability"] = "mask") -> Tensor:
    """The mask, uint8 H×W, 0 or 255, or the probability, float32 H×W in [0, 1], as a tensor that shares no memory.

    Raises MissingExtraError where torch isn't installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("to_torch()", "train") from error
    if what not in ("mask", "probability"):
        raise ValueError(f"what is {what!r}; it must be 'mask' or 'probability'")
    values = result.mask if what == "mask" else result.probability
    return torch.tensor(values)
