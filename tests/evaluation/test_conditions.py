from __future__ import annotations

import numpy as np
import pytest

from handseg.evaluation.conditions import conditions


def grey(value: int) -> np.ndarray:
    return np.full((100, 100, 3), value, np.uint8)


@pytest.mark.parametrize(("value", "light"), [(20, "dark"), (100, "medium"), (200, "bright")])
def test_light(value: int, light: str) -> None:
    assert conditions(grey(value), np.zeros((100, 100)))["light"] == light


@pytest.mark.parametrize(("side", "size"), [(5, "under 1 %"), (15, "1 to 4 %"), (40, "over 4 %")])
def test_the_size_is_a_hands_not_all_hands(side: int, size: str) -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[10 : 10 + side, 5 : 5 + side] = 255
    mask[10 : 10 + side, 55 : 55 + side] = 255
    assert conditions(grey(9), mask)["hand size"] == size


def test_truncation_and_no_hand() -> None:
    mask = np.zeros((100, 100), np.uint8)
    assert conditions(grey(9), mask)["truncation"] == "no hand"
    mask[40:60, 30:50] = 1
    assert conditions(grey(9), mask)["truncation"] == "whole"
    mask[60:, 40] = 1
    assert conditions(grey(9), mask)["truncation"] == "cut by the border"
