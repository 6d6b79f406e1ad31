"""The classic U-Net, as in the blog recipe that handseg grew out of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from handseg.nets.blocks import DoubleConv, SegmentationNet


class UNet(SegmentationNet):
    """U-Net with transposed convolutions and skip connections by concatenation.

    in_channels, out_channels: channels of the image and of the logits.
    features: widths of the encoder stages; the bottleneck has twice the last one.

    Any input size: `forward` pads to a multiple of 2**len(features) and crops back.
    Shape: (N, in_channels, H, W) → logits (N, out_channels, H, W).
    Source: Ronneberger et al., U-Net, MICCAI 2015. Defaults: 31.04 M parameters.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        features: Sequence[int] = (64, 128, 256, 512),
    ) -> None:
        super().__init__()
        widths = [in_channels, *features]
        self.widths = tuple(features)
        self.stride = 2 ** len(features)
        self.encoder = nn.ModuleList(DoubleConv(a, b) for a, b in pairwise(widths))
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = DoubleConv(features[-1], 2 * features[-1])
        upwards = [2 * features[-1], *features[::-1]]
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in pairwise(upwards))
        self.decoder = nn.ModuleList(DoubleConv(2 * f, f) for f in features[::-1])
        self.head = nn.Conv2d(features[0], out_channels, 1)

    def forward_aligned(self, x: Tensor) -> Tensor:
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for upsample, stage, skip in zip(self.upsample, self.decoder, reversed(skips)):
            x = stage(torch.cat([skip, upsample(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits
