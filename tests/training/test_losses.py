from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.data.classes import BACKGROUND, FOREARM, HAND, HANDS, OTHER_LEFT, OWN_LEFT, OWN_RIGHT, UNKNOWN
from handseg.training.losses import (
    MASK_CLASSES,
    CombinedLoss,
    DiceLoss,
    HandClassLoss,
    MarginalLoss,
    decided,
    distillation_loss,
    foreground_logits,
)


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


def test_with_one_channel_the_marginal_loss_is_the_combined_loss_where_hands_are_decided(batch: tuple) -> None:
    logits, _ = batch
    sets = torch.tensor([HAND, OWN_LEFT, BACKGROUND, HAND | FOREARM, BACKGROUND | FOREARM, UNKNOWN], dtype=torch.uint8)
    allowed = sets[torch.randint(len(sets), (3, 8, 9))]
    target = (allowed == HAND) | (allowed == OWN_LEFT)
    ignore = (allowed == (HAND | FOREARM)) | (allowed == UNKNOWN)
    assert float(MarginalLoss()(logits[:, None], allowed)) == float(CombinedLoss()(logits, target, ignore))


def test_with_all_classes_told_the_marginal_loss_is_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, classes = torch.randn(2, 3, 5, 6), torch.randint(0, 3, (2, 5, 6))
    expected = torch.nn.functional.cross_entropy(logits, classes)
    assert float(MarginalLoss(1.0)(logits, torch.tensor(MASK_CLASSES, dtype=torch.uint8)[classes])) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_the_marginal_loss_is_minus_the_log_of_the_sum_over_what_is_allowed() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 1, 4, requires_grad=True)
    allowed = torch.tensor([[[BACKGROUND | FOREARM, HAND | FOREARM, HAND, UNKNOWN]]], dtype=torch.uint8)
    p = logits.softmax(1)[0, :, 0]
    expected = -(torch.log(p[0, 0] + p[2, 0]) + torch.log(p[1, 1] + p[2, 1]) + torch.log(p[1, 2])) / 3
    value = MarginalLoss(1.0)(logits, allowed)
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    value.backward()
    assert not logits.grad[..., 3].any()


def test_three_channels_learn_the_forearm_from_labels_that_never_name_it() -> None:
    """One image tells hand from the rest, the other skin from the rest; both together tell the forearm."""
    truth = torch.tensor([[0, 0, 1, 1, 2, 2]]).repeat(6, 1)
    hand_only = torch.where(truth == 1, HAND, BACKGROUND | FOREARM)
    skin_only = torch.where(truth == 0, BACKGROUND, HAND | FOREARM)
    logits = torch.zeros(1, 3, 6, 6, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.3)
    allowed = torch.stack([hand_only, skin_only]).to(torch.uint8)
    for _ in range(60):
        optimizer.zero_grad()
        MarginalLoss()(logits.expand(2, 3, 6, 6), allowed).backward()
        optimizer.step()
    assert torch.equal(logits.argmax(1)[0], truth)


def test_what_is_decided_and_its_odds() -> None:
    sets = [BACKGROUND, HAND, BACKGROUND | HAND, FOREARM, BACKGROUND | FOREARM, OWN_LEFT | FOREARM, UNKNOWN]
    allowed = torch.tensor(sets, dtype=torch.uint8)
    target, ignore = decided(allowed, HAND | FOREARM)
    assert target.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert ignore.tolist() == [False, False, True, False, True, False, True]
    logits = torch.randn(1, 3, 2, 2)
    p = logits.softmax(1)
    assert torch.allclose(foreground_logits(logits, HAND | FOREARM).sigmoid(), p[:, 1] + p[:, 2], atol=1e-6)


def test_whose_hand_is_learned_only_where_a_hand_is_sure_and_something_is_known() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 1, 5, requires_grad=True)
    sets = [OWN_LEFT | OWN_RIGHT, OTHER_LEFT, HAND, OWN_LEFT | FOREARM, BACKGROUND | FOREARM]
    loss = HandClassLoss()(logits, torch.tensor([[sets]], dtype=torch.uint8))
    p = logits.softmax(1)[0, :, 0]
    expected = -(torch.log(p[0, 0] + p[1, 0]) + torch.log(p[HANDS.index(OTHER_LEFT), 1])) / 2
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    loss.backward()
    assert not logits.grad[..., 2:].any()
    nothing = torch.full((1, 1, 5), HAND, dtype=torch.uint8)
    assert float(HandClassLoss()(logits, nothing).detach()) == 0


@pytest.mark.parametrize(("channels", "policies"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_imitation_is_least_where_the_probabilities_are_the_teachers(channels: int, policies: int) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, channels, 4, 5)
    p = logits.softmax(1) if channels == 3 else logits.sigmoid()
    own = [p[:, 1], p[:, 1] + p[:, 2]] if channels == 3 else [p[:, 0], p[:, 0]]
    probability = torch.stack(own[:policies], dim=1)
    logits.requires_grad_()
    loss = distillation_loss(logits, probability)
    loss.backward()
    assert logits.grad.abs().max() < 1e-6
    assert distillation_loss(logits + torch.randn(2, channels, 4, 5), probability) > loss
