"""A network with everything around it that is arithmetic: what gets exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handseg.nets.blocks import SegmentationNet, repeat, upsample


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
        mask, classes, forearm = self.net.parts(self.normalise(image.permute(0, 3, 1, 2)))
        mask = upsample(mask, self.net.finest).sigmoid() if mask.shape[1] == 1 else self.both_policies(mask, forearm)
        if classes is None:
            return mask
        # Told coarsely, so that the softmax is cheap; a pixel's classes are those of its place.
        classes = classes.softmax(dim=1)
        return torch.cat([mask, repeat(classes, image.shape[1] // classes.shape[2])], dim=1)

    def both_policies(self, mask: Tensor, forearm: Tensor | None) -> Tensor:
        """Probabilities (N, 2, H, W) of hand, and of hand or forearm, from what `Parts` describes.

        As by softmax after `shift_forearm`, but in what is fast in onnxruntime and OpenVINO alike: no Softmax over
        channels, as little as possible at full size, and arithmetic with the pixels in one dimension (OpenVINO's
        kernels would else run along the channels, of which there is one).
        """
        height, width = mask.shape[2:]
        x = mask.flatten(2)
        background, hand, arm = x[:, :1], x[:, 1:2], x[:, 2:]
        odds = arm - background if forearm is None else arm - background + forearm.flatten(2)
        x = torch.cat([background - hand, arm - hand, odds], dim=1)
        x = upsample(x.reshape(-1, 3, height, width), self.net.finest)
        height, width = x.shape[2:]
        x = x.flatten(2)
        hand = 1 / (1 + x[:, :1].exp() + x[:, 1:2].exp())
        both = torch.cat([hand, hand + (1 - hand) * x[:, 2:].sigmoid()], dim=1)
        return both.reshape(-1, 2, height, width)


class BothLayouts(nn.Module):
    """What an exported TorchScript file is: a `Deployable` that also takes what most code in torch feeds a network.

    Shape: uint8 (N, H, W, 3) → what `net` returns; float RGB (N, 3, H, W) in [0, 1], any H and W → the probability of
    hand alone, float32 (N, 1, H, W). pad: pixel value that a float image is padded with to multiples of `stride`.
    """

    def __init__(self, net: nn.Module, stride: int, pad: float) -> None:
        super().__init__()
        self.net = net
        self.stride = stride
        self.pad = pad

    def forward(self, image: Tensor) -> Tensor:
        if image.dtype == torch.uint8:
            out: Tensor = self.net(image)
            return out
        height, width = image.shape[2], image.shape[3]
        pixels = image.float() * 255
        margin = [0, -width % self.stride, 0, -height % self.stride]
        pixels = torch.nn.functional.pad(pixels, margin, value=self.pad)
        hand: Tensor = self.net(pixels.permute(0, 2, 3, 1))
        return hand[:, :1, :height, :width]
