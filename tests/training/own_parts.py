"""A network, an encoder and a loss as a user writes them, in a module that handseg knows nothing of."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from handseg.nets.blocks import SegmentationNet
from handseg.training import register_encoder, register_loss, register_network


@register_network("TinyNet")
class TinyNet(SegmentationNet):
    stride = 2

    def __init__(self, out_channels: int, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.ConvTranspose2d(width, out_channels, 2, 2)

    def forward_aligned(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.relu(self.norm(self.first(x))))
        return logits


@register_encoder("tiny")
class TinyEncoder(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.channels = (width, 2 * width, 3 * width)
        self.stride = 8
        widths = (3, *self.channels)
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = torch.relu(stage(x))
            features.append(x)
        return features


@register_loss("squares")
class Squares(nn.Module):
    """Mean squared error of the probability, where hand or no hand is known."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: Tensor, allowed: Tensor) -> Tensor:
        from handseg.data.classes import HAND
        from handseg.training.losses import decided

        target, ignore = decided(allowed, HAND)
        error = (logits[:, 0].float().sigmoid() - target) ** 2
        return self.weight * (error * ~ignore).sum() / (~ignore).sum().clamp(min=1)
