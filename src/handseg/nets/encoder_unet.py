"""U-Net decoder on an EfficientNet-Lite encoder: the architecture of the default model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handseg.nets.blocks import DoubleConv, Parts, SegmentationNet, repeat, shift_forearm, upsample
from handseg.nets.efficientnet_lite import STAGES, EfficientNetLite
from handseg.nets.registry import ENCODERS


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
        y: Tensor = self.conv(torch.cat([upsample(x), self.narrow(skip)], dim=1))
        return y


class SceneHead(nn.Module):
    """Logits at 1/8 from the decoder's features there and the encoder's deepest, which see the whole scene.

    What tells one's own left hand from another's right is where it is and where its arm comes from, more than its
    looks; what tells a forearm from a leg or a table's edge is what hangs on it. factor: how much smaller the deepest
    features are. Without batch normalisation, so that it can be trained beside a network that stays as it is.

    Shape: (N, channels, H/8, W/8) and the deepest (N, deepest, …) → (N, out_channels, H/8, W/8).
    """

    def __init__(self, channels: int, deepest: int, out_channels: int, factor: int, width: int = 64) -> None:
        super().__init__()
        self.factor = factor
        self.scene = nn.Conv2d(deepest, width, 3, padding=1)
        self.near = nn.Conv2d(channels + width, width, 3, padding=1)
        self.wide = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor, deepest: Tensor) -> Tensor:
        scene = nn.functional.relu(self.scene(deepest))
        scene = repeat(scene, self.factor)
        x = nn.functional.relu(self.near(torch.cat([x, scene], dim=1)))
        y: Tensor = self.last(nn.functional.relu(self.wide(x)))
        return y


def make_encoder(name: str, stages: int, options: Mapping[str, Any]) -> Any:
    """An `nn.Module` that makes of RGB (N, 3, H, W) features at 1/2, 1/4, … of its size; it has their `channels`, from
    the finest to the deepest, and a `stride`, of which H and W are multiples.

    Raises ValueError where there is none of that name, or it has neither.
    """
    if name in STAGES:
        if options:
            raise ValueError(f"encoder {name} takes no options, and got {', '.join(options)}")
        return EfficientNetLite(name, stages)
    encoder: Any = ENCODERS.build(name, **options)
    channels, stride = (getattr(encoder, attribute, None) for attribute in ("channels", "stride"))
    if not isinstance(channels, Sequence) or stride != 2 ** len(channels):
        raise ValueError(
            f"encoder {name}: needs `channels`, one for each halving of the image, and `stride`, 2 to the power of "
            f"their number; it has {channels} and {stride}"
        )
    return encoder


class EncoderUNet(SegmentationNet):
    """Logits at half resolution from four decoder stages, upsampled ×2 to the input's size.

    out_channels: channels of the logits.
    widths: of the decoder stages at 1/16, 1/8, 1/4 and 1/2. narrow: of their skip connections.
    hand_classes: further channels of logits, of whose hand it would be and which, see SceneHead.
    forearm_head: width of a SceneHead whose logit is added to the log-odds of forearm against background, and is 0 at
    first; 0 for none. The probability of hand is the same with and without.
    encoder: EfficientNet-Lite's version, lite0 or lite2, or the name of a registered one, which is made with
    encoder_options (`handseg.training.register_encoder`). stages: of EfficientNet-Lite; with 4 it ends at 1/16 and the
    decoder has three stages.
    pretrained: start the encoder from its ImageNet weights.
    frozen_norm: while training, the encoder normalises by its stored statistics and leaves them as they are;
    frozen_decoder_norm: the decoder too, so that it is trained as the function that is run.

    Any input size: `forward` pads to a multiple of the encoder's stride and crops back.
    Shape: (N, 3, H, W), RGB normalised as (x − 127) / 128 → logits (N, out_channels, H, W).
    """

    finest = 2

    def __init__(
        self,
        out_channels: int = 1,
        widths: Sequence[int] = (96, 64, 32, 16),
        narrow: Sequence[int] = (64, 48, 32, 16),
        pretrained: bool = False,
        frozen_norm: bool = False,
        frozen_decoder_norm: bool = False,
        encoder: str = "lite0",
        stages: int = 7,
        hand_classes: int = 0,
        forearm_head: int = 0,
        encoder_options: Mapping[str, Any] = {},
    ) -> None:
        super().__init__()
        self.frozen_norm = frozen_norm
        self.frozen_decoder_norm = frozen_decoder_norm
        self.encoder = make_encoder(encoder, stages, encoder_options)
        self.stride = self.encoder.stride
        if pretrained:
            if not hasattr(self.encoder, "load_imagenet"):
                raise ValueError(f"encoder {encoder} has no load_imagenet(); leave `pretrained` out")
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
        self.at_eighth = self.encoder.stride.bit_length() - 5  # the decoder's stages halve the stride in turn
        if (hand_classes or forearm_head) and self.at_eighth < 0:
            raise ValueError(f"hand_classes and forearm_head need more than {stages} stages of the encoder")

        def scene(channels: int, width: int = 64) -> SceneHead:
            return SceneHead(widths[self.at_eighth], deepest, channels, self.encoder.stride // 8, width)

        self.class_head = scene(hand_classes) if hand_classes else None
        self.forearm_head = scene(1, forearm_head) if forearm_head else None
        if self.forearm_head is not None:
            if out_channels != 3:
                raise ValueError("forearm_head needs logits of background, hand and forearm")
            for parameter in self.forearm_head.last.parameters():
                nn.init.zeros_(parameter)
        self.train()  # nobody else may call it before training: Lightning takes a module's mode as it is

    def train(self, mode: bool = True) -> EncoderUNet:
        super().train(mode)
        for part, frozen in ((self.encoder, self.frozen_norm), (self.decoder, self.frozen_decoder_norm)):
            for module in part.modules() if frozen else ():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def parts(self, x: Tensor) -> Parts:
        *skips, deepest = self.encoder(x)
        x, classes, forearm = deepest, None, None
        for i, (stage, skip) in enumerate(zip(self.decoder, reversed(skips))):
            x = stage(x, skip)
            if i == self.at_eighth:
                if self.class_head is not None:
                    classes = self.class_head(x, deepest)
                if self.forearm_head is not None:
                    forearm = self.forearm_head(x, deepest)
        return Parts(self.head(x), classes, None if forearm is None else upsample(forearm, 8 // self.finest))

    def forward_aligned(self, x: Tensor) -> Tensor:
        mask, classes, forearm = self.parts(x)
        mask = upsample(mask, self.finest)
        if forearm is not None:
            mask = shift_forearm(mask, upsample(forearm, self.finest))
        return mask if classes is None else torch.cat([mask, repeat(classes, 8)], dim=1)
