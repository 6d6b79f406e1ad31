"""Datasets: one reader per layout, splits, verification, augmentation."""

from handseg.data.folder import (
    read_background,
    read_dataset,
    read_datasets,
    read_unlabelled,
)
from handseg.data.mixture import Mixture
from handseg.data.sample import Sample
from handseg.data.splits import Split

__all__ = [
    "Mixture",
    "Sample",
    "Split",
    "read_background",
    "read_dataset",
    "read_datasets",
    "read_unlabelled",
]
