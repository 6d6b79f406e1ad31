from __future__ import annotations

import numpy as np

from handseg.draw import cutout, outline, overlay

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
