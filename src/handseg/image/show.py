"""Show images: as PIL images, which notebooks know, and in the system's picture viewer."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageShow

from handseg.errors import ImageError


def as_pil(array: np.ndarray) -> Image.Image:
    """uint8 H×W, H×W×3 or H×W×4 as a PIL image, which saves and shows itself."""
    return Image.fromarray(array)


def show(array: np.ndarray) -> None:
    """Open uint8 H×W, H×W×3 or H×W×4 in the system's picture viewer, or show it in a notebook.

    Raises ImageError where there is no viewer.
    """
    if not ImageShow.show(Image.fromarray(array)):
        raise ImageError("no program that shows pictures was found here; save them instead")
