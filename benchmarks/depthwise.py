"""Gradients of depthwise convolutions in bfloat16 on this CPU, as torch computes them and as handseg.nets.blocks does.

OMP_NUM_THREADS=1 python benchmarks/depthwise.py
"""

from __future__ import annotations

import time
from statistics import median

import torch
from torch import Tensor, nn

from handseg.nets.blocks import FastBackward

BATCH = 6
# channels, height, width, kernel, stride: of EfficientNet-Lite0 at 192×288
LAYERS = (
    (32, 96, 144, 3, 1),
    (96, 96, 144, 3, 2),
    (144, 48, 72, 3, 1),
    (144, 48, 72, 5, 2),
    (240, 24, 36, 5, 1),
    (480, 12, 18, 5, 1),
    (672, 12, 18, 5, 1),
    (1152, 6, 9, 5, 1),
)
ROUNDS = 5


def once(fast: bool, x: Tensor, weight: Tensor, stride: int) -> float:
    """CPU milliseconds of one forward and backward pass."""
    steps, padding = (stride, stride), (weight.shape[-1] // 2,) * 2
    start = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        if fast:
            y = FastBackward.apply(x, weight, steps, padding)
        else:
            y = nn.functional.conv2d(x, weight, None, steps, padding, groups=len(weight))
    y.backward(torch.ones_like(y))
    return 1000 * (time.process_time() - start)


def main() -> None:
    torch.set_num_threads(1)
    print("| channels, height, width | kernel, stride | torch, ms | handseg, ms | ratio |")
    print("| --- | --- | ---: | ---: | ---: |")
    for channels, height, width, kernel, stride in LAYERS:
        x = torch.randn(BATCH, channels, height, width, dtype=torch.bfloat16)
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
        weight = torch.randn(channels, 1, kernel, kernel, requires_grad=True)
        pairs = [(once(False, x, weight, stride), once(True, x, weight, stride)) for _ in range(ROUNDS)]
        theirs, ours = (median(column) for column in zip(*pairs))
        print(
            f"| {channels}, {height}, {width} | {kernel}, {stride} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.1f} |"
        )


if __name__ == "__main__":
    main()
