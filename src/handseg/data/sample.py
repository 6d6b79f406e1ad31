"""Sample: one labelled image, wherever its label comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handseg.card import LabelPolicy
from handseg.data.classes import HANDS
from handseg.data.polygons import fill_polygons
from handseg.errors import DataError
from handseg.image import image_size, load_image, load_label
from handseg.mask_values import AS_WRITTEN, BACKGROUND, HAND, IGNORE, MaskMeaning


@dataclass(frozen=True)
class Sample:
    """A labelled image.

    name: unique within its dataset. video: the clip it is from. session: the recording it is from; frames
    of one session look alike and must not be split. policy: what its label calls a hand.
    label: a mask file, or the hands' polygons, each float64 (n, 2) of (x, y) in pixels. hands: where it is known whose
    hand is where, a polygon, or None, for each of EgoHands' HAND_CLASSES, or a file of class indices, 0 for none and
    from 1 on in that order. forearm: where a label of policy `hand` tells of the bare forearm too, a file that is 255
    there, 0 where there is none, and between where it doesn't say. meaning: of the values in a mask file. inverted: the
    file shows the background; None: it may, but is read as it is. empty: it shows no hand. dataset: the name of the
    dataset, which is its folder's. source: of a mixture, see `handseg.data.mixture`. background: of a collection
    without hands, there to show what is none. unlabelled: nothing is known of it, it is there for a teacher to be
    imitated on. landmarks: of each hand that a tracker found, float32 (21, 2) in pixels, see `handseg.data.landmarks`.
    """

    name: str
    image: Path
    label: Path | Sequence[np.ndarray]
    video: str
    session: str
    policy: LabelPolicy = "hand"
    meaning: MaskMeaning = AS_WRITTEN
    inverted: bool | None = False
    empty: bool = False
    background: bool = False
    unlabelled: bool = False
    hands: Path | tuple[np.ndarray | None, ...] = ()
    forearm: Path | None = None
    landmarks: tuple[np.ndarray, ...] = ()
    dataset: str = ""
    source: str = ""

    def load_image(self) -> np.ndarray:
        """RGB uint8 H×W×3."""
        return load_image(self.image)

    @property
    def shows_hand(self) -> bool:
        """Whether its label has a hand in it."""
        return not self.empty if isinstance(self.label, Path) else any(len(polygon) >= 3 for polygon in self.label)

    def load_mask(self) -> np.ndarray:
        """Mask uint8 H×W of the image's size: 255 hand, 0 background, 128 (IGNORE) unknown.

        Raises DataError where a mask file has another size than its image, or values that mean nothing, or a polygon a
        corner that is no number.
        """
        if not isinstance(self.label, Path):
            if not all(np.isfinite(polygon).all() for polygon in self.label):
                raise DataError(f"{self.image}: a polygon of its label has a corner that is no number; mend the label")
            return fill_polygons(self.label, *image_size(self.image))
        label = load_label(self.label)
        self._check_size(self.label, label)
        return self.read_mask(label)

    def read_mask(self, label: np.ndarray) -> np.ndarray:
        """`load_mask` of the values H×W that its mask file holds."""
        try:
            mask = self.meaning(label)
        except DataError as error:
            raise DataError(f"{self.label}: {error}") from error
        if self.inverted:
            mask = np.where(mask == IGNORE, mask, HAND + BACKGROUND - mask).astype(np.uint8)
        return mask

    def load_forearm(self) -> np.ndarray | None:
        """uint8 H×W: 255 bare forearm, 0 none, 128 unknown; None where the label doesn't tell.

        Raises DataError where the file has another size than its image.
        """
        if self.forearm is None:
            return None
        label = load_label(self.forearm)
        self._check_size(self.forearm, label)
        return np.where((label > 0) & (label < 255), 128, label).astype(np.uint8)

    def _check_size(self, path: Path, label: np.ndarray) -> None:
        size = image_size(self.image)
        if label.shape != size:
            raise DataError(
                f"{path}: the mask has {label.shape[1]}×{label.shape[0]} pixels and its image "
                f"{self.image.name} {size[1]}×{size[0]}; make them the same size"
            )

    def load_hands(self) -> list[np.ndarray] | None:
        """Mask uint8 H×W, 0 or 255, of each of HAND_CLASSES; None where whose hands they are isn't known."""
        if not self.hands:
            return None
        if isinstance(self.hands, Path):
            indices = load_label(self.hands)
            return [np.where(indices == i, 255, 0).astype(np.uint8) for i in range(1, 1 + len(HANDS))]
        height, width = image_size(self.image)
        return [fill_polygons([] if hand is None else [hand], height, width) for hand in self.hands]
