"""Masks that don't flicker: each frame's probability averaged with the last one's, moved along with the picture.

The last probability is carried to where optical flow says that its pixels are now, and taken in only where the picture
there looks as it did: a hand that moves too fast to be followed, or a cut, leaves no trail.
"""

from __future__ import annotations

import numpy as np

from handseg.errors import MissingExtraError

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("Smoothing", "video") from error

WORKING_WIDTH = 256  # pixels at which flow is found and the average kept
LONGEST_GAP = 0.25  # seconds; frames further apart are taken each for itself
DIFFERENCE = 10.0  # grey levels of difference at which the weight of the past has fallen to 1/e


class Smoother:
    """Holds the state of one video; feed it each frame once, in order.

    memory: weight of the past where the picture hasn't changed, in [0, 1); 0.75 averages over about four frames.
    """

    def __init__(self, memory: float = 0.75) -> None:
        if not 0 <= memory < 1:
            raise ValueError(f"memory is {memory}; it must lie in [0, 1)")
        self.memory = memory
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._time = 0.0
        self._grey: np.ndarray | None = None
        self._average: np.ndarray | None = None

    def __call__(self, image: np.ndarray, probability: np.ndarray, time: float) -> np.ndarray:
        """The smoothed probability, float32 H×W in [0, 1].

        image: RGB uint8 H×W×3. probability: float32 H×W, the network's. time: of the frame, in seconds.
        """
        height, width = probability.shape
        scale = min(1.0, WORKING_WIDTH / width)
        size = max(16, round(width * scale)), max(16, round(height * scale))
        grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        current = cv2.resize(probability, size, interpolation=cv2.INTER_AREA)
        smoothed = current
        near = 0 < time - self._time <= LONGEST_GAP
        if self._grey is not None and self._average is not None and self._grey.shape == grey.shape and near:
            past, weight = self._carry(grey)
            smoothed = current + weight * (past - current)
        self._grey, self._average, self._time = grey, smoothed, time
        # Only the change is brought back to full size, so that the network's own edges stay as fine as they were.
        change = cv2.resize(smoothed - current, (width, height), interpolation=cv2.INTER_LINEAR)
        result: np.ndarray = np.clip(probability + change, 0, 1)
        return result

    def _carry(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last average at today's places, and how far to trust it there, in [0, memory]."""
        assert self._grey is not None
        assert self._average is not None
        flow = self._flow.calc(grey, self._grey, None)  # type: ignore[call-overload]
        rows, columns = np.indices(grey.shape, np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        past = cv2.remap(self._average, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        before = cv2.remap(self._grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        # A change of exposure is none of the scene: compare without the means of the surroundings.
        residual = cv2.absdiff(_flattened(grey), _flattened(before))
        residual = cv2.blur(residual, (5, 5))
        outside = (x < 0) | (y < 0) | (x > grey.shape[1] - 1) | (y > grey.shape[0] - 1)
        weight = self.memory * np.exp(-residual / DIFFERENCE)
        return past, np.where(outside, 0, weight).astype(np.float32)


def _flattened(grey: np.ndarray) -> np.ndarray:
    """Grey levels relative to their wider surroundings, float32."""
    values = grey.astype(np.float32)
    return np.asarray(values - cv2.blur(values, (63, 63)))
