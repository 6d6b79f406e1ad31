"""Augmentation: one geometric warp, hands of another image, occluders, then what light, lens, sensor and codec do.

Written on OpenCV rather than taken from a library: the maintained one that fits is AGPL, another is no longer kept, and
kornia costs some three times as much on a CPU (`benchmarks/augmentation.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import cv2
import numpy as np

from handseg.data.classes import MIRRORED, NOTHING, may_be_hand, surely_hand
from handseg.data.recolour import glove, random_colour, shift_skin

cv2.setNumThreads(1)  # data loading runs beside training; OpenCV's own threads would fight it


@dataclass(frozen=True)
class Augmentation:
    """How strongly to vary an image; a probability of 0 switches a part off.

    flip: probability of a left-right flip. zoom: range of the factor on the size at which the whole image
    would have the input's area. close: probability of a window two to four times closer still, as a face sees a
    webcam. rotate: largest angle in degrees. upside_down: probability of any angle instead. shear: largest, as a
    fraction. stretch: largest change of the aspect ratio, as a fraction.
    on_hand: probability that the window is centred near a hand pixel.
    light: probability of each of gamma, contrast, brightness and colour cast. shadow, blur, noise, jpeg,
    occlude: probabilities. grey: probability of losing all colour. paste: probability that the hands of another
    image are laid over this one (Ghiasi et al., Simple Copy-Paste, CVPR 2021). skin, glove: probabilities that
    hands (and forearms) get another tone, and hands a coloured glove. hold: probability that a hand gets cards to hold.
    grip: probability that a thing lies before a palm, with fingers before it or not. dark: probability of a dim room.
    """

    flip: float = 0.5
    zoom: tuple[float, float] = (0.6, 2.0)
    close: float = 0.0
    rotate: float = 25.0
    upside_down: float = 0.05
    shear: float = 0.1
    stretch: float = 0.15
    on_hand: float = 0.5
    light: float = 0.6
    grey: float = 0.04
    shadow: float = 0.25
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.25
    occlude: float = 0.3
    paste: float = 0.0
    skin: float = 0.0
    glove: float = 0.0
    hold: float = 0.0
    grip: float = 0.0
    dark: float = 0.0

    def __call__(
        self,
        image: np.ndarray,
        label: np.ndarray,
        size: tuple[int, int],
        fill: tuple[float, float, float],
        rng: np.random.Generator,
        donor: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A random view of an image, `size` (height, width) large.

        image: RGB uint8 H×W×3. label: uint8 H×W×6, see `handseg.data.classes`. fill: the colour outside the image.
        donor: image and label whose foreground may be pasted.
        Returns image and label, the label's values 0 or 255. The same `rng` state gives the same view.
        """
        image, label = self._warp(image, label, size, fill, rng)
        if donor is not None and rng.random() < self.paste:
            cutting, cut_label = self._warp(*donor, size, fill, rng)
            image, label = paste_hands(image, label, self._relight(cutting, rng), cut_label, rng)
        if rng.random() < self.skin:
            tone = rng.uniform(-35, 20), rng.uniform(-5, 5), rng.uniform(-8, 8)
            image = shift_skin(image, label[..., 0] == 0, *tone)
        if rng.random() < self.glove:
            hands = np.where(label[..., 0] == 0, may_be_hand(label), 0)
            image = glove(image, hands, random_colour(rng), rng.uniform(0.5, 1))
        if rng.random() < self.hold:
            image, label = hold_cards(image, label, rng)
        if rng.random() < self.grip:
            image, label = grip_thing(image, label, rng, None if donor is None else donor[0])
        if rng.random() < self.occlude:
            image, label = occlude(image, label, rng)
        if rng.random() < self.shadow:
            image = cast_shadow(image, rng)
        image = self._relight(image, rng)
        if rng.random() < self.blur:
            image = blur(image, rng)
        if rng.random() < self.noise:
            image = add_noise(image, rng)
        if rng.random() < self.dark:
            image = dim(image, rng)
        if rng.random() < self.jpeg:
            image = compress(image, rng)
        return image, label

    def _warp(
        self,
        image: np.ndarray,
        label: np.ndarray,
        size: tuple[int, int],
        fill: tuple[float, float, float],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        height, width = label.shape[:2]
        zoom = exp(rng.uniform(log(self.zoom[0]), log(self.zoom[1])))
        if rng.random() < self.close:
            zoom *= exp(rng.uniform(log(2), log(4)))
        scale = zoom * sqrt(size[0] * size[1] / (height * width))
        # The point of the image that comes to the window's centre; near an edge only as far as the image fills it.
        half_w, half_h = (min(0.5, 0.5 * s / (scale * n)) for s, n in ((size[1], width), (size[0], height)))
        x = rng.uniform(half_w, 1 - half_w) * width
        y = rng.uniform(half_h, 1 - half_h) * height
        target = surely_hand(label)
        if rng.random() < self.on_hand and target.any():
            rows, columns = np.nonzero(target)
            i = int(rng.integers(len(rows)))
            jitter = rng.uniform(-0.25, 0.25, 2) * (size[1], size[0]) / scale
            x, y = columns[i] + 0.5 + jitter[0], rows[i] + 0.5 + jitter[1]
            x = min(max(x, half_w * width), (1 - half_w) * width)
            y = min(max(y, half_h * height), (1 - half_h) * height)
        angle = np.deg2rad(rng.uniform(-self.rotate, self.rotate))
        if rng.random() < self.upside_down:
            angle = rng.uniform(-np.pi, np.pi)
        shear = rng.uniform(-self.shear, self.shear)
        stretch = exp(rng.uniform(-self.stretch, self.stretch) / 2)
        mirror = -1.0 if rng.random() < self.flip else 1.0

        if scale < 0.8:  # shrink with an area filter first; a bilinear warp alone would alias
            small = max(1, round(width * scale)), max(1, round(height * scale))
            x, y = x * small[0] / width, y * small[1] / height
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            label = np.dstack([cv2.resize(part, small, interpolation=cv2.INTER_AREA) for part, _ in _parts(label)])
            scale = 1.0
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = scale * rotation @ np.array([[1, shear], [0, 1]]) @ np.diag([mirror * stretch, 1 / stretch])
        centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
        matrix = np.column_stack([linear, centre - linear @ np.array([x - 0.5, y - 0.5])])
        window = (size[1], size[0])
        image = cv2.warpAffine(image, matrix, window, flags=cv2.INTER_LINEAR, borderValue=fill)
        label = np.dstack(
            [
                cv2.warpAffine(part, matrix, window, flags=cv2.INTER_LINEAR, borderValue=outside)
                for part, outside in _parts(label)
            ]
        )
        label = np.where(label >= 128, 255, 0).astype(np.uint8)
        return image, label[..., MIRRORED] if mirror < 0 else label

    def _relight(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        ramp = np.linspace(0, 1, 256)[:, None].repeat(3, axis=1)
        if rng.random() < self.light:
            ramp = ramp ** exp(rng.uniform(-0.7, 0.7))
        if rng.random() < self.light:
            ramp = (ramp - 0.5) * exp(rng.uniform(-0.4, 0.4)) + 0.5
        if rng.random() < self.light:
            ramp = ramp + rng.uniform(-0.15, 0.15)
        if rng.random() < self.light:
            ramp = ramp * np.exp(rng.uniform(-0.2, 0.2, 3))
        table = (np.clip(ramp, 0, 1) * 255).round().astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(table[None]))
        if rng.random() < self.light:
            image = shift_saturation(image, exp(rng.uniform(-0.5, 0.4)))
        if rng.random() < self.grey:
            image = shift_saturation(image, 0.0)
        return image


def _parts(label: np.ndarray) -> list[tuple[np.ndarray, tuple[int, ...]]]:
    """A label's planes by threes, as many as OpenCV warps at once, and what they are outside the image."""
    return [(np.ascontiguousarray(label[..., i : i + 3]), NOTHING[i : i + 3]) for i in range(0, label.shape[2], 3)]


def shift_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Move every colour towards its grey (factor < 1) or away from it."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def random_blob(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 H×W, 255 inside a random star-shaped polygon of about `size` pixels across, else 0."""
    corners = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = size / 2 * rng.uniform(0.5, 1.0, corners)
    centre = rng.uniform(0, 1, 2) * (shape[1], shape[0])
    points = centre + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    blob = np.zeros(shape, np.uint8)
    cv2.fillPoly(blob, [points.round().astype(np.int32)], 255)
    return blob


def paste_hands(
    image: np.ndarray, label: np.ndarray, donor: np.ndarray, donor_label: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the labelled foreground of `donor` over `image`, its edge softened; not where it would bury the scene."""
    cut = donor_label[..., 0] == 0
    if not cut.any() or cut.mean() > 0.4:
        return image, label
    # Half a pixel inwards, so that no rim of the donor's background comes along.
    soft = cv2.GaussianBlur(cut.astype(np.float32), (0, 0), rng.uniform(0.6, 1.5))
    alpha = np.clip(1.5 * soft - 0.5, 0, 1)[..., None]
    mixed = (donor * alpha + image * (1 - alpha)).astype(np.uint8)
    return mixed, np.where(cut[..., None], donor_label, label)


def occlude(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lay one to three objects over the scene, textured by another part of it or plain; hands under them are gone."""
    image, label = image.copy(), label.copy()
    height, width = label.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        blob = random_blob((height, width), rng.uniform(0.08, 0.35) * min(height, width), rng) > 0
        if rng.random() < 0.5:
            shift = rng.integers(height // 4, 3 * height // 4), rng.integers(width // 4, 3 * width // 4)
            texture = np.roll(image, shift, axis=(0, 1))
            blob &= np.roll(may_be_hand(label), shift, axis=(0, 1)) == 0  # never paste a hand as an object
            image[blob] = texture[blob]
        else:
            image[blob] = rng.integers(0, 256, 3)
        label[blob] = NOTHING
    return image, label


def hold_cards(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lay a fan of one to four cards, or sheets, behind a hand, as if it held them; what they hide is no hand."""
    hand = np.where(may_be_hand(label) > 0, 255, 0).astype(np.uint8)
    rows, columns = np.nonzero(surely_hand(label))
    if not len(rows):
        return image, label
    _, regions = cv2.connectedComponents(hand)
    i = int(rng.integers(len(rows)))
    held = np.array([columns[i], rows[i]])  # where the cards meet
    long = sqrt(np.count_nonzero(regions == regions[rows[i], columns[i]])) * rng.uniform(0.6, 1.4)
    wide = long * rng.uniform(0.6, 0.8)
    angle, step = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.4)
    paper = rng.integers(200, 256, 3) if rng.random() < 0.6 else rng.integers(0, 256, 3)
    laid, cards = image.copy(), np.zeros_like(hand)
    for card in range(int(rng.integers(1, 5))):
        along = np.array([np.cos(angle + card * step), np.sin(angle + card * step)])
        across = np.array([-along[1], along[0]]) * wide / 2
        corners = held + np.array([-across, across, across + long * along, long * along - across]) - 0.15 * long * along
        outline = corners.round().astype(np.int32)
        cv2.fillPoly(laid, [outline], paper.tolist())
        cv2.polylines(laid, [outline], True, (paper * 0.6).tolist(), 1, cv2.LINE_AA)
        cv2.fillPoly(cards, [outline], 255)
        for _ in range(int(rng.integers(0, 6))):  # what is printed on it
            spot = held + along * long * rng.uniform(0.2, 0.75) + across * rng.uniform(-0.7, 0.7)
            ink = (rng.integers(120, 256), 0, 0) if rng.random() < 0.5 else rng.integers(0, 120, 3)
            cv2.circle(laid, spot.round().astype(int).tolist(), max(1, round(long * 0.06)), [int(c) for c in ink], -1)
    alpha = cv2.GaussianBlur(np.where(hand, 0, cards), (0, 0), 0.7)[..., None] / np.float32(255)
    mixed = (laid * alpha + image * (1 - alpha)).round().astype(np.uint8)
    return mixed, np.where(((cards > 0) & (hand == 0))[..., None], np.array(NOTHING, np.uint8), label)


def grip_thing(
    image: np.ndarray, label: np.ndarray, rng: np.random.Generator, texture: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lay a long thing (a cup, a phone, a block) across a hand; half of the time its fingers lie before the thing.

    texture: RGB uint8, any size, a piece of which the thing may look like; None: it is of one colour, shaded.
    """
    hand = np.where(may_be_hand(label) > 0, 255, 0).astype(np.uint8)
    rows, columns = np.nonzero(hand)
    if not len(rows):
        return image, label
    _, regions = cv2.connectedComponents(hand)
    i = int(rng.integers(len(rows)))
    region = (regions == regions[rows[i], columns[i]]).astype(np.uint8)
    extent = sqrt(np.count_nonzero(region))
    long, wide = extent * rng.uniform(0.7, 1.6), extent * rng.uniform(0.25, 0.7)
    if min(long, wide) < 3:
        return image, label
    angle = rng.uniform(0, 180)
    thing = np.zeros_like(hand)
    centre = (float(columns[i]), float(rows[i]))
    if rng.random() < 0.4:
        cv2.ellipse(thing, (centre, (long, wide), angle), 255, -1)
    else:
        cv2.fillPoly(thing, [cv2.boxPoints((centre, (long, wide), angle)).round().astype(np.int32)], 255)
    laid = _surface(image.shape[:2], angle, rng, texture)
    if rng.random() < 0.5:  # fingers are what is thinner than the palm
        radius = max(1, round(extent * rng.uniform(0.12, 0.2)))
        palm = cv2.morphologyEx(
            region, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        )
        thing[(region > 0) & (palm == 0)] = 0
    alpha = cv2.GaussianBlur(thing, (0, 0), 0.7)[..., None] / np.float32(255)
    mixed = (laid * alpha + image * (1 - alpha)).round().astype(np.uint8)
    return mixed, np.where((thing > 0)[..., None], np.array(NOTHING, np.uint8), label)


def _surface(shape: tuple[int, int], angle: float, rng: np.random.Generator, texture: np.ndarray | None) -> np.ndarray:
    """RGB uint8 of `shape`: a piece of a picture, or a colour that is lighter to one side, as a round thing's is."""
    height, width = shape
    if texture is not None and rng.random() < 0.5:
        part_h, part_w = (max(2, round(n * rng.uniform(0.1, 0.5))) for n in texture.shape[:2])
        top, left = int(rng.integers(texture.shape[0] - part_h + 1)), int(rng.integers(texture.shape[1] - part_w + 1))
        return np.asarray(cv2.resize(texture[top : top + part_h, left : left + part_w], (width, height)))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = np.deg2rad(angle)
    across = (y * np.cos(turn) - x * np.sin(turn)) / max(shape)
    shade = 1 + rng.uniform(0, 0.4) * np.sin(2 * np.pi * (rng.uniform(2, 6) * across + rng.random()))
    return np.asarray(np.clip(rng.integers(10, 246, 3) * shade[..., None], 0, 255).astype(np.uint8))


def dim(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dim room: a twelfth to half of the light, of one lamp's colour, and the noise of a sensor that is turned up."""
    light = exp(rng.uniform(log(0.08), log(0.5))) * rng.uniform([0.9, 0.75, 0.5], [1.1, 1.0, 1.1])
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, 6))
    dark: np.ndarray = np.clip(image * light.astype(np.float32) + noise, 0, 255).astype(np.uint8)
    return dark


def cast_shadow(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darken a soft-edged region."""
    shape = image.shape[:2]
    blob = random_blob(shape, rng.uniform(0.5, 1.5) * max(shape), rng)
    soft = cv2.GaussianBlur(blob, (0, 0), rng.uniform(1, 12)).astype(np.float32) / 255
    factor = 1 - rng.uniform(0.2, 0.65) * soft
    return (image * factor[..., None]).astype(np.uint8)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or moved along a line of up to 9 pixels."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    length = int(rng.integers(3, 10))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = np.round([middle - offset, middle + offset]).astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sensor noise: Gaussian, a standard deviation of 2 to 16 grey levels, stronger in the dark half of the time."""
    sigma = exp(rng.uniform(log(2), log(16)))
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(sigma)
    if rng.random() < 0.5:
        noise *= 1.3 - image.astype(np.float32) / 255
    noisy: np.ndarray = np.clip(image + noise, 0, 255).astype(np.uint8)
    return noisy


def compress(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG at a quality of 20 to 80."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 81))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
