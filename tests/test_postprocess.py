from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handseg.postprocess import binarise, label_components

ndimage = pytest.importorskip("scipy.ndimage", reason="scipy isn't installed: handseg[train]")


@settings(deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.sampled_from([0, 255])))
def test_components_are_scipys(mask: np.ndarray) -> None:
    labels, n = label_components(mask)
    expected, m = ndimage.label(mask, structure=np.ones((3, 3)))
    assert n == m
    assert ((labels > 0) == (mask > 0)).all()
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist()))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_a_probability_at_the_threshold_is_hand() -> None:
    assert binarise(np.array([[0.49, 0.5, 0.51]], np.float32), 0.5).tolist() == [[0, 255, 255]]
