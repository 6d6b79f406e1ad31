"""The folder in which a page's blocks run: small files by the names that the pages use."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from handseg.image import load_image, save_png
from tests.conftest import scene
from tests.docs.blocks import ROOT

VIDEOS = [f"{game}_OFFICE_{pair}" for game in ("CARDS", "CHESS", "JENGA", "PUZZLE") for pair in ("B_S", "H_T")]


def make_sandbox(folder: Path) -> Path:
    """Photos, a clip, a dataset of one's own, EgoHands in its original layout. Returns the folder."""
    hand = load_image(ROOT / "examples/hand.jpg")
    (folder / "examples").mkdir(parents=True)
    for example in (ROOT / "examples").glob("*"):
        if example.is_file():
            shutil.copyfile(example, folder / "examples" / example.name)
    (folder / "photos/holiday").mkdir(parents=True)
    small = Image.fromarray(hand).resize((480, 320))
    for name in ("photo.jpg", "photos/hand.jpg", "photos/holiday/beach.jpg"):
        small.save(folder / name)
    Image.new("RGB", (480, 320), (90, 140, 220)).save(folder / "sky.jpg")
    shutil.copyfile(ROOT / "src/handseg/weights/nano.onnx", folder / "mine.onnx")
    _own_data(folder / "mydata")
    _own_data(folder / "workshop", seed=2)
    for path in sorted((folder / "workshop/images").rglob("*.png"))[:4]:
        (folder / "no_hands").mkdir(exist_ok=True)
        Image.open(path).convert("L").convert("RGB").save(folder / "no_hands" / path.name)
    _clip(folder / "clip.mp4", hand[::4, ::4])
    _egohands(folder / "egohands_data")
    return folder


def _own_data(folder: Path, seed: int = 1) -> None:
    """12 images of 4 sessions, a folder each."""
    rng = np.random.default_rng(seed)
    for i in range(12):
        for part, picture in zip(("images", "masks"), scene(rng)):
            path = folder / part / ("anna", "ben", "carla", "david")[i % 4] / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_png(path, picture)


def _clip(path: Path, image: np.ndarray) -> None:
    try:
        from tests.video.conftest import make_clip
    except BaseException:  # PyAV isn't installed: pages that use the clip will say so
        return
    height, width = image.shape[:2]
    make_clip(path, 8, size=(height, width), audio="aac", picture=lambda i: np.roll(image, 2 * i, axis=1))


def _egohands(root: Path) -> None:
    """Two frames each of eight videos, with outlines as EgoHands has them."""
    try:
        from scipy.io import savemat
    except ImportError:
        return
    rng = np.random.default_rng(3)
    for video in VIDEOS:
        folder = root / "_LABELLED_SAMPLES" / video
        folder.mkdir(parents=True)
        table = np.zeros((1, 2), [(name, "O") for name in ("myleft", "myright", "yourleft", "yourright")])
        for i in range(2):
            image, mask = scene(rng)
            Image.fromarray(image).save(folder / f"frame_{100 * i + 11:04d}.jpg", quality=95)
            y, x = np.nonzero(mask)
            around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            outline = np.column_stack(
                [x.mean() + np.cos(around) * np.ptp(x) / 2, y.mean() + np.sin(around) * np.ptp(y) / 2]
            )
            table[0, i] = (np.zeros((0, 0)), outline, np.zeros((0, 0)), np.zeros((0, 0)))
        savemat(folder / "polygons.mat", {"polygons": table})
