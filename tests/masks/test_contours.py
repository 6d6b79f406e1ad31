from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handseg.image import load_mask
from handseg.masks.contours import area, convex_hull, simplify, trace
from handseg.masks.regions import label_components
from tests.inference.test_segmenter import EXAMPLES

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))


def filled(outlines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres lie within, by the even-odd rule: an independent, slow definition."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for outline in outlines:
        for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0)):
            crosses = (y0 > y) != (y1 > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


@settings(deadline=None)
@given(MASKS)
def test_outlines_enclose_exactly_the_masks_pixels(mask: np.ndarray) -> None:
    outlines = trace(mask)
    assert np.array_equal(filled(outlines, mask.shape), mask)
    assert sum(map(area, outlines)) == mask.sum()


@settings(deadline=None)
@given(MASKS)
def test_each_region_has_one_outer_outline(mask: np.ndarray) -> None:
    outlines = trace(mask)
    assert sum(area(o) > 0 for o in outlines) == label_components(mask)[1]
    assert all(area(o) != 0 for o in outlines)
    for outline in outlines:  # corners only: no three points in a row on one line
        steps = np.diff(np.concatenate([outline, outline[:2]]), axis=0)
        assert ((steps != 0).sum(1) == 1).all()
        assert (steps[1:] * steps[:-1] == 0).all()


@settings(deadline=None)
@given(MASKS, st.floats(0.1, 4))
def test_simplifying_moves_no_point_further_than_the_tolerance(mask: np.ndarray, tolerance: float) -> None:
    for outline in trace(mask):
        simple = simplify(outline, tolerance)
        assert len(simple) <= len(outline)
        ring = np.concatenate([simple, simple[:1]]).astype(float)
        for point in outline:
            a, b = ring[:-1], ring[1:]
            chord = b - a
            t = np.clip(((point - a) * chord).sum(1) / np.maximum((chord**2).sum(1), 1e-12), 0, 1)
            assert np.hypot(*(point - a - t[:, None] * chord).T).min() <= tolerance + 1e-9


@pytest.mark.parametrize("tolerance", [1.0, 2.0])
def test_a_simplified_hand_is_the_same_hand(tolerance: float) -> None:
    mask = load_mask(EXAMPLES / "hand_mask.png") > 0
    exact = trace(mask)
    simple = [simplify(o, tolerance) for o in exact]
    again = filled(simple, mask.shape)
    assert (mask & again).sum() / (mask | again).sum() > 1 - 0.01 * tolerance
    assert sum(map(len, simple)) < sum(map(len, exact)) / 3


def test_an_empty_mask_has_no_outline() -> None:
    assert trace(np.zeros((5, 6))) == []


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(-9, 9)))
def test_a_convex_hull_holds_all_points_and_bends_one_way(points: np.ndarray) -> None:
    hull = convex_hull(points)
    assert {tuple(p) for p in hull.tolist()} <= {tuple(p) for p in points.tolist()}
    assert len({tuple(p) for p in hull.tolist()}) == len(hull)
    if len(hull) < 3:
        assert np.linalg.matrix_rank(points - points[0]) < 2
        return
    edge = np.roll(hull, -1, axis=0) - hull
    to_point = points[:, None] - hull[None]
    assert (edge[:, 0] * to_point[..., 1] - edge[:, 1] * to_point[..., 0] >= 0).all()
    following = np.roll(edge, -1, axis=0)
    assert (edge[:, 0] * following[:, 1] - edge[:, 1] * following[:, 0] > 0).all()
    assert area(hull) > 0
