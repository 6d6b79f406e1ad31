from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.data import read_dataset
from handseg.data.verify import verify
from handseg.errors import DataError
from handseg.image import load_mask, save_png


def test_good_data_passes(dataset: Path) -> None:
    verify(read_dataset(dataset))


def test_no_data_is_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        verify([])


def test_masks_of_two_kinds_are_named(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[4]
    save_png(mask, load_mask(mask) // 255)
    with pytest.raises(DataError, match=rf"{mask.name}: holds 0 and 1"):
        verify(read_dataset(dataset))


def test_masks_of_zero_and_one_alone_are_fine(dataset: Path) -> None:
    for mask in (dataset / "masks").iterdir():
        save_png(mask, load_mask(mask) // 255)
    verify(read_dataset(dataset))


def test_masks_of_one_bit_go_with_masks_of_0_and_255(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[4]
    Image.fromarray(load_mask(mask) > 0).save(mask)
    with Image.open(mask) as written:
        assert written.mode == "1"
    verify(read_dataset(dataset))


def test_only_empty_masks_are_refused(dataset: Path) -> None:
    for mask in (dataset / "masks").iterdir():
        save_png(mask, np.zeros((72, 96), np.uint8))
    with pytest.raises(DataError, match="not one of 12 masks has a hand"):
        verify(read_dataset(dataset))


def test_a_lossy_mask_is_named(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[2]
    save_png(mask, np.random.default_rng(0).integers(0, 256, (72, 96), dtype=np.uint8))
    with pytest.raises(DataError, match=f"{mask.name}: .* must be lossless"):
        verify(read_dataset(dataset))


def test_another_size_is_named(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[2]
    save_png(mask, np.zeros((10, 10), np.uint8))
    with pytest.raises(DataError, match=f"{mask.name}: the mask has 10×10 pixels"):
        verify(read_dataset(dataset))
