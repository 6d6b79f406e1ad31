"""Pictures of a result. Images RGB uint8 H×W×3, masks uint8 H×W (non-zero is hand).

An alpha is uint8 H×W: 255 where a hand covers all, 0 where none is; a mask is one with hard edges, and so is bool H×W.
ImageError is raised for arrays of another kind, or of sizes that differ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handseg.errors import ImageError
from handseg.image import blur, resize

RED = (255, 40, 40)
# Colours of a heat map from 0 to 1; after `inferno` (matplotlib), which stays readable in grey and to the colour-blind.
HEAT = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float32)
# R, G, B of index 0 (black) and of the hands after it; Okabe and Ito's eight, which the colour-blind tell apart.
COLOURS = (230, 159, 0, 86, 180, 233, 0, 158, 115, 240, 228, 66, 0, 114, 178, 213, 94, 0, 204, 121, 167, 255, 255, 255)
SOFT = 300  # a soft edge reaches some 300th of the image's longer side: a pixel or two of the network's
STRIP = 1 << 16  # pixels that are worked on at a time, as floats; all of a large image would take gigabytes
PALETTE = bytes([0, 0, 0, *(COLOURS * 32)[: 255 * 3]])


def overlay(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int] = RED, opacity: float = 0.5
) -> np.ndarray:
    """The image with the mask laid over it, and a solid outline two pixels wide."""
    _check_same_size(image, mask)
    result = image.copy()
    tint = np.array(colour, np.float32) * opacity
    edge = outline(mask)
    for rows in _strips(mask):
        inside = mask[rows] > 0
        result[rows][inside] = (image[rows][inside] * (1 - opacity) + tint).round().astype(np.uint8)
        result[rows][edge[rows]] = colour
    return result


def outline(mask: np.ndarray) -> np.ndarray:
    """bool H×W: the pixels within the mask that have a neighbour outside it, or the image, at one or two steps."""
    result = np.empty(mask.shape, bool)
    for rows in _strips(mask):
        above, below = min(2, rows.start), min(2, len(mask) - rows.stop)
        inside = np.pad(mask[rows.start - above : rows.stop + below] > 0, ((2 - above, 2 - below), (2, 2)))
        core = inside.copy()
        for axis in (0, 1):
            for step in (-2, -1, 1, 2):
                core &= np.roll(inside, step, axis)
        result[rows] = (inside & ~core)[2:-2, 2:-2]
    return result


def cutout(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGBA uint8 H×W×4: the hands, on a transparent ground."""
    _check_same_size(image, alpha)
    result = np.empty((*alpha.shape, 4), np.uint8)
    result[..., :3] = image
    result[..., 3] = alpha
    return result


def soft_alpha(probability: np.ndarray, mask: np.ndarray, threshold: float) -> np.ndarray:
    """Alpha of hands with soft edges, uint8 H×W. probability: float32 H×W in [0, 1]; mask: of the hands in it.

    Half where the probability is the threshold, and from there to all and to nothing halfway to 1 and to 0 (or as far
    on the other side, if that is nearer). Nothing lies away from the mask: specks that it leaves out stay out.
    """
    width = min(threshold, 1 - threshold)
    near = blur(mask, max(1.0, max(mask.shape) / SOFT))  # 128 along the edge
    result = np.empty(mask.shape, np.uint8)
    for rows in _strips(mask):
        ramp = np.clip((probability[rows] - threshold) / width + 0.5, 0, 1)
        outside = ramp * np.minimum(1, near[rows].astype(np.float32) / 127.5)
        result[rows] = (np.where(mask[rows] > 0, np.maximum(ramp, 0.5), outside) * 255).round()
    return result


def heatmap(image: np.ndarray, probability: np.ndarray, opacity: float = 0.7) -> np.ndarray:
    """The probability, float32 H×W in [0, 1], as colours from black over red to yellow, laid over the image in grey."""
    _check_same_size(image, probability)
    if probability.dtype.kind != "f":
        raise ImageError(f"a probability of {probability.dtype}: it must be float, 0 to 1, as that of a HandMask")
    result = np.empty_like(image)
    stops = np.arange(len(HEAT))
    for rows in _strips(probability):
        level = np.clip(probability[rows], 0, 1) * (len(HEAT) - 1)
        heat = np.stack([np.interp(level, stops, channel) for channel in HEAT.T], axis=2)
        grey = image[rows].mean(axis=2, dtype=np.float32)[..., None]
        result[rows] = (heat * opacity + grey * (1 - opacity)).round()
    return result


def indexed(regions: np.ndarray) -> np.ndarray:
    """uint8 H×W for `image.save_indexed_png` with PALETTE: of `HandMask.regions`, those that 8 bits can name."""
    return np.where(regions > 255, 0, regions).astype(np.uint8)


def blur_background(image: np.ndarray, alpha: np.ndarray, radius: float | None = None) -> np.ndarray:
    """The hands sharp, all else blurred. radius: in pixels; default: a fiftieth of the image's longer side.

    The hands are left out of what is blurred, so that no halo of theirs lies around them.
    """
    _check_same_size(image, alpha)
    radius, alpha = _radius(image, radius), _levels(alpha)
    back = blur(composite(np.zeros_like(image), image, alpha), radius)
    share = blur(255 - alpha, radius)
    for rows in _strips(alpha):
        part = np.maximum(share[rows, :, None].astype(np.float32) / 255, 1 / 255)
        back[rows] = np.clip(back[rows].astype(np.float32) / part, 0, 255).round()
    return composite(image, back, alpha)


def blur_hands(image: np.ndarray, alpha: np.ndarray, radius: float | None = None) -> np.ndarray:
    """The hands blurred, all else sharp. radius: as in `blur_background`."""
    _check_same_size(image, alpha)
    return composite(blur(image, _radius(image, radius)), image, alpha)


def replace_background(image: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The hands before another picture, RGB uint8 of any size: it is enlarged to cover the image and cut at its middle.

    For one colour give it as an array of 1×1×3.
    """
    height, width = image.shape[:2]
    scale = max(height / background.shape[0], width / background.shape[1])
    _check_same_size(background, background[..., 0])
    covering = [max(side, round(length * scale)) for side, length in zip((height, width), background.shape)]
    whole = resize(background, *covering)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return composite(image, whole[top : top + height, left : left + width], alpha)


def composite(front: np.ndarray, back: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`front` where alpha is 255, `back` where it is 0, mixed between. Raises ImageError when their sizes differ."""
    alpha = _levels(alpha)
    if not front.shape[:2] == back.shape[:2] == alpha.shape:
        sizes = ", ".join(f"{a.shape[1]}×{a.shape[0]}" for a in (front, back, alpha))
        raise ImageError(f"two images and an alpha of {sizes} pixels: resize them to one size first")
    for image in (front, back):
        _check_same_size(image, alpha)
    result = np.empty_like(front)
    for rows in _strips(alpha):
        share = alpha[rows, :, None].astype(np.float32) / 255
        result[rows] = (front[rows] * share + back[rows] * (1 - share)).round()
    return result


def _levels(alpha: np.ndarray) -> np.ndarray:
    """An alpha as uint8, of one that may be bool."""
    if alpha.dtype == bool:
        return np.asarray(alpha.view(np.uint8) * np.uint8(255))
    if alpha.dtype != np.uint8:
        raise ImageError(
            f"an alpha of {alpha.dtype}: it must be uint8, 0 to 255, as `mask` and `matte` of a HandMask, or bool"
        )
    return alpha


def _check_same_size(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise ImageError unless these are RGB uint8 H×W×3 and H×W."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"an image of {image.dtype} and shape {image.shape}: it must be RGB uint8, H×W×3")
    if image.shape[:2] != mask.shape:
        raise ImageError(
            f"an image of {image.shape[1]}×{image.shape[0]} pixels and a mask of shape {mask.shape}: "
            "they must be of one size, H×W×3 and H×W"
        )


def _strips(array: np.ndarray) -> Iterator[slice]:
    """The rows of an image, some at a time."""
    height, width = array.shape[:2]
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        yield slice(top, min(height, top + step))


def _radius(image: np.ndarray, radius: float | None) -> float:
    return max(image.shape[:2]) / 50 if radius is None else radius
