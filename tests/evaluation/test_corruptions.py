from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[train]")

from handseg.data import read_dataset
from handseg.evaluation.corruptions import CORRUPTIONS, SEVERITIES, mean_relative_drop, robustness
from handseg.inference.segmenter import Segmenter
from tests.conftest import scene
from tests.evaluation.test_evaluate import RednessEngine


@pytest.fixture(scope="module")
def picture() -> tuple[np.ndarray, np.ndarray]:
    return scene(np.random.default_rng(0), 480, 640)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_grows_with_its_severity_and_keeps_the_form(name: str, picture: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = picture
    changes = []
    for severity in SEVERITIES:
        spoilt, label = CORRUPTIONS[name](image, mask, severity, np.random.default_rng(3))
        assert spoilt.shape == image.shape
        assert spoilt.dtype == label.dtype == np.uint8
        assert set(np.unique(label)) <= {0, 255}
        assert not (label & ~mask).any()
        changes.append(np.abs(spoilt.astype(int) - image).mean())
    assert changes[0] > 0
    assert changes == sorted(changes)


@pytest.mark.parametrize("name", ["glove", "darker skin", "lighter skin"])
def test_what_is_done_to_hands_leaves_the_scene_alone(name: str, picture: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = picture
    spoilt, label = CORRUPTIONS[name](image, mask, 5, np.random.default_rng(3))
    changed = np.abs(spoilt.astype(int) - image).max(axis=2)
    assert np.array_equal(label, mask)
    assert changed[mask > 0].mean() > 20
    assert changed[mask == 0].mean() < 1


def test_only_the_occluder_takes_hands_away(picture: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = picture
    for name, corrupt in CORRUPTIONS.items():
        _, label = corrupt(image, mask, 3, np.random.default_rng(3))
        assert np.array_equal(label, mask) is (name != "occluder")


def test_robustness_is_repeatable_and_its_mean_drop_follows(dataset: Path) -> None:
    samples = read_dataset(dataset)[:2]
    segmenter = Segmenter(RednessEngine())
    first, second = robustness(segmenter, samples), robustness(segmenter, samples)
    assert first == second
    assert set(first) == set(CORRUPTIONS)
    assert first["dark"][4] == 0  # nothing is red enough any more
    assert mean_relative_drop(0.8, {"a": [0.8, 0.4], "b": [0.0, 0.4]}) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["glove", "darker skin", "lighter skin"])
def test_what_is_unknown_isnt_recoloured(picture: tuple[np.ndarray, np.ndarray], name: str) -> None:
    image, mask = picture
    unknown = np.where(mask > 0, 128, 0).astype(np.uint8)
    spoilt, label = CORRUPTIONS[name](image, unknown, 5, np.random.default_rng(3))
    assert np.abs(spoilt.astype(int) - image).max() <= 1
    assert np.array_equal(label, unknown)
