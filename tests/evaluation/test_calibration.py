from __future__ import annotations

import numpy as np
import pytest

from handseg.evaluation.calibration import best_temperature, bin_centres, expected_calibration_error, reliability

BINS = 1001
PIXELS = np.full((1, BINS), 1_000_000.0)


def histograms(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Histograms in which a pixel of predicted probability p is hand with probability truth(p)."""
    hand = np.rint(PIXELS * truth).astype(np.int64)
    return hand, PIXELS.astype(np.int64) - hand


def test_a_calibrated_model_has_no_error() -> None:
    hand, background = histograms(bin_centres(BINS))
    assert expected_calibration_error(hand, background) == pytest.approx(0, abs=1e-4)
    assert best_temperature(hand, background) == pytest.approx(1, abs=0.02)


def test_overconfidence_shows_and_a_temperature_mends_it() -> None:
    p = np.clip(bin_centres(BINS), 1e-3, 1 - 1e-3)
    true = 1 / (1 + np.exp(-0.5 * np.log(p / (1 - p))))
    hand, background = histograms(true)
    assert expected_calibration_error(hand, background) > 0.05
    assert best_temperature(hand, background) == pytest.approx(2, rel=0.05)


def test_the_error_is_the_mean_distance_from_the_diagonal() -> None:
    hand, background = np.zeros((1, BINS), int), np.zeros((1, BINS), int)
    hand[0, 800], background[0, 800] = 60, 40  # 60 % hand where .8 was said
    background[0, 100] = 100  # none where .1 was said
    assert expected_calibration_error(hand, background) == pytest.approx((0.2 + 0.1) / 2, abs=1e-3)
    probability, fraction, pixels = reliability(hand, background)
    assert pixels.sum() == 200
    assert fraction[12] == 0.6
    assert np.isnan(probability[0])
