"""The pictures of docs/outputs.md and of the README: what the packaged model makes of the example picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import handseg
from handseg import draw
from handseg.image import load_image, save_indexed_png
from tests.docs.blocks import ROOT

FOLDER = ROOT / "docs/images"
SIZE = (320, 213)


def make_pictures(folder: Path) -> None:
    image = load_image(ROOT / "examples/hand.jpg")
    result = handseg.load()(image)
    sky = np.linspace((40, 90, 200), (235, 225, 190), 213).astype(np.uint8)[:, None].repeat(320, axis=1)
    pictures = {
        "mask": result.mask,
        "overlay": draw.overlay(image, result.mask),
        "matte": result.matte,
        "heatmap": draw.heatmap(image, result.probability),
        "blur": draw.blur_background(image, result.matte),
        "blur_hands": draw.blur_hands(image, result.mask, 30),
        "replaced": draw.replace_background(image, result.matte, sky),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).resize(SIZE).save(folder / f"output_{name}.jpg", quality=85)
    Image.fromarray(draw.cutout(image, result.mask)).resize(SIZE).save(folder / "output_cutout.png")
    pair = np.hstack([image, image[:, ::-1]])  # two hands, so that one sees that the values differ
    regions = draw.indexed(handseg.load()(pair).regions)
    save_indexed_png(folder / "output_indexed.png", regions[::4, ::4], draw.PALETTE)
    tiles = [image, draw.overlay(image, result.mask)]
    tiles += [draw.replace_background(image, result.matte, sky), draw.blur_hands(image, result.mask, 30)]
    strip = np.hstack([np.asarray(Image.fromarray(tile).resize((480, 320))) for tile in tiles])
    Image.fromarray(strip).save(folder / "strip.jpg", quality=88)
