from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handseg.image import resize
from handseg.inference import postprocess
from handseg.inference.postprocess import enlarge
from handseg.masks.regions import binarise, label_components

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


@pytest.fixture(params=["OpenCV", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(postprocess, "cv2", None)
    elif postprocess.cv2 is None:
        pytest.skip("OpenCV isn't installed: handseg[video]")


@pytest.mark.usefixtures("way")
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 150), st.integers(0, 150))
def test_enlarging_is_pils(height: int, width: int, more: int, wider: int) -> None:
    small = np.random.default_rng(height * width).random((height, width), np.float32)
    large = enlarge(small, height + more, width + wider)
    assert large.dtype == np.float32
    assert large.shape == (height + more, width + wider)
    assert 0 <= large.min() <= large.max() <= 1
    assert np.abs(large - resize(small, height + more, width + wider)).max() < 1e-5


@pytest.mark.usefixtures("way")
def test_enlarging_never_leaves_0_to_1() -> None:
    above = np.nextafter(np.float32(1), np.float32(2))
    edges = np.array([[0, 1, 0], [1, 1, above]], np.float32)
    assert enlarge(edges, 77, 91).max() == 1
    assert edges.max() == above
