from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handseg.metrics import boundary_iou, surface_counts

MASKS = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@settings(deadline=None)
@given(MASKS, st.integers(1, 5))
def test_boundary_iou_is_that_of_iterated_erosion(masks: tuple[np.ndarray, np.ndarray], distance: int) -> None:
    """The paper's code pads with background and erodes with a 3×3 square, `distance` times."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy isn't installed: handseg[train]")
    p, t = (m & ~ndimage.binary_erosion(m, np.ones((3, 3)), distance) for m in masks)
    expected = (p & t).sum() / (p | t).sum() if (p | t).any() else 1.0
    assert boundary_iou(*masks, distance) == pytest.approx(expected)


@settings(deadline=None)
@given(MASKS, st.integers(0, 4))
def test_surface_counts_are_those_of_a_distance_transform(masks: tuple[np.ndarray, np.ndarray], tolerance: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy isn't installed: handseg[train]")

    def outline(mask: np.ndarray) -> np.ndarray:
        return mask & ~ndimage.binary_erosion(mask, border_value=1)

    p, t = map(outline, masks)
    near = 0
    if p.any() and t.any():
        near = (ndimage.distance_transform_edt(~t)[p] <= tolerance).sum()
        near += (ndimage.distance_transform_edt(~p)[t] <= tolerance).sum()
    assert surface_counts(*masks, tolerance).tolist() == [near, p.sum() + t.sum()]


def test_the_default_distance_is_two_percent_of_the_diagonal() -> None:
    mask = np.zeros((300, 400), bool)
    mask[50:250, 50:350] = True
    moved = np.roll(mask, 4, axis=1)
    assert boundary_iou(mask, moved) == boundary_iou(mask, moved, 10)
    assert boundary_iou(mask, mask) == 1
    assert boundary_iou(mask, moved) < 0.8  # where the plain IoU is .97


def test_a_shift_beyond_the_tolerance_is_seen() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    near, everything = surface_counts(mask, np.roll(mask, 3, axis=0), 2)
    assert near < everything
    near, everything = surface_counts(mask, np.roll(mask, 3, axis=0), 4)
    assert near == everything


def test_where_the_border_cuts_a_hand_there_is_no_boundary() -> None:
    assert surface_counts(np.ones((8, 9)), np.ones((8, 9)), 2).tolist() == [0, 0]


@settings(deadline=None, max_examples=40)
@given(MASKS, st.integers(0, 99), st.integers(1, 4))
def test_where_nothing_is_known_a_boundary_doesnt_count(
    masks: tuple[np.ndarray, np.ndarray], seed: int, reach: int
) -> None:
    prediction, target = masks
    known = np.random.default_rng(seed).random(target.shape) < 0.6
    for change in (lambda mask: mask & known, lambda mask: mask | ~known):
        for changed in ((change(prediction), target), (prediction, change(target))):
            assert boundary_iou(*changed, reach, known) == boundary_iou(*masks, reach, known)
            assert (surface_counts(*changed, reach, known) == surface_counts(*masks, reach, known)).all()
    assert boundary_iou(prediction, prediction & known, reach, known) == 1
    everything = np.ones_like(known)
    assert boundary_iou(*masks, reach, everything) == boundary_iou(*masks, reach)
    assert (surface_counts(*masks, reach, everything) == surface_counts(*masks, reach)).all()
