"""Segmenter: images in, hand masks out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from handseg.card import LABEL_POLICIES, LabelPolicy
from handseg.engines import Engine, open_engine
from handseg.errors import ModelError
from handseg.image import ImageLike, load_image
from handseg.postprocess import restore
from handseg.preprocess import Placement, preprocess
from handseg.result import HandMask

Prepared = list[tuple[np.ndarray, Placement]]  # an image's input in each view
TestTime = Literal["none", "flip", "flip+scales"]


@dataclass(frozen=True)
class View:
    """How an image is shown to the network: at `scale` times the card's size, and perhaps mirrored."""

    scale: float = 1.0
    mirrored: bool = False


TEST_TIME_VIEWS: dict[TestTime, tuple[View, ...]] = {
    "none": (View(),),
    "flip": (View(), View(mirrored=True)),
    "flip+scales": tuple(View(scale, mirrored) for scale in (0.75, 1.0, 1.5) for mirrored in (False, True)),
}


def load(
    model: str | Path = "default",
    *,
    engine: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    policy: LabelPolicy = "hand",
    threshold: float | None = None,
    test_time: TestTime = "none",
) -> Segmenter:
    """Open a packaged model by name, or a model file by path.

    engine: `onnxruntime`, `openvino`, `openvino-bf16` or `torchscript`; default: onnxruntime, torchscript for a .pt
    file. threads: default: all cores. device: `cpu`, or what the engine has (see `open_engine`).
    policy: what counts as foreground, `hand` (cut at the wrist) or `hand+forearm`.
    threshold: in (0, 1); default: the model card's. test_time: average over views of the image, at a
    multiple of the cost: `flip` (2 times), `flip+scales` (about 7 times). What it gains is small (docs/results).
    Raises ModelError when the model, the engine, the device or the policy isn't there.
    """
    opened = open_engine(model, engine=engine, threads=threads, device=device)
    return Segmenter(opened, policy=policy, threshold=threshold, test_time=test_time)


class Segmenter:
    """Finds the hands in images, with one engine and one label policy. Keeps no state between calls."""

    def __init__(
        self,
        engine: Engine,
        *,
        policy: LabelPolicy = "hand",
        threshold: float | None = None,
        test_time: TestTime = "none",
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
        self.policy: LabelPolicy = policy
        self.threshold = self.card.threshold if threshold is None else threshold
        self._channel = self.card.policies.index(policy)
        height, width = self.card.size
        self._views = [
            (view, replace(self.card, size=(round(height * view.scale), round(width * view.scale))))
            for view in TEST_TIME_VIEWS[test_time]
        ]

    def __call__(self, image: ImageLike) -> HandMask:
        """The hands in one image: a path, a PIL image, or an RGB uint8 array (H×W×3) of any size.

        Raises ImageError when it can't be read or used.
        """
        return next(self.stream([image]))

    def batch(self, images: Iterable[ImageLike], *, size: int = 8) -> list[HandMask]:
        """The hands in several images, run through the network `size` at a time where their shapes agree."""
        return list(self.stream(images, size=size))

    def stream(self, frames: Iterable[ImageLike], *, size: int = 1) -> Iterator[HandMask]:
        """Yield a result for each frame, in order; holds at most `size` frames at a time."""
        waiting: list[Prepared] = []
        for frame in frames:
            prepared = self._prepare(load_image(frame))
            if waiting and [p.padded for _, p in waiting[0]] != [p.padded for _, p in prepared]:
                yield from self._run(waiting)
                waiting = []
            waiting.append(prepared)
            if len(waiting) == size:
                yield from self._run(waiting)
                waiting = []
        if waiting:
            yield from self._run(waiting)

    def _prepare(self, image: np.ndarray) -> Prepared:
        return [preprocess(image[:, ::-1] if view.mirrored else image, card) for view, card in self._views]

    def _run(self, prepared: Sequence[Prepared]) -> Iterator[HandMask]:
        outputs = [self.engine.run(np.stack([pixels for pixels, _ in shown])) for shown in zip(*prepared)]
        for i, shown in enumerate(prepared):
            views = []
            for (view, _), output, (_, placement) in zip(self._views, outputs, shown):
                probability = restore(output[i, self._channel], placement)
                views.append(probability[:, ::-1] if view.mirrored else probability)
            classes = None
            if self.card.hand_classes:
                height, width = shown[0][1].resized
                classes = outputs[0][i, len(self.card.policies) :, :height, :width]
            yield HandMask(views[0] if len(views) == 1 else np.mean(views, axis=0), self.threshold, classes)
