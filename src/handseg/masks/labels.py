"""What labels are called: the label policies, and whose hand and which."""

from __future__ import annotations

from typing import Literal

LabelPolicy = Literal["hand", "hand+forearm"]
LABEL_POLICIES: tuple[LabelPolicy, ...] = ("hand", "hand+forearm")
# Whose hand, and which: own are the hands of whoever carries the camera. In the order of EgoHands' labels.
HAND_CLASSES = ("own left", "own right", "other left", "other right")
