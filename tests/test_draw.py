from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.draw import (
    PALETTE,
    blur_background,
    blur_hands,
    composite,
    cutout,
    heatmap,
    indexed,
    outline,
    overlay,
    replace_background,
)
from handseg.errors import ImageError
from handseg.image import save_indexed_png

IMAGE = np.full((20, 30, 3), 100, np.uint8)
MASK = np.zeros((20, 30), np.uint8)
MASK[5:15, 8:22] = 255


def test_an_overlay_leaves_the_background_alone() -> None:
    result = overlay(IMAGE, MASK, colour=(200, 0, 0))
    assert (result[MASK == 0] == 100).all()
    assert (result[MASK > 0] != 100).any(axis=1).all()
    assert result[10, 15].tolist() == [150, 50, 50]
    assert (IMAGE == 100).all()


def test_an_outline_is_two_pixels_inside() -> None:
    line = outline(MASK)
    expected = MASK > 0
    expected[7:13, 10:20] = False
    assert np.array_equal(line, expected)


def test_a_cutout_is_opaque_on_hands_only() -> None:
    result = cutout(IMAGE, MASK)
    assert result.shape == (20, 30, 4)
    assert np.array_equal(result[..., 3], MASK)
    assert np.array_equal(result[..., :3], IMAGE)


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_a_heat_map_grows_brighter_with_the_probability() -> None:
    probability = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    brightness = heatmap(np.zeros_like(IMAGE), probability).astype(int) @ (299, 587, 114)
    assert brightness.ravel()[0] < 3000
    assert (np.diff(brightness.ravel()[::10]) > 0).all()
    assert np.array_equal(heatmap(IMAGE, probability, opacity=0), IMAGE)


def test_a_blurred_background_leaves_the_hand_sharp_and_takes_nothing_of_it() -> None:
    image = noise()
    image[MASK > 0] = 255
    result = blur_background(image, MASK, 4)
    assert (result[MASK > 0] == 255).all()
    background = image[MASK == 0].astype(float)
    assert result[MASK == 0].std() < background.std() / 2
    assert result[MASK == 0].mean() == pytest.approx(background.mean(), rel=0.05)


def test_blurred_hands_leave_the_background_alone() -> None:
    image = noise()
    result = blur_hands(image, MASK)
    assert np.array_equal(result[MASK == 0], image[MASK == 0])
    assert blur_hands(image, MASK, 4)[MASK > 0].std() < image[MASK > 0].std() / 2


def test_another_background_covers_the_image_from_its_middle() -> None:
    background = np.zeros((10, 40, 3), np.uint8)
    background[:, 20:] = 200  # wider than the image: left and right are cut off evenly
    result = replace_background(IMAGE, MASK, background)
    assert (result[MASK > 0] == 100).all()
    assert (result[0, :13] == 0).all()
    assert (result[0, 17:] == 200).all()
    assert (replace_background(IMAGE, MASK, np.full((1, 1, 3), 7, np.uint8))[MASK == 0] == 7).all()


def test_a_matte_mixes() -> None:
    half = np.full((20, 30), 128, np.uint8)
    assert composite(IMAGE, np.zeros_like(IMAGE), half)[0, 0].tolist() == [50, 50, 50]
    with pytest.raises(ImageError, match=r"30×20, 30×20, 5×5 pixels"):
        composite(IMAGE, IMAGE, half[:5, :5])


def test_an_indexed_png_holds_one_value_a_hand(tmp_path: Path) -> None:
    regions = np.zeros((20, 30), np.int32)
    regions[2:5], regions[8:10], regions[15] = 1, 2, 300
    save_indexed_png(tmp_path / "a.png", indexed(regions), PALETTE)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        values, colours = np.array(image), np.array(image.convert("RGB"))
    assert np.array_equal(values, np.where(regions > 255, 0, regions))
    assert len(PALETTE) == 768
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert len({tuple(c) for c in (colours[0, 0], colours[3, 0], colours[9, 0])}) == 3


SIZE = (1200, 1600)
RNG = np.random.default_rng(1)
LARGE = {
    "image": RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8),
    "mask": np.where(RNG.random(SIZE) < 0.9, 255, 0).astype(np.uint8),
    "probability": RNG.random(SIZE, np.float32),
}


@pytest.mark.parametrize(
    ("draw", "second"),
    [
        (overlay, "mask"),
        (outline, "mask"),
        (cutout, "mask"),
        (heatmap, "probability"),
        (blur_background, "mask"),
        (blur_hands, "mask"),
    ],
)
def test_a_picture_takes_little_more_memory_than_itself(draw: Callable[..., np.ndarray], second: str) -> None:
    """In bytes a pixel, beyond what is given: at 48 megapixels 12 are 0.6 GB."""
    given = [LARGE["mask"]] if draw is outline else [LARGE["image"], LARGE[second]]
    tracemalloc.start()
    try:
        draw(*given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / LARGE["mask"].size < 12


def test_strips_leave_no_seams() -> None:
    """A tall, narrow image goes in strips of many rows, a wide one row by row; both as pixel by pixel."""
    for height, width in ((5, 66_000), (2000, 100)):
        image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        mask = np.where(RNG.random((height, width)) < 0.97, 255, 0).astype(np.uint8)
        inside = np.pad(mask > 0, 2)
        neighbours = [inside[2 + y : height + 2 + y, 2 : width + 2] for y in (-2, -1, 1, 2)]
        neighbours += [inside[2 : height + 2, 2 + x : width + 2 + x] for x in (-2, -1, 1, 2)]
        assert np.array_equal(outline(mask), (mask > 0) & ~np.logical_and.reduce(neighbours))
        share = mask[..., None] / np.float32(255)
        assert np.array_equal(composite(image, image[::-1], mask), np.where(share > 0.5, image, image[::-1]))
        flat = heatmap(np.zeros_like(image), (mask > 0).astype(np.float32))
        assert all((flat[where] == flat[where][0]).all() for where in (mask > 0, mask == 0))


def test_a_mask_of_bool_covers_as_one_of_255_does() -> None:
    image = noise()
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[10:30, 10:40] = 255
    for draw in (blur_hands, blur_background, lambda image, alpha: replace_background(image, alpha, image[::-1])):
        assert np.array_equal(draw(image, mask > 0), draw(image, mask))


def test_arrays_of_other_kinds_and_sizes_are_named() -> None:
    """Else an alpha of floats leaves hands that should be blurred as they are, and nothing says so."""
    image, alpha = noise(), np.full(noise().shape[:2], 255, np.uint8)
    for draw in (blur_hands, blur_background, overlay, cutout):
        with pytest.raises(ImageError, match="one size|two images"):
            draw(image[:5], alpha)
        with pytest.raises(ImageError, match="must be RGB uint8"):
            draw(image / 255, alpha)
    for draw in (blur_hands, blur_background):
        with pytest.raises(ImageError, match="an alpha of float32: it must be uint8"):
            draw(image, np.ones(alpha.shape, np.float32))
    with pytest.raises(ImageError, match="a probability of uint8"):
        heatmap(image, alpha)
