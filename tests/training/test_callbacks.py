from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.training.callbacks import moving_average


def test_a_moving_average_forgets_its_start_at_first_quickly_then_at_its_decay() -> None:
    average = torch.tensor(1.0)
    for n in range(1, 60):
        average = moving_average(0.99, average, torch.tensor(0.0), n)
    assert float(average) < 1e-6  # a constant decay of .99 would have left .55
    late = moving_average(0.99, torch.tensor(1.0), torch.tensor(0.0), 10_000)
    assert float(late) == pytest.approx(0.99)
