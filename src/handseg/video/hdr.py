"""HDR and wide colours as the sRGB that networks learned from and everything else here expects.

The reference white of HDR, 203 cd/m² (ITU-R BT.2408), becomes SDR's white, so that all up to there looks as it should;
what is brighter, and colours beyond BT.709, are clipped.
"""

from __future__ import annotations

import numpy as np

BT2020 = 9
PQ, HLG = 16, 18  # transfers, SMPTE ST 2084 and ARIB STD-B67
WHITE = 203.0  # cd/m²
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2  # of the display that BT.2100 takes as its reference
LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
# Linear RGB of these primaries → of BT.709 (white D65 in all; ITU-R BT.2087, SMPTE EG 432-1).
TO_BT709 = {
    BT2020: [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    12: [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]],  # Display P3
}
STRIP = 1 << 18  # pixels at a time, which keeps memory small
LEVELS = np.arange(65536) / 65535
LOST = 0.49 / 255  # of a signal, on average, on FFmpeg's way to 16 bits


def has_other_gamut(primaries: int) -> bool:
    """Whether colours of these primaries are to be brought to BT.709's: it would be seen."""
    return primaries in TO_BT709


class ToSdr:
    """Brings RGB uint16 H×W×3 of a transfer (PQ, HLG, or an SDR one) and primaries to sRGB uint8."""

    def __init__(self, transfer: int, primaries: int) -> None:
        self.key = transfer, primaries
        self._is_hlg = transfer == HLG
        self._matrix = np.array(TO_BT709[primaries], np.float32).T
        signal = np.minimum(LEVELS + LOST, 1)
        if transfer == PQ:
            linear, encoded = pq_to_light(signal) / WHITE, srgb(LEVELS)
        elif transfer == HLG:
            linear, encoded = hlg_to_scene(signal), srgb(LEVELS)
        else:  # only the colours change, not the tones
            linear, encoded = signal**2.4, LEVELS ** (1 / 2.4)
        self._linear = linear.astype(np.float32)
        self._encoded = (encoded * 255).round().astype(np.uint8)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        result = np.empty(image.shape, np.uint8)
        rows = max(1, STRIP // image.shape[1])
        for top in range(0, len(image), rows):
            light = self._linear[image[top : top + rows]]
            if self._is_hlg:
                # Each channel is brightened by the whole's luminance: the system's gamma, which keeps hues.
                gain = np.power(light @ LUMINANCE, HLG_GAMMA - 1) * np.float32(HLG_PEAK / WHITE)
                light *= gain[..., None]
            light = (light @ self._matrix).clip(0, 1)
            light *= 65535
            light += 0.5
            result[top : top + rows] = self._encoded[light.astype(np.uint16)]
        return result


def pq_to_light(signal: np.ndarray) -> np.ndarray:
    """cd/m² of a PQ signal in [0, 1] (ITU-R BT.2100)."""
    root = signal ** (32 / 2523)
    light: np.ndarray = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305)
    return light


def hlg_to_scene(signal: np.ndarray) -> np.ndarray:
    """Scene light in [0, 1] of an HLG signal in [0, 1] (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def srgb(light: np.ndarray) -> np.ndarray:
    """The sRGB signal of light in [0, 1]."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
