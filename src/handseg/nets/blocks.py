"""Building blocks shared by the networks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice: 3×3 convolution, batch normalisation, ReLU. Keeps height and width.

    Shape: (N, in_channels, H, W) → (N, out_channels, H, W).
    Source: Ronneberger et al., U-Net, MICCAI 2015 (batch normalisation added).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class FastBackward(torch.autograd.Function):
    """A depthwise convolution whose gradients are computed in float32.

    On a CPU, torch's bfloat16 kernels for them take up to five times as long when the stride is 2 or the kernel 5×5
    (benchmarks/depthwise.py); the forward pass is as fast as it should be.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return nn.functional.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        to_input, to_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].to(torch.float32, memory_format=torch.channels_last),
            x.to(torch.float32, memory_format=torch.channels_last),
            weight.float(),
            None,
            ctx.stride,
            ctx.padding,
            (1, 1),
            False,
            (0, 0),
            len(weight),
            wanted,
        )
        return (
            None if to_input is None else to_input.to(x.dtype),
            None if to_weight is None else to_weight.to(weight.dtype),
            None,
            None,
        )


class SamePadConv(nn.Conv2d):
    """Convolution without bias and with TensorFlow's "SAME" padding for even inputs.

    At stride 2 that padding is asymmetric: kernel 3 pads (0, 1), kernel 5 pads (1, 2). Weights trained
    that way see their features shifted by half a pixel a stage under symmetric padding.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        total = kernel - stride
        before, after = total // 2, total - total // 2
        self.same_padding = (before, after, before, after)
        if before == after:
            self.padding = (before, before)
            self.same_padding = (0, 0, 0, 0)
        self.slow_backward = groups > 1 and (stride > 1 or kernel > 3)

    def forward(self, input: Tensor) -> Tensor:
        if any(self.same_padding):
            input = nn.functional.pad(input, self.same_padding)
        if self.slow_backward and self.training and input.is_cpu and torch.is_autocast_enabled("cpu"):
            y: Tensor = FastBackward.apply(  # type: ignore[no-untyped-call]
                input, self.weight, self.stride, self.padding
            )
            return y
        return super().forward(input)


class ConvNorm(nn.Module):
    """Convolution (SAME padding), batch normalisation and, unless `linear`, ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = SamePadConv(in_channels, out_channels, kernel, stride, groups)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.activation = nn.Identity() if linear else nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


class Parts(NamedTuple):
    """What a network computes, not yet put together.

    mask: logits (N, 1 or 3, H / finest, W / finest), to be enlarged bilinearly. classes: logits of the hand classes,
    (N, 4, …), perhaps coarser, to be repeated, or None. forearm: as large as mask with one channel, to be added to the
    log-odds of forearm against background, or None.
    """

    mask: Tensor
    classes: Tensor | None = None
    forearm: Tensor | None = None


class SegmentationNet(nn.Module):
    """Base of all networks: RGB in, logits of the same height and width out.

    A subclass implements `forward_aligned` for sizes that are multiples of `stride`; `forward` takes any
    size: it pads below and to the right with zeros and crops the logits back.

    hand_classes: how many of the last channels of logits say whose hand it would be, and which. finest: how much
    smaller than the input the mask's logits are in `parts`.
    """

    stride: int
    finest: int = 1
    hand_classes: int = 0

    def forward_aligned(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def parts(self, x: Tensor) -> Parts:
        """What `forward_aligned` puts together."""
        return Parts(self.forward_aligned(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, out_channels, H, W) float for normalised RGB (N, in_channels, H, W), any H and W ≥ 1."""
        height, width = x.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            x = nn.functional.pad(x, (0, right, 0, below))
        return self.forward_aligned(x)[..., :height, :width]


def upsample(x: Tensor, factor: int = 2) -> Tensor:
    """Bilinear enlargement, pixel centres aligned as in image resizing (align_corners=False)."""
    if factor == 1:
        return x
    return torch.nn.functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def repeat(x: Tensor, factor: int) -> Tensor:
    """Nearest-neighbour enlargement: each pixel `factor` times in both directions."""
    return torch.nn.functional.interpolate(x, scale_factor=float(factor), mode="nearest")


def shift_forearm(mask: Tensor, forearm: Tensor) -> Tensor:
    """Logits of background, hand, forearm, with `forearm` (N, 1, H, W) added to the log-odds of forearm against
    background, in float32. The softmax of hand stays as it is: what the other two have together is divided anew.

    Shape: (N, 3, H, W) → (N, 3, H, W).
    """
    softplus = nn.functional.softplus
    background, hand, arm = (mask[:, i : i + 1].float() for i in range(3))
    odds = arm - background
    either = background + softplus(odds)
    odds = odds + forearm.float()
    return torch.cat([either - softplus(odds), hand, either - softplus(-odds)], dim=1)


def normalised_convolutions(net: nn.Module) -> Iterator[tuple[str, nn.Conv2d, str, nn.BatchNorm2d]]:
    """Each convolution with batch normalisation behind it: both with their dotted names in `net`."""
    for parent, module in net.named_modules():
        prefix = f"{parent}." if parent else ""
        for (name, conv), (after, norm) in pairwise(module.named_children()):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield f"{prefix}{name}", conv, f"{prefix}{after}", norm
