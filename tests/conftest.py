"""Shared fixtures: the real data beside the project, and small rendered scenes where a test needs to make its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from handseg.image import save_png

DATA = Path(os.environ.get("HANDSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real labelled images."""
    if not (DATA / "egohands").is_dir():
        pytest.skip(f"no real data at {DATA}; set HANDSEG_DATA")
    return DATA


@pytest.fixture(scope="session")
def torch():
    """torch on one thread, which is kinder to whatever else runs."""
    module = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
    module.set_num_threads(1)
    return module


def scene(rng: np.random.Generator, height: int = 72, width: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A skin-coloured ellipse on a noisy ground: RGB uint8 H×W×3 and its mask uint8 H×W."""
    y, x = np.mgrid[0:height, 0:width]
    cy, cx = rng.uniform(0.25, 0.75, 2) * (height, width)
    ry, rx = rng.uniform(0.12, 0.25, 2) * (height, width)
    inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1
    image = rng.integers(40, 140, (height, width, 3))
    image[inside] = rng.integers(-15, 15, (int(inside.sum()), 3)) + np.array([220, 160, 130])
    return image.astype(np.uint8), np.where(inside, 255, 0).astype(np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder with images/ and masks/ of 12 scenes, in 6 EgoHands sessions by their names."""
    rng = np.random.default_rng(0)
    videos = [f"{game}_OFFICE_{pair}" for game in ("CARDS", "CHESS", "JENGA") for pair in ("B_S", "H_T")]
    for i in range(12):
        image, mask = scene(rng)
        name = f"{videos[i % 6]}_frame_{i:04d}.png"
        save_png(tmp_path / "set" / "images" / name, image)
        save_png(tmp_path / "set" / "masks" / name, mask)
    return tmp_path / "set"
