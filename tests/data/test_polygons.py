from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handseg.data.egohands import read_polygons, video_folders
from handseg.data.polygons import fill_polygons

skimage_draw = pytest.importorskip("skimage.draw", reason="scikit-image isn't installed: handseg[dev]")
morphology = pytest.importorskip("scipy.ndimage")


def assert_alike(polygon: np.ndarray, height: int, width: int) -> None:
    """Equal but for pixels that the polygon's boundary crosses."""
    ours = fill_polygons([polygon], height, width) > 0
    rows, columns = skimage_draw.polygon(polygon[:, 1], polygon[:, 0], (height, width))
    theirs = np.zeros((height, width), bool)
    theirs[rows, columns] = True
    different = np.argwhere(ours != theirs)[:, ::-1]
    closed = np.vstack([polygon, polygon[:1]])
    for point in different:
        a, b = closed[:-1], closed[1:]
        axis = b - a
        along = np.clip(((point - a) * axis).sum(1) / np.maximum((axis**2).sum(1), 1e-12), 0, 1)
        distance = np.abs(point - a - along[:, None] * axis).max(1).min()
        assert distance <= 1.0, f"pixel {point} differs, {distance:.2f} from the boundary"


def test_real_hands_fill_the_pixels_that_scikit_image_fills(data: Path) -> None:
    for folder in video_folders(data / "egohands")[::6]:
        for hands in read_polygons(folder / "polygons.mat")[::25]:
            for polygon in hands.values():
                assert_alike(polygon, 720, 1280)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 45), st.floats(-5, 35)), min_size=3, max_size=7))
@example([(0.0, 0.0), (0.0, 2.2250738585e-313), (1.0, 0.0)])  # an edge whose slope overflows
def test_any_polygon_fills_the_pixels_that_scikit_image_fills(points: list[tuple[float, float]]) -> None:
    assert_alike(np.array(points), 30, 40)


def test_fewer_than_three_points_fill_nothing() -> None:
    assert not fill_polygons([np.empty((0, 2)), np.array([[1.0, 1.0], [5.0, 5.0]])], 10, 10).any()
