"""A network with everything around it that is arithmetic: what gets exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handseg.nets.blocks import SegmentationNet, repeat


class Normalise(nn.Module):
    """uint8 (N, 3, H, W) → float (N, 3, H, W), (x − mean) / std per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image.float() - self.mean) / self.std


class Deployable(nn.Module):
    """RGB pixels in, probabilities out: what an exported file computes.

    A network with one channel of logits gives the probability of hand; one with three (background, hand, forearm)
    gives those of hand, and of hand or forearm. Behind these come, where the network tells them apart, the
    probabilities of its hand classes, for a pixel that is hand.

    Shape: uint8 (N, H, W, 3), H and W multiples of the network's stride → float32 (N, 1 or 2 + hand classes, H, W) in
    [0, 1].
    """

    def __init__(self, net: SegmentationNet, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.net = net
        self.normalise = Normalise(mean, std)

    def forward(self, image: Tensor) -> Tensor:
        mask, classes = self.net.parts(self.normalise(image.permute(0, 3, 1, 2)))
        if mask.shape[1] == 1:
            mask = mask.sigmoid()
        else:
            probability = mask.softmax(dim=1)
            mask = torch.cat([probability[:, 1:2], 1 - probability[:, :1]], dim=1)
        if classes is None:
            return mask
        # Told coarsely, so that the softmax is cheap; a pixel's classes are those of its place.
        classes = classes.softmax(dim=1)
        return torch.cat([mask, repeat(classes, image.shape[1] // classes.shape[2])], dim=1)
