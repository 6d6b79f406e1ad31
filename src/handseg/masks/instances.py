"""Instances: the hands of one image with their pixels; what annotation formats are written from and read to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from handseg.errors import AnnotationError
from handseg.masks.polygons import fill_box
from handseg.masks.regions import components


@dataclass(frozen=True, eq=False)
class Instance:
    """One hand, in one piece or in several, with holes or without.

    box: (x, y, width, height) in pixels, as small as it can be. mask: bool height×width, its pixels within the box.
    score: how sure it is, in [0, 1]; None where nothing says so.
    """

    box: tuple[int, int, int, int]
    mask: np.ndarray
    score: float | None = None

    @property
    def area(self) -> int:
        """Its number of pixels."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True, eq=False)
class Instances(Sequence[Instance]):
    """The hands of an image of height × width pixels; they may overlap where another tool drew them."""

    height: int
    width: int
    items: tuple[Instance, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.items)

    def __getitem__(self, i: int) -> Instance:  # type: ignore[override]
        return self.items[i]

    @property
    def mask(self) -> np.ndarray:
        """Mask uint8 H×W, 0 or 255: the pixels of any of them."""
        whole = np.zeros((self.height, self.width), np.uint8)
        for item in self.items:
            self._within(whole, item)[item.mask] = 255
        return whole

    def whole(self, i: int) -> np.ndarray:
        """Mask uint8 H×W, 0 or 255, of one of them."""
        return Instances(self.height, self.width, (self.items[i],)).mask

    @staticmethod
    def _within(whole: np.ndarray, item: Instance) -> np.ndarray:
        x, y, width, height = item.box
        return whole[y : y + height, x : x + width]


class HasInstances(Protocol):
    """A `HandMask`, seen from below."""

    @property
    def instances(self) -> Instances: ...


InstancesLike = Instances | HasInstances | np.ndarray


def as_instances(hands: InstancesLike) -> Instances:
    """The instances of a `HandMask`, or the connected regions, without scores, of a mask H×W.

    Raises AnnotationError for what is neither.
    """
    if isinstance(hands, Instances):
        return hands
    if not isinstance(hands, np.ndarray) and hasattr(hands, "instances"):
        return hands.instances
    hands = inside_of(hands)
    runs = components(hands)
    items = []
    for region in range(1, runs.count + 1):
        pixels, top, left = runs.crop(region)
        items.append(Instance((left, top, pixels.shape[1], pixels.shape[0]), pixels))
    height, width = hands.shape
    return Instances(height, width, tuple(items))


def inside_of(mask: object) -> np.ndarray:
    """bool H×W: where a mask isn't 0.

    Raises AnnotationError for what is no mask: lists, other shapes, and probabilities, of which hardly any is 0.
    """
    if not isinstance(mask, np.ndarray) or mask.ndim != 2:
        what = f"an array of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise AnnotationError(f"{what} is no mask; give a HandMask, or an array H×W that is 0 but for the hands")
    inside = mask.astype(bool)
    if mask.dtype.kind == "f" and len(np.unique(mask[inside][:10_000])) > 1:
        raise AnnotationError("an array of probabilities is no mask; cut it at a threshold first: probability >= 0.6")
    return inside


def from_mask(mask: np.ndarray, top: int = 0, left: int = 0, score: float | None = None) -> Instance | None:
    """The instance of the non-zero pixels of a mask at `top` and `left` in its image; None of an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] > 0
    x, y = left + int(columns[0]), top + int(rows[0])
    return Instance((x, y, inside.shape[1], inside.shape[0]), inside, score)


def from_polygons(
    outlines: Iterable[np.ndarray], height: int, width: int, score: float | None = None
) -> Instance | None:
    """The instance of the pixels whose centre lies in one of the polygons; None where there is no such pixel."""
    pieces = [fill_box(outline, height, width) for outline in outlines]
    pieces = [piece for piece in pieces if piece[0].size]
    if not pieces:
        return None
    top, left = min(p[1] for p in pieces), min(p[2] for p in pieces)
    bottom, right = max(p[1] + p[0].shape[0] for p in pieces), max(p[2] + p[0].shape[1] for p in pieces)
    canvas = np.zeros((bottom - top, right - left), bool)
    for inside, y, x in pieces:
        canvas[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] |= inside
    return from_mask(canvas, top, left, score)
