"""Ours against kornia: the cost of one augmented training view, in turn in one process, on one thread.

pip install 'handseg[train]' kornia
python benchmarks/augmentation.py ../shared/data/egohands_more
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
import torch

from handseg.data import read_dataset
from handseg.data.augment import Augmentation
from handseg.data.loading import Memory, TrainingData
from handseg.inference.card import ModelCard

SIZE = (192, 288)
ROUNDS = 15


def main(root: str) -> None:
    import kornia.augmentation as K

    torch.set_num_threads(1)
    memory = Memory(read_dataset(root)[:12], 640)
    everything = Augmentation(*([1.0] + [(0.7, 2.2), 25.0, 0.0, 0.1, 0.15, 0.5] + [1.0] * 7))
    ours = {
        "handseg, as trained": TrainingData(memory, ModelCard("m", SIZE), Augmentation(), 0),
        "handseg, all effects": TrainingData(memory, ModelCard("m", SIZE), everything, 0),
    }
    theirs = K.AugmentationSequential(
        K.RandomResizedCrop(SIZE, scale=(0.3, 1.0), p=1.0),
        K.RandomAffine(25.0, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=5.0, p=1.0),
        K.RandomHorizontalFlip(p=0.5),
        K.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=1.0),
        K.RandomGamma((0.5, 2.0), p=1.0),
        K.RandomGaussianBlur((5, 5), (0.4, 1.6), p=1.0),
        K.RandomGaussianNoise(std=0.03, p=1.0),
        K.RandomErasing((0.02, 0.1), p=1.0),
        data_keys=["input", "mask"],
    )
    times: dict[str, list[float]] = {name: [] for name in [*ours, "kornia, comparable effects"]}
    for turn in range(ROUNDS):
        for name, data in ours.items():
            start = time.perf_counter()
            for index in range(len(data)):
                _ = data[turn, index, index]
            times[name].append((time.perf_counter() - start) / len(data))
        start = time.perf_counter()
        for image, label in zip(memory.images, memory.labels):
            pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
            mask = torch.from_numpy(np.ascontiguousarray(label[..., 0]))[None, None].float() / 255
            theirs(pixels, mask)
        times["kornia, comparable effects"].append((time.perf_counter() - start) / len(memory.images))
    base = median(times["handseg, as trained"])
    for name, values in times.items():
        print(f"{name:30} {1000 * median(values):6.1f} ms an image, ratio {median(values) / base:4.1f}")


if __name__ == "__main__":
    main(sys.argv[1])
