from __future__ import annotations

import colorsys

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[train]")

from handseg.data.recolour import glove, random_colour, shift_skin
from tests.conftest import scene


@pytest.fixture(scope="module")
def picture() -> tuple[np.ndarray, np.ndarray]:
    return scene(np.random.default_rng(0), 240, 320)


@pytest.mark.parametrize("lightness", [-30, 20])
def test_another_tone_stays_within_the_skin(picture: tuple[np.ndarray, np.ndarray], lightness: int) -> None:
    image, mask = picture
    changed = shift_skin(image, mask, lightness).astype(int) - image
    assert np.sign(changed[mask > 0].mean()) == np.sign(lightness)
    assert np.abs(changed[mask == 0]).mean() < 1
    assert np.array_equal(shift_skin(image, np.zeros_like(mask), lightness), image)


def test_a_glove_has_its_colour_and_keeps_the_shading(picture: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = picture
    inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0  # the rim is a blend
    gloved = glove(image, mask, (0.1, 0.2, 0.7))
    red, green, blue = gloved[inside].mean(0)
    assert blue > 2 * green > 2 * red
    luma = image[inside] @ np.array([0.299, 0.587, 0.114])
    assert np.corrcoef(luma, gloved[inside].mean(1))[0, 1] > 0.9
    assert np.array_equal(glove(image, mask, (0.1, 0.2, 0.7), 0.0), image)


def test_random_colours_are_of_every_hue() -> None:
    rng = np.random.default_rng(0)
    hues = [colorsys.rgb_to_hsv(*random_colour(rng))[0] for _ in range(200)]
    assert np.histogram(hues, 6, (0, 1))[0].min() > 10
