"""Makes docs/images/example.jpg: the example picture beside its overlay.

python docs/images/make_example.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import handseg
from handseg.draw import overlay
from handseg.image import load_image

here = Path(__file__).parent
image = load_image(here.parents[1] / "examples" / "hand.jpg")
result = handseg.load()(image)
pair = np.hstack([image, overlay(image, result.mask)])
Image.fromarray(pair).resize((1200, 400)).save(here / "example.jpg", quality=88)
