"""Losses on logits, computed in float32 whatever the input's type, with an ignore mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


def unknown(channels: int, target: Tensor, policy: Tensor) -> Tensor:
    """Where a label says nothing that a network of so many channels could learn: bool (N, H, W).

    With one channel, for the hand, that is the foreground of hand+forearm labels: it may be either.
    """
    if channels > 1:
        return torch.zeros_like(target, dtype=torch.bool)
    return (target > 0) & (policy != 0)[:, None, None]


def policy_logits(logits: Tensor, policy: Tensor) -> Tensor:
    """The binary logit of "foreground" under each image's own label policy.

    A network with the channels background, hand, forearm (z_b, z_h, z_f) is trained on the marginal that a
    label knows. With the softmax probabilities P: where the forearm is background, the logit of P(hand) is
    z_h − log(e^z_b + e^z_f); where it is foreground, that of P(hand) + P(forearm) is log(e^z_h + e^z_f) − z_b.
    A network with one channel returns it as it is.

    Shape: logits (N, 1 or 3, H, W), policy int64 (N,): index in LABEL_POLICIES → float32 (N, H, W).
    """
    logits = logits.float()
    if logits.shape[1] == 1:
        return logits[:, 0]
    background, hand, forearm = logits.unbind(1)
    cut = hand - torch.logaddexp(background, forearm)
    whole = torch.logaddexp(hand, forearm) - background
    return torch.where((policy == 0)[:, None, None], cut, whole)
