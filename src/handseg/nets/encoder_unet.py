"""U-Net decoder on an EfficientNet-Lite encoder: the architecture of the default model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handseg.nets.blocks import DoubleConv, SegmentationNet, repeat, upsample_twice
from handseg.nets.efficientnet_lite import STAGES, EfficientNetLite


class DecoderStage(nn.Module):
    """Upsample ×2, concatenate the (narrowed) skip connection, DoubleConv."""

    def __init__(self, in_channels: int, skip_channels: int, narrow: int, out_channels: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(
            nn.Conv2d(skip_channels, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
        )
        self.conv = DoubleConv(in_channels + narrow, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.cat([upsample_twice(x), self.narrow(skip)], dim=1))
        return y


class ClassHead(nn.Module):
    """Whose hand, and which, from the decoder's features at 1/8 and the encoder's deepest, which see the whole scene.

    What tells one's own left hand from another's right is where it is and where its arm comes from, more than its
    looks. factor: how much smaller the deepest features are. Without batch normalisation, so that it can be trained
    beside a network that stays as it is.
    """

    def __init__(self, channels: int, deepest: int, classes: int, factor: int, width: int = 64) -> None:
        super().__init__()
        self.factor = factor
        self.scene = nn.Conv2d(deepest, width, 3, padding=1)
        self.near = nn.Conv2d(channels + width, width, 3, padding=1)
        self.wide = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor, deepest: Tensor) -> Tensor:
        scene = nn.functional.relu(self.scene(deepest))
        scene = repeat(scene, self.factor)
        x = nn.functional.relu(self.near(torch.cat([x, scene], dim=1)))
        y: Tensor = self.last(nn.functional.relu(self.wide(x)))
        return y


class EncoderUNet(SegmentationNet):
    """Logits at half resolution from four decoder stages, upsampled ×2 to the input's size.

    out_channels: channels of the logits.
    widths: of the decoder stages at 1/16, 1/8, 1/4 and 1/2. narrow: of their skip connections.
    hand_classes: further channels of logits, of whose hand it would be and which, see ClassHead.
    encoder: EfficientNet-Lite's version, lite0 or lite2. stages: of it; with 4 it ends at 1/16 and the decoder has
    three stages.
    pretrained: start the encoder from its ImageNet weights.
    frozen_norm: while training, the encoder normalises by its stored statistics and leaves them as they are.

    Any input size: `forward` pads to a multiple of the encoder's stride and crops back.
    Shape: (N, 3, H, W), RGB normalised as (x − 127) / 128 → logits (N, out_channels, H, W).
    """

    def __init__(
        self,
        out_channels: int = 1,
        widths: Sequence[int] = (96, 64, 32, 16),
        narrow: Sequence[int] = (64, 48, 32, 16),
        pretrained: bool = False,
        frozen_norm: bool = False,
        encoder: str = "lite0",
        stages: int = 7,
        hand_classes: int = 0,
    ) -> None:
        super().__init__()
        self.frozen_norm = frozen_norm
        if encoder not in STAGES:
            raise ValueError(f"encoder {encoder} is unknown; known are {', '.join(STAGES)}")
        self.encoder = EfficientNetLite(encoder, stages)
        self.stride = self.encoder.stride
        if pretrained:
            self.encoder.load_imagenet()
        *skips, deepest = self.encoder.channels
        if not len(widths) == len(narrow) == len(skips):
            raise ValueError(f"{len(skips)} decoder stages need as many widths and narrow, not {widths} and {narrow}")
        inputs = (deepest, *widths)
        self.decoder = nn.ModuleList(
            DecoderStage(*channels) for channels in zip(inputs, reversed(skips), narrow, widths, strict=False)
        )
        self.head = nn.Conv2d(widths[-1], out_channels, 1)
        self.hand_classes = hand_classes
        if hand_classes:
            self.at_eighth = self.encoder.stride.bit_length() - 5  # the decoder's stages halve the stride in turn
            self.class_head = ClassHead(widths[self.at_eighth], deepest, hand_classes, self.encoder.stride // 8)
        self.train()  # nobody else may call it before training: Lightning takes a module's mode as it is

    def train(self, mode: bool = True) -> EncoderUNet:
        super().train(mode)
        if self.frozen_norm:
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        *skips, deepest = self.encoder(x)
        x, classes = deepest, None
        for i, (stage, skip) in enumerate(zip(self.decoder, reversed(skips))):
            x = stage(x, skip)
            if self.hand_classes and i == self.at_eighth:
                classes = self.class_head(x, deepest)
        return upsample_twice(self.head(x)), classes

    def forward_aligned(self, x: Tensor) -> Tensor:
        mask, classes = self.parts(x)
        return mask if classes is None else torch.cat([mask, repeat(classes, 8)], dim=1)
