"""Calibration: whether pixels called hand with probability p are hand p of the time; from histograms alone."""

from __future__ import annotations

import numpy as np

GROUPS = 15


def reliability(
    hand: np.ndarray, background: np.ndarray, groups: int = GROUPS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, fraction of hand, and number of pixels in `groups` equal ranges of probability.

    hand, background: int (n, bins), as in Evaluation. Empty ranges have NaN, NaN and 0.
    """
    positive, negative = hand.sum(0).astype(np.float64), background.sum(0).astype(np.float64)
    probability = bin_centres(len(positive))
    group = np.minimum((probability * groups).astype(int), groups - 1)

    def pooled(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, minlength=groups)

    pixels = pooled(positive + negative)
    with np.errstate(invalid="ignore"):
        return pooled((positive + negative) * probability) / pixels, pooled(positive) / pixels, pixels


def expected_calibration_error(hand: np.ndarray, background: np.ndarray, groups: int = GROUPS) -> float:
    """Mean over pixels of |mean probability − fraction of hand| of a pixel's range.

    Source: Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    probability, fraction, pixels = reliability(hand, background, groups)
    filled = pixels > 0
    return float((np.abs(probability - fraction)[filled] * pixels[filled]).sum() / max(1.0, pixels.sum()))


def best_temperature(hand: np.ndarray, background: np.ndarray) -> float:
    """The T that makes sigmoid(logit / T) most likely for the labels. Choose it on validation data only.

    Source: Guo et al., ICML 2017. Searched from 1/4 to 4 in steps of 2 %.
    """
    positive, negative = hand.sum(0).astype(np.float64), background.sum(0).astype(np.float64)
    probability = np.clip(bin_centres(len(positive)), 5e-4, 1 - 5e-4)
    logit = np.log(probability / (1 - probability))
    candidates = np.exp(np.arange(np.log(0.25), np.log(4) + 0.01, 0.02))

    def cross_entropy(temperature: float) -> float:
        scaled = logit / temperature
        return float((positive * np.logaddexp(0, -scaled) + negative * np.logaddexp(0, scaled)).sum())

    return float(min(candidates, key=cross_entropy))


def bin_centres(bins: int) -> np.ndarray:
    """Probability in the middle of each bin; the last holds exactly 1."""
    return np.minimum((np.arange(bins) + 0.5) / (bins - 1), 1.0)
