"""Segmenter: images in, hand masks out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from handseg.errors import ModelError
from handseg.image import ImageLike, load_image
from handseg.image.given import check_several
from handseg.inference.card import ModelCard
from handseg.inference.engines import Engine
from handseg.inference.postprocess import restore
from handseg.inference.preprocess import Placement, preprocess
from handseg.inference.second_look import CLOSER, SCALES, looks_small
from handseg.masks.labels import LABEL_POLICIES, LabelPolicy
from handseg.masks.result import MIN_AREA, HandMask

TestTime = Literal["none", "flip", "flip+scales"]


@dataclass(frozen=True)
class View:
    """How an image is shown to the network: at `scale` times the card's size, and perhaps mirrored."""

    scale: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True)
class Prepared:
    """An image, and the network's input and its placement in each view."""

    image: np.ndarray
    views: list[tuple[np.ndarray, Placement]]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        return [placement.padded for _, placement in self.views]


TEST_TIME_VIEWS: dict[TestTime, tuple[View, ...]] = {
    "none": (View(),),
    "flip": (View(), View(mirrored=True)),
    "flip+scales": tuple(View(scale, mirrored) for scale in (0.75, 1.0, 1.5) for mirrored in (False, True)),
}


class Segmenter:
    """Finds the hands in images, with one engine and one label policy. Keeps no state between calls."""

    def __init__(
        self,
        engine: Engine,
        *,
        policy: LabelPolicy = "hand",
        threshold: float | None = None,
        test_time: TestTime = "none",
        second_look: bool = True,
        min_area: float = MIN_AREA,
        min_confidence: float | None = None,
    ) -> None:
        self.engine = engine
        self.card = engine.card
        if policy not in self.card.policies:
            known = "unknown" if policy not in LABEL_POLICIES else "not in this model"
            raise ModelError(f"label policy {policy!r}: {known}; it has: {', '.join(self.card.policies)}")
        if threshold is not None and not 0 < threshold < 1:
            raise ModelError(f"threshold {threshold}: must lie between 0 and 1")
        if test_time not in TEST_TIME_VIEWS:
            raise ModelError(f"test_time {test_time!r}: unknown; choose one of {', '.join(get_args(TestTime))}")
        for name, value in (("min_area", min_area), ("min_confidence", min_confidence)):
            if value is not None and not 0 <= value <= 1:
                raise ModelError(f"{name} {value}: must lie between 0 and 1")
        self.policy: LabelPolicy = policy
        self.threshold = self.card.threshold if threshold is None else threshold
        self.min_area = min_area
        self.min_confidence = min_confidence
        self._channel = self.card.policies.index(policy)
        self.test_time: TestTime = test_time
        self.second_look = second_look
        self._views = [(view, self._scaled(view.scale)) for view in TEST_TIME_VIEWS[test_time]]

    def __repr__(self) -> str:
        return f"<Segmenter {self.card.name}, {self.engine.name}, {self.policy}, threshold {self.threshold:g}>"

    def without_second_look(self) -> Segmenter:
        """The same, but all frames cost alike and are seen alike: for video."""
        return self.changed(second_look=False)

    def changed(
        self,
        *,
        policy: LabelPolicy | None = None,
        threshold: float | None = None,
        second_look: bool | None = None,
    ) -> Segmenter:
        """The same engine and settings but for those that are named."""
        return Segmenter(
            self.engine,
            policy=policy or self.policy,
            threshold=self.threshold if threshold is None else threshold,
            test_time=self.test_time,
            second_look=self.second_look if second_look is None else second_look,
            min_area=self.min_area,
            min_confidence=self.min_confidence,
        )

    def describe(self, result: HandMask, name: str) -> dict[str, Any]:
        """What the JSON outputs hold of an image called `name`: its size, the settings, and its hands; plain values."""
        height, width = result.mask.shape
        return {
            "image": name,
            "width": width,
            "height": height,
            "model": self.card.name,
            "policy": self.policy,
            "threshold": self.threshold,
            "min_area": result.min_area,
            "min_confidence": result.least_confidence,
            "hands": [asdict(hand) for hand in result.hands],
        }

    def __call__(self, image: ImageLike, *, bgr: bool = False) -> HandMask:
        """The hands in one image, of any size: a path, bytes of an image file, an open file or stream, a PIL image, a
        uint8 array (H×W×3, RGB), or a tensor of torch.

        bgr: arrays and tensors are blue, green, red, as `cv2.imread` gives them.
        Raises ImageError when it can't be read or used.
        """
        return next(self.stream([image], bgr=bgr))

    def batch(self, images: Iterable[ImageLike], *, size: int = 8, bgr: bool = False) -> list[HandMask]:
        """The hands in several images, run through the network `size` at a time where their shapes agree.

        Raises ImageError as `__call__` does, and for one image in place of several.
        """
        return list(self.stream(images, size=size, bgr=bgr))

    def stream(self, frames: Iterable[ImageLike], *, size: int = 1, bgr: bool = False) -> Iterator[HandMask]:
        """Yield a result for each frame, in order; holds at most `size` frames at a time, copies of those that are
        arrays, so that one array may be filled again and again."""
        check_several(frames)
        if size < 1:
            raise ValueError(f"size is {size}; it must be 1 image or more")
        return self._stream(frames, size, bgr)

    def _stream(self, frames: Iterable[ImageLike], size: int, bgr: bool) -> Iterator[HandMask]:
        waiting: list[Prepared] = []
        for frame in frames:
            image = load_image(frame, bgr=bgr)
            prepared = self._prepare(image.copy() if size > 1 and isinstance(frame, np.ndarray) else image)
            if waiting and waiting[0].shapes != prepared.shapes:
                yield from self._run(waiting)
                waiting = []
            waiting.append(prepared)
            if len(waiting) == size:
                yield from self._run(waiting)
                waiting = []
        if waiting:
            yield from self._run(waiting)

    def _prepare(self, image: np.ndarray) -> Prepared:
        views = [preprocess(image[:, ::-1] if view.mirrored else image, card) for view, card in self._views]
        return Prepared(image, views)

    def _run(self, batch: Sequence[Prepared]) -> Iterator[HandMask]:
        outputs = [
            self.engine.run(np.stack([pixels for pixels, _ in shown])) for shown in zip(*(p.views for p in batch))
        ]
        for i, prepared in enumerate(batch):
            probability = self._mean([o[i] for o in outputs], prepared)
            output, placement = outputs[0][i], prepared.views[0][1]
            if self.second_look and looks_small(self._content(output, placement)):
                first = [probability]
                del probability  # a large image has no room for one more
                probability, output, placement = self._look_closer(prepared.image, first)
            classes = None
            if self.card.hand_classes:
                height, width = placement.resized
                classes = output[len(self.card.policies) :, :height, :width]
            yield HandMask(
                probability, self.threshold, classes, self.min_area, self.min_confidence, image=prepared.image
            )

    def _mean(self, outputs: Sequence[np.ndarray], prepared: Prepared) -> np.ndarray:
        """Of what is seen in each view, at the image's own size."""
        total: np.ndarray | None = None
        for output, (_, placement), (view, _) in zip(outputs, prepared.views, self._views):
            seen = restore(output[self._channel], placement)
            if view.mirrored:
                seen = seen[:, ::-1]
            total = seen if total is None else np.add(total, seen, out=total)
        assert total is not None  # there is always a view
        return total if len(outputs) == 1 else np.divide(total, len(outputs), out=total)

    def _content(self, output: np.ndarray, placement: Placement) -> np.ndarray:
        """Probability at the network's resolution, without what the input was padded with."""
        return output[self._channel, : placement.resized[0], : placement.resized[1]]

    def _look_closer(self, image: np.ndarray, first: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, Placement]:
        """Show the image larger while its hands look small; the weighted mean of the last two looks at the image's own
        size, and the last one's output and placement. first: the look before; it is taken out, to be freed."""
        closer = first.pop()
        for scale in SCALES:
            last = closer
            pixels, placement = preprocess(image, self._scaled(scale))
            output = self.engine.run(pixels[None])[0]
            closer = restore(output[self._channel], placement)
            if not looks_small(self._content(output, placement)):
                break
        last *= 1 - CLOSER
        closer *= CLOSER
        closer += last
        return closer, output, placement

    def _scaled(self, scale: float) -> ModelCard:
        """The card for an input `scale` times as large."""
        height, width = self.card.size
        return replace(self.card, size=(round(height * scale), round(width * scale)))
