"""Losses on logits, computed in float32 whatever the input's type, with an ignore mask or a set of classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handseg.data.classes import BACKGROUND, FOREARM, HAND, HANDS, UNKNOWN
from handseg.nets.registry import Registry

LOSSES = Registry("loss", "handseg.losses", ("marginal",))
register_loss = LOSSES.register


class DiceLoss(nn.Module):
    """Soft Dice loss of the hand class, per image, then the mean over the batch.

    1 − (2 Σ p·t + s) / (Σ p + Σ t + s), with p = sigmoid(logits) and the sums over an image's pixels that
    aren't ignored. Source: Milletari et al., V-Net, 3DV 2016.

    smooth: s > 0; an image without hands and without predicted hands then has loss 0.

    Shape: logits float (N, …); target (N, …), 0 or 1; ignore bool (N, …), True where a pixel doesn't count.
    Returns a float32 scalar in [0, 1].
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: Tensor, target: Tensor, ignore: Tensor | None = None) -> Tensor:
        probability = logits.float().sigmoid().flatten(1)
        target = target.float().flatten(1)
        if ignore is not None:
            keep = (~ignore).float().flatten(1)
            probability, target = probability * keep, target * keep
        overlap = (probability * target).sum(1)
        total = probability.sum(1) + target.sum(1)
        return (1 - (2 * overlap + self.smooth) / (total + self.smooth)).mean()


class CombinedLoss(nn.Module):
    """α · binary cross-entropy + (1 − α) · Dice.

    alpha: weight of the cross-entropy, in [0, 1]. The cross-entropy is the mean over all pixels of the batch
    that aren't ignored; 0 where all are. Shapes as in DiceLoss; returns a float32 scalar.
    """

    def __init__(self, alpha: float = 0.5, smooth: float = 1.0) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha}; it must lie in [0, 1]")
        self.alpha = alpha
        self.dice = DiceLoss(smooth)

    def forward(self, logits: Tensor, target: Tensor, ignore: Tensor | None = None) -> Tensor:
        bce = nn.functional.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")
        if ignore is None:
            bce = bce.mean()
        else:
            keep = ~ignore
            bce = (bce * keep).sum() / keep.sum().clamp(min=1)
        dice: Tensor = self.dice(logits, target, ignore)
        return self.alpha * bce + (1 - self.alpha) * dice


MASK_CLASSES = (BACKGROUND, HAND, FOREARM)  # of three channels of logits, in their order


class MarginalLoss(nn.Module):
    """For labels that leave some classes open: α · marginal cross-entropy + (1 − α) · Dice.

    The cross-entropy of a pixel whose label allows the set A of classes is −log Σ_{c ∈ A} p_c, p = softmax(logits):
    the likelihood of what is known, as in Fang and Li, Multi-organ segmentation over partially labeled datasets,
    IEEE TMI 2020, and Shi et al., Marginal loss and exclusion loss, MedIA 2021. Dice is the mean of two, of hand
    and of hand or forearm, each over the pixels whose label decides it.

    One channel of logits: hand against the rest; the loss is CombinedLoss over the pixels whose label decides that.
    Three: background, hand, forearm.

    Shape: logits float (N, 1 or 3, H, W); allowed uint8 (N, H, W), see `handseg.data.classes`.
    Returns a float32 scalar.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        self.combined = CombinedLoss(alpha)
        self.alpha = alpha

    def forward(self, logits: Tensor, allowed: Tensor) -> Tensor:
        if logits.shape[1] == 1:
            binary: Tensor = self.combined(logits[:, 0], *decided(allowed, HAND))
            return binary
        logits = logits.float()
        cross_entropy = marginal_cross_entropy(logits, allowed, MASK_CLASSES)
        dice = logits.new_zeros(())
        for foreground in (HAND, HAND | FOREARM):
            dice = dice + self.combined.dice(foreground_logits(logits, foreground), *decided(allowed, foreground)) / 2
        return self.alpha * cross_entropy + (1 - self.alpha) * dice


class HandClassLoss(nn.Module):
    """Marginal cross-entropy over the four classes of hand, own or other and left or right, on the pixels that are
    surely hand and of which something about that is known.

    Shape: logits float (N, 4, H, W), in the order of `handseg.data.classes.HANDS`; allowed uint8 (N, H, W).
    Returns a float32 scalar, 0 where nothing is known.
    """

    def forward(self, logits: Tensor, allowed: Tensor) -> Tensor:
        surely_hand = (allowed & ~HAND & UNKNOWN) == 0
        return marginal_cross_entropy(logits.float(), torch.where(surely_hand, allowed, HAND), HANDS)


def marginal_cross_entropy(logits: Tensor, allowed: Tensor, classes: Sequence[int]) -> Tensor:
    """Mean of −log Σ_{c ∈ A} softmax(logits)_c over the pixels whose set A leaves out some of `classes`; 0 for none.

    Shape: logits float (N, C, H, W), a channel for each of `classes`; allowed uint8 (N, H, W), sets of classes.
    """
    values = torch.tensor(classes, device=allowed.device).view(1, -1, 1, 1)
    open_classes = (allowed[:, None].int() & values) > 0
    known = ~open_classes.all(dim=1)
    likelihood = torch.logsumexp(logits.masked_fill(~open_classes, -1e4), dim=1)
    loss = torch.logsumexp(logits, dim=1) - likelihood
    return (loss * known).sum() / known.sum().clamp(min=1)


def foreground_logits(logits: Tensor, foreground: int) -> Tensor:
    """Log-odds (N, H, W) of a set of classes against the others, from logits (N, 3, H, W) of the three."""
    inside = [i for i, value in enumerate(MASK_CLASSES) if foreground & value]
    outside = [i for i in range(3) if i not in inside]
    return torch.logsumexp(logits[:, inside], dim=1) - torch.logsumexp(logits[:, outside], dim=1)


def decided(allowed: Tensor, foreground: int) -> tuple[Tensor, Tensor]:
    """Target uint8 (1 on `foreground`) and ignore bool, of sets of classes: ignored where both sides are allowed."""
    inside = (allowed & foreground) > 0
    outside = (allowed & ~foreground & UNKNOWN) > 0
    return (inside & ~outside).to(torch.uint8), inside & outside


def distillation_loss(logits: Tensor, probability: Tensor) -> Tensor:
    """Binary cross-entropy to a teacher's probabilities, the mean over pixels and over the policies both answer.

    logits: float (N, 1 or 3, H, W). probability: float (N, P, H, W) in [0, 1], of hand and, where P is 2, of hand or
    forearm. Returns a float32 scalar.
    Source: Hinton, Vinyals, Dean, Distilling the knowledge in a neural network, 2015.
    """
    logits = logits.float()
    if logits.shape[1] == 3:
        logits = torch.stack([foreground_logits(logits, HAND), foreground_logits(logits, HAND | FOREARM)], dim=1)
    shared = min(logits.shape[1], probability.shape[1])
    return nn.functional.binary_cross_entropy_with_logits(logits[:, :shared], probability[:, :shared].float())
