"""Losses on logits, computed in float32 whatever the input's type, with an ignore mask."""

from __future__ import annotations

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
