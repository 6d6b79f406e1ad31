"""Corruptions: what cameras, light and people do to a picture, each in five severities, to see when a model breaks.

In the manner of Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR 2019;
the last four need the label: something before the hands, gloves, and the same scene with a darker or lighter skin.
Lengths are in thousandths of the image's diagonal, so that a severity means the same at any resolution.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import hypot

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import MissingExtraError
from handseg.evaluation.evaluate import evaluate
from handseg.image.mask_values import HAND
from handseg.inference.segmenter import Segmenter

try:
    import cv2

    from handseg.data.recolour import glove, random_colour, shift_skin
except ImportError as error:
    raise MissingExtraError("Corrupting images", "train") from error

Corruption = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
SEVERITIES = (1, 2, 3, 4, 5)


def noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian, of 6 to 45 grey levels."""
    sigma = (6, 12, 20, 30, 45)[severity - 1]
    return _bytes(image + rng.standard_normal(image.shape, np.float32) * sigma)


def low_light(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """So few photons (120 down to 4 at white) that their number shows."""
    photons = (120, 60, 25, 10, 4)[severity - 1]
    return _bytes(rng.poisson(image / 255 * photons) / photons * 255)


def defocus(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    sigma = (0.8, 1.6, 2.6, 4, 6)[severity - 1] * _unit(image)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


def motion(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Moved along a straight line in a random direction."""
    reach = (4, 8, 13, 19, 27)[severity - 1] * _unit(image) / 2
    angle = rng.uniform(0, np.pi)
    size = 2 * int(np.ceil(reach)) + 1
    kernel = np.zeros((size, size), np.float32)
    end = np.array([np.cos(angle), np.sin(angle)]) * reach
    start, stop = ((np.array([size // 2, size // 2]) + s * end).round().astype(int).tolist() for s in (-1, 1))
    cv2.line(kernel, start, stop, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def dark(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    return _bytes(image * (0.6, 0.4, 0.25, 0.16, 0.1)[severity - 1])


def bright(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Overexposed: what exceeds white is lost."""
    return _bytes(image * (1.3, 1.6, 2.0, 2.6, 3.4)[severity - 1])


def low_contrast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    mean = image.mean((0, 1))
    return _bytes(mean + (image - mean) * (0.7, 0.5, 0.35, 0.24, 0.16)[severity - 1])


def colour_cast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A wrong white balance, towards orange or blue."""
    strength = (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1] * rng.choice([-1, 1])
    return _bytes(image * np.array([1 + strength, 1, 1 - strength]))


def jpeg(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, (35, 20, 12, 8, 5)[severity - 1]])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def pixelate(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    cell = (2, 4, 6, 9, 13)[severity - 1] * _unit(image)
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, round(width / cell)), max(1, round(height / cell))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def fog(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A light grey veil, uneven."""
    height, width = image.shape[:2]
    waves = cv2.resize(rng.random((4, 5), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    density = np.clip((0.2, 0.35, 0.5, 0.62, 0.74)[severity - 1] + 0.2 * (waves - 0.5), 0, 0.95)[..., None]
    return _bytes(image * (1 - density) + 225 * density)


def occluder(
    image: np.ndarray, mask: np.ndarray, severity: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A plain bar across the picture, through the hands if there are any; what it covers is no hand."""
    height, width = mask.shape
    centre = np.array([width, height]) / 2
    if (mask == HAND).any():
        rows, columns = np.nonzero(mask == HAND)
        i = int(rng.integers(len(rows)))
        centre = np.array([columns[i], rows[i]], float)
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * 2000 * _unit(image)
    ends = [tuple((centre + s * along).round().astype(int).tolist()) for s in (-1, 1)]
    thickness = max(1, round((15, 30, 50, 75, 105)[severity - 1] * _unit(image)))
    bar = np.zeros_like(mask)
    cv2.line(bar, ends[0], ends[1], 255, thickness)
    return np.where(bar[..., None] > 0, rng.integers(0, 256, 3), image).astype(np.uint8), np.where(bar > 0, 0, mask)


def coloured_glove(
    image: np.ndarray, mask: np.ndarray, severity: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The hands as in a coloured glove: a random hue, from a hint to all of the colour."""
    return glove(image, mask == HAND, random_colour(rng), (0.2, 0.4, 0.6, 0.8, 1.0)[severity - 1]), mask


def skin(direction: int) -> Corruption:
    """The hands darker (−1) or lighter (+1) by 8 to 40 of the 100 steps of CIE L*, the scene as it was."""

    def change(
        image: np.ndarray, mask: np.ndarray, severity: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return shift_skin(image, mask == HAND, direction * 8 * severity), mask

    return change


def _whole(effect: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]) -> Corruption:
    """An effect on the picture that leaves the label as it is."""

    def corrupt(
        image: np.ndarray, mask: np.ndarray, severity: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return effect(image, severity, rng), mask

    return corrupt


CORRUPTIONS: dict[str, Corruption] = {
    **{
        effect.__name__.replace("_", " "): _whole(effect)
        for effect in (noise, low_light, defocus, motion, dark, bright, low_contrast, colour_cast, jpeg, pixelate, fog)
    },
    "occluder": occluder,
    "glove": coloured_glove,
    "darker skin": skin(-1),
    "lighter skin": skin(+1),
}


def robustness(
    segmenter: Segmenter,
    samples: Sequence[Sample],
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> dict[str, list[float]]:
    """Corruption → image IoU at severities 1 to 5. The same samples are corrupted alike for every model.

    progress: wraps the names of the corruptions.
    """
    result = {}
    for name in progress(list(CORRUPTIONS)):
        result[name] = [
            evaluate(segmenter, samples, corrupt=partial(_corrupt, name, severity)).scores()["image"]["iou"]
            for severity in SEVERITIES
        ]
    return result


def mean_relative_drop(clean: float, corrupted: dict[str, list[float]]) -> float:
    """1 − mean over corruptions and severities of image IoU / clean image IoU; negative if it got better."""
    return 1 - float(np.mean(list(corrupted.values()))) / max(clean, 1e-9)


def _corrupt(
    name: str, severity: int, sample: Sample, image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(f"{name} {sample.name}".encode()))
    return CORRUPTIONS[name](image, mask, severity, rng)


def _bytes(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _unit(image: np.ndarray) -> float:
    """A thousandth of the diagonal, in pixels."""
    return hypot(*image.shape[:2]) / 1000
