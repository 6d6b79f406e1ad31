"""Makes the pictures of docs/outputs.md: each kind of output of the example picture, at a third of its size.

python docs/images/make_outputs.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import handseg
from handseg import draw
from handseg.image import load_image, save_indexed_png

SIZE = (320, 213)
here = Path(__file__).parent
image = load_image(here.parents[1] / "examples" / "hand.jpg")
result = handseg.load()(image)
sky = np.linspace((40, 90, 200), (235, 225, 190), 213).astype(np.uint8)[:, None].repeat(320, axis=1)
pictures = {
    "mask": result.mask,
    "overlay": draw.overlay(image, result.mask),
    "matte": result.matte,
    "heatmap": draw.heatmap(image, result.probability),
    "blur": draw.blur_background(image, result.matte),
    "blur_hands": draw.blur_hands(image, result.mask, 30),
    "replaced": draw.replace_background(image, draw.soft_alpha(result.probability, result.mask, result.threshold), sky),
}
for name, picture in pictures.items():
    Image.fromarray(picture).resize(SIZE).save(here / f"output_{name}.jpg", quality=85)
alpha = draw.soft_alpha(result.probability, result.mask, result.threshold)
Image.fromarray(draw.cutout(image, alpha)).resize(SIZE).save(here / "output_cutout.png")

pair = np.hstack([image, image[:, ::-1]])  # two hands, so that one sees the values differ
regions = draw.indexed(handseg.load()(pair).regions)
save_indexed_png(here / "output_indexed.png", regions[::4, ::4], draw.PALETTE)
