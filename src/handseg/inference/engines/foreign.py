"""What a TorchScript file without a card is expected to return, and how what it did return contradicts that."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from handseg.errors import ModelError

Output = Literal["probability", "logits"]
ROUNDING = 1e-3  # of half precision, around 0 and 1


def check_output_kind(output: str) -> None:
    """Raises ModelError for what is none of Output."""
    if output not in get_args(Output):
        raise ModelError(f"output {output!r}: unknown; choose one of {', '.join(get_args(Output))}")


def probability(values: np.ndarray, size: tuple[int, int], output: Output, model: str) -> np.ndarray:
    """Probability float32 H×W of what a network returned for one image of `size` (height, width).

    values: of any shape that has these dimensions and else ones: with or without batch and channel, channel first or
    last. Raises ModelError, naming `model`, where they are another image's, several channels, not numbers, or not what
    `output` says.
    """
    shape = "×".join(map(str, values.shape))
    height, width = size
    kept = tuple(n for n in values.shape if n != 1)
    if kept != tuple(n for n in size if n != 1):
        if kept[-2:] == size or kept[:2] == size:
            advice = "keep the hand's: for two classes, return x.softmax(1)[:, 1:2] inside the model and save it anew"
        else:
            advice = "enlarge it inside the model, or give the input_size that it was made for"
        raise ModelError(
            f"{model}: returns {shape} for an image of {height}×{width} instead of 1×1×{height}×{width}; {advice}"
        )
    values = values.astype(np.float32).reshape(size)
    if not np.isfinite(values).all():
        raise ModelError(f"{model}: returns values that aren't finite; it is damaged, or overflows in half precision")
    low, high = float(values.min()), float(values.max())
    within = low >= -ROUNDING and high <= 1 + ROUNDING
    if output == "probability":
        if not within:
            raise ModelError(
                f"{model}: returns {low:.3g} to {high:.3g}, which aren't probabilities; "
                'if it ends without a sigmoid, open it with output="logits"'
            )
        return np.clip(values, 0, 1)
    if within:
        raise ModelError(
            f"{model}: returns {low:.3g} to {high:.3g}, which look like probabilities and not like logits; "
            'if it ends in a sigmoid, open it with output="probability"'
        )
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)
