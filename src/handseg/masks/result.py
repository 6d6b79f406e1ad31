"""HandMask: what a Segmenter returns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from handseg import draw
from handseg.errors import ImageError
from handseg.image import ImageLike, as_pil, encode_png, load_image, resize, save_png, show
from handseg.masks.contours import area as outline_area
from handseg.masks.contours import simplify, trace
from handseg.masks.hand import Hand, measure
from handseg.masks.instances import Instance, Instances
from handseg.masks.owners import mean_classes
from handseg.masks.pieces import join_pieces
from handseg.masks.polygons import TOLERANCE, polygons
from handseg.masks.regions import Runs, binarise, components
from handseg.masks.touching import split_touching

if TYPE_CHECKING:
    from PIL.Image import Image

    from handseg.masks.interop import Detections, Tensor

PREVIEW = 1024  # pixels, the longer side of what a notebook shows
MIN_AREA = 2e-4  # of the image's area; less is a speck, no hand
ROUNDING = 1e-6  # of a mean of float32
ABOVE = 0.1  # the threshold: what the mean probability of a region must reach,
ENOUGH = 0.7  # but no more than this, for a higher threshold asks for enough


def default_min_confidence(threshold: float) -> float:
    """The least mean probability of a hand where none is asked for: 0.7 at the packaged models' threshold of 0.6."""
    return max(threshold, min(threshold + ABOVE, ENOUGH))


@dataclass(frozen=True, eq=False)
class HandMask:
    """The hands in one image, at the image's own height and width.

    There is one list of them: `hands`. Everything else shows the same: `mask` is their union, `regions` numbers them,
    `instances` holds them for other tools' formats.

    probability: float32 H×W in [0, 1]. threshold: a pixel may be hand from this probability on. classes: float32 4×h×w,
    of each of `HAND_CLASSES` the probability for a pixel that is hand, over the whole image at the network's
    resolution; None where the model doesn't tell. min_area: of the image's area; a connected region of fewer pixels is
    no hand. min_confidence: mean probability; a region below it is none either; None: `default_min_confidence`. With 0
    for both the mask is all that reaches the threshold. image: RGB uint8 H×W×3, what the hands were found in, not a
    copy; None where the result was made without.

    `print(result)` says how large it is and how many hands it holds; a notebook shows them.
    """

    probability: np.ndarray
    threshold: float
    classes: np.ndarray | None = None
    min_area: float = MIN_AREA
    min_confidence: float | None = None
    image: np.ndarray | None = None

    def __repr__(self) -> str:
        height, width = self.probability.shape
        count = len(self.hands)
        return f"<HandMask {height}×{width}, {count} hand{'s' * (count != 1)}>"

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the overlay, or the mask where there is no image, at most PREVIEW pixels large."""
        height, width = self.probability.shape
        scale = min(1.0, PREVIEW / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        mask = resize(self.mask, *size, nearest=True)
        return encode_png(mask if self.image is None else draw.overlay(resize(self.image, *size), mask))

    @cached_property
    def mask(self) -> np.ndarray:
        """uint8 H×W: 255 on hands, else 0."""
        if self._keeps_all:
            return binarise(self.probability, self.threshold)
        return self._kept[1]

    @property
    def matte(self) -> np.ndarray:
        """uint8 H×W: the probability, 0 to 255, for soft edges."""
        return np.asarray((self.probability * 255).round().astype(np.uint8))

    @cached_property
    def regions(self) -> np.ndarray:
        """int32 H×W: i + 1 on the pixels of `hands[i]`, else 0."""
        return self._runs.paint()

    @property
    def class_map(self) -> np.ndarray:
        """uint8 H×W: on each of `hands` 1 + the index in `HAND_CLASSES` of its likeliest class, trusted or not; 0
        elsewhere, or where the model doesn't tell."""
        values = np.zeros(self._runs.count + 1, np.uint8)
        if self._classes is not None:
            values[1:] = self._classes.argmax(1) + 1
        return np.asarray(values[self.regions])

    @cached_property
    def _kept(self) -> tuple[Runs, np.ndarray]:
        """The connected regions that are no specks, and the mask of them."""
        mask = binarise(self.probability, self.threshold)
        found = join_pieces(components(mask), self.probability, self.threshold)
        area = found.areas
        kept = (area >= self._least_area) & (found.sums(self.probability) >= (self.least_confidence - ROUNDING) * area)
        if self._keeps_all or kept.all():
            return found, mask
        found = found.chosen(np.flatnonzero(kept) + 1)
        return found, found.mask()

    @property
    def _keeps_all(self) -> bool:
        return self._least_area <= 1 and self.least_confidence <= self.threshold

    @property
    def _least_area(self) -> float:
        return self.min_area * self.probability.size

    @property
    def least_confidence(self) -> float:
        """`min_confidence`, or its default."""
        return default_min_confidence(self.threshold) if self.min_confidence is None else self.min_confidence

    @cached_property
    def _runs(self) -> Runs:
        """The regions, cut where hands touch, largest first."""
        runs = self._kept[0]
        if self.classes is not None and runs.count:
            runs = split_touching(runs, self.classes, self.probability, self._least_area, self.least_confidence)
        return runs.chosen(np.argsort(-runs.areas, kind="stable") + 1)

    @cached_property
    def _classes(self) -> np.ndarray | None:
        """float64 (n, 4): of each region the mean probability of each hand class; None where the model doesn't tell."""
        return None if self.classes is None else mean_classes(self._runs, self.classes)

    @cached_property
    def hands(self) -> list[Hand]:
        """The hands, largest first."""
        return measure(self._runs, self.probability, self._classes)

    @property
    def instances(self) -> Instances:
        """`hands`, with their pixels, as `handseg.formats` takes them."""
        items = [Instance(hand.box, self._region(i), hand.confidence) for i, hand in enumerate(self.hands)]
        height, width = self._runs.shape
        return Instances(height, width, tuple(items))

    def contours(self, tolerance: float = 0.0) -> list[list[np.ndarray]]:
        """Of each hand the outlines along the edges of its pixels: (n, 2) arrays of (x, y), as `contours.trace` gives.

        The largest, which is around it, comes first, then those of its holes. tolerance: pixels by which a simplified
        outline may stray; 0: exact.
        """
        found = []
        for i, hand in enumerate(self.hands):
            outlines = [simplify(o + hand.box[:2], tolerance) for o in trace(self._region(i))]
            found.append(sorted(outlines, key=lambda o: -outline_area(o)))
        return found

    def polygons(self, tolerance: float = TOLERANCE) -> list[list[np.ndarray]]:
        """Of each hand its polygons without holes, float64 (n, 2) of (x, y), as `polygons.polygons` gives."""
        return [[p + hand.box[:2] for p in polygons(self._region(i), tolerance)] for i, hand in enumerate(self.hands)]

    def overlay(self, image: ImageLike | None = None) -> Image:
        """The image with the hands laid over it, as a PIL image: `result.overlay().save("overlay.png")`.

        image: in place of the one that the hands were found in. Raises ImageError where that isn't known, or for one of
        another size.
        """
        return as_pil(draw.overlay(self._picture(image), self.mask))

    def cutout(self, image: ImageLike | None = None) -> Image:
        """The hands on a transparent ground, as a PIL image in RGBA: `result.cutout().save("hands.png")`.

        image, errors: as for `overlay`.
        """
        return as_pil(draw.cutout(self._picture(image), self.mask))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the mask as a PNG file, 8-bit, 0 or 255; it appears whole or not at all.

        Raises ImageError for another kind of file, which might blur it.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise ImageError(
                f"{path}: a mask is written as PNG, which keeps it exact; name it {path.with_suffix('.png').name}, or "
                "write a picture of it with result.overlay().save(path)"
            )
        save_png(path, self.mask)

    def show(self) -> None:
        """Open the overlay in the system's picture viewer, or in the notebook; the mask where there is no image.

        Raises ImageError where there is no viewer.
        """
        show(self.mask if self.image is None else draw.overlay(self.image, self.mask))

    def _picture(self, given: ImageLike | None) -> np.ndarray:
        if given is None and self.image is None:
            raise ImageError("this result doesn't hold its image; name it, as result.overlay(image)")
        image = self.image if given is None else load_image(given)
        assert image is not None
        if image.shape[:2] != self.probability.shape:
            sizes = " and ".join(f"{a.shape[1]}×{a.shape[0]}" for a in (image, self.probability))
            raise ImageError(f"the image and the result are {sizes} pixels large; give the image it was made from")
        return image

    def to_supervision(self) -> Detections:
        """The hands as `supervision.Detections`: boxes, masks and confidences; class 0, "hand".

        Raises MissingExtraError where supervision isn't installed.
        """
        from handseg.masks.interop import to_supervision

        return to_supervision(self.hands, self.regions)

    def to_torch(self, what: Literal["mask", "probability"] = "mask") -> Tensor:
        """The mask as a tensor uint8 H×W, 0 or 255, or the probability as float32 H×W; on the CPU, a copy.

        Raises MissingExtraError where torch isn't installed.
        """
        from handseg.masks.interop import to_torch

        if what not in ("mask", "probability"):
            raise ValueError(f"what is {what!r}; it must be 'mask' or 'probability'")
        return to_torch(self.mask if what == "mask" else self.probability)

    def _region(self, i: int) -> np.ndarray:
        """bool: the pixels of a hand, within its box."""
        return self._runs.crop(i + 1)[0]
