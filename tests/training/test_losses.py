from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.training.losses import CombinedLoss, DiceLoss


@pytest.fixture
def batch() -> tuple:
    torch.manual_seed(0)
    return torch.randn(3, 8, 9), torch.randint(0, 2, (3, 8, 9))


def test_dice_follows_its_formula(batch: tuple) -> None:
    logits, target = batch
    expected = 0.0
    for z, t in zip(logits, target):
        p = 1 / (1 + torch.exp(-z))
        expected += 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    assert float(DiceLoss()(logits, target)) == pytest.approx(float(expected / 3), abs=1e-6)


def test_dice_is_nothing_for_a_perfect_answer_also_without_hands() -> None:
    target = torch.zeros(2, 6, 6)
    target[0, 2:4] = 1
    assert float(DiceLoss()((target - 0.5) * 200, target)) < 1e-4


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_combined_is_the_weighted_sum(batch: tuple, alpha: float) -> None:
    logits, target = batch
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
    expected = alpha * bce + (1 - alpha) * DiceLoss()(logits, target)
    assert float(CombinedLoss(alpha)(logits, target)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("loss", [DiceLoss(), CombinedLoss()])
def test_ignored_pixels_count_for_nothing(batch: tuple, loss: torch.nn.Module) -> None:
    logits, target = (x[:1] for x in batch)
    ignore = torch.zeros(1, 8, 9, dtype=torch.bool)
    ignore[:, 5:] = True
    changed = logits.clone()
    changed[:, 5:] = 50
    changed.requires_grad_()
    value = loss(changed, target, ignore)
    assert float(value.detach()) == pytest.approx(float(loss(logits[:, :5], target[:, :5])), abs=1e-6)
    value.backward()
    assert not changed.grad[:, 5:].any()
    assert changed.grad[:, :5].any()


def test_an_image_that_is_ignored_whole_has_no_gradient(batch: tuple) -> None:
    logits, target = batch
    logits = logits.clone().requires_grad_()
    value = CombinedLoss()(logits, target, torch.ones(3, 8, 9, dtype=torch.bool))
    value.backward()
    assert float(value.detach()) == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_bfloat16_is_stable_and_close_to_float32(batch: tuple, scale: float) -> None:
    logits, target = batch
    low = (logits * scale).bfloat16().requires_grad_()
    value = CombinedLoss()(low, target)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(low.grad).all()
    assert float(value.detach()) == pytest.approx(float(CombinedLoss()(logits * scale, target)), rel=0.02)


def test_an_impossible_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in"):
        CombinedLoss(1.5)
