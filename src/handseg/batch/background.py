"""What hands are put before: one colour, or a picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handseg.errors import ImageError
from handseg.image import load_image, parse_colour


@dataclass(frozen=True, eq=False)
class Background:
    """name: tells it from others: a colour as #rrggbb, or a file's name and a hash of its pixels.

    picture: RGB uint8 H×W×3, or 1×1×3 of one colour; see `draw.replace_background`.
    """

    name: str
    picture: np.ndarray

    @classmethod
    def read(cls, text: str) -> Background:
        """Of a colour as CSS writes it (`white`, `#00b140`), or the path of a picture.

        Raises ImageError when it is neither.
        """
        colour = parse_colour(text)
        if colour is not None:
            return cls("#{:02x}{:02x}{:02x}".format(*colour), np.full((1, 1, 3), colour, np.uint8))
        path = Path(text)
        if not path.is_file():
            raise ImageError(f"background {text}: neither a colour, as white or #ff8800, nor a picture that is there")
        picture = load_image(path)
        content = hashlib.blake2b(picture.tobytes(), digest_size=8).hexdigest()
        return cls(f"{path.name} ({content})", picture)
