"""Masks that don't flicker: each frame's probability averaged with the last one's, moved along with the picture.

The last probability is carried to where optical flow says that its pixels are now, and taken in only where the picture
there looks as it did, in colour too (skin is often as bright as what is behind it), and where neighbours move alike: at
the edge of what moves on its own the flow is a mixture, and would carry background into a hand. So a hand that moves
too fast to be followed, or a cut, leaves no trail. What that gains: benchmarks/smoothing.py.
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
DIFFERENCE = 10.0  # levels of a channel, the mean of three, at which the weight of the past has fallen to 1/e
SHEAR = 0.5  # pixels by which the flow differs from that around it at which the weight has fallen as far
MEAN = np.full((1, 3), 1 / 3, np.float32)
AROUND = (15, 15)  # pixels; what counts as around


class Smoother:
    """Holds the state of one video; feed it each frame once, in order.

    memory: weight of the past where the picture hasn't changed, in [0, 1); 0.85 averages over about seven frames.
    """

    def __init__(self, memory: float = 0.85) -> None:
        if not 0 <= memory < 1:
            raise ValueError(f"memory is {memory}; it must lie in [0, 1)")
        self.memory = memory
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._time = 0.0
        self._grey: np.ndarray | None = None
        self._look: np.ndarray | None = None
        self._average: np.ndarray | None = None

    def __call__(self, image: np.ndarray, probability: np.ndarray, time: float) -> np.ndarray:
        """The smoothed probability, float32 H×W in [0, 1].

        image: RGB uint8 H×W×3. probability: float32 H×W, the network's. time: of the frame, in seconds.
        """
        height, width = probability.shape
        scale = min(1.0, WORKING_WIDTH / width)
        size = max(16, round(width * scale)), max(16, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey, look = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), _flattened(small)
        current = cv2.resize(probability, size, interpolation=cv2.INTER_AREA)
        smoothed = current
        near = 0 < time - self._time <= LONGEST_GAP
        if self._grey is not None and self._average is not None and self._grey.shape == grey.shape and near:
            past, weight = self._carry(grey, look)
            smoothed = current + weight * (past - current)
        self._grey, self._look, self._average, self._time = grey, look, smoothed, time
        # Only the change is brought back to full size, so that the network's own edges stay as fine as they were.
        change = cv2.resize(smoothed - current, (width, height), interpolation=cv2.INTER_LINEAR)
        result: np.ndarray = np.clip(probability + change, 0, 1)
        return result

    def _carry(self, grey: np.ndarray, look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last average at today's places, and how far to trust it there, in [0, memory]."""
        assert self._grey is not None
        assert self._look is not None
        assert self._average is not None
        flow = self._flow.calc(grey, self._grey, None)  # type: ignore[call-overload]
        rows, columns = np.indices(grey.shape, np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        past = cv2.remap(self._average, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        before = cv2.remap(self._look, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        residual = cv2.blur(cv2.transform(cv2.absdiff(look, before), MEAN), (5, 5))
        apart = flow - cv2.blur(flow, AROUND)
        shear = cv2.magnitude(apart[..., 0], apart[..., 1])
        outside = (x < 0) | (y < 0) | (x > grey.shape[1] - 1) | (y > grey.shape[0] - 1)
        weight = self.memory * np.exp(-residual / DIFFERENCE - shear / SHEAR)
        return past, np.where(outside, 0, weight).astype(np.float32)


def _flattened(image: np.ndarray) -> np.ndarray:
    """Colours relative to their wider surroundings, float32 H×W×3: a change of exposure is none of the scene."""
    values = image.astype(np.float32)
    return np.asarray(values - cv2.blur(values, (63, 63)))
