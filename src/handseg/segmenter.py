"""Segmenter: images in, hand masks out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from handseg.card import LABEL_POLICIES, LabelPolicy
from handseg.engines import Engine, open_engine
from handseg.errors import ModelError
from handseg.image import ImageLike, load_image
from handseg.postprocess import restore
from handseg.preprocess import Placement, preprocess
from handseg.result import HandMask


def load(
    model: str | Path = "default",
    *,
    engine: str | None = None,
    threads: int | None = None,
    policy: LabelPolicy = "hand",
    threshold: float | None = None,
) -> Segmenter:
    """Open a packaged model by name, or a model file by path.

    engine: `onnxruntime` or `torchscript`; default: by the file's suffix. threads: default: all cores.
    policy: what counts as foreground, `hand` (cut at the wrist) or `hand+forearm`.
    threshold: in (0, 1); default: the model card's.
    Raises ModelError when the model, the engine or the policy isn't there.
    """
    return Segmenter(open_engine(model, engine=engine, threads=threads), policy=policy, threshold=threshold)


class Segmenter:
    """Finds the hands in images, with one engine and one label policy. Keeps no state between calls."""

    def __init__(self, engine: Engine, *, policy: LabelPolicy = "hand", threshold: float | None = None) -> None:
        self.engine = engine
        self.card = engine.card
        if policy not in self.card.policies:
            known = "unknown" if policy not in LABEL_POLICIES else "not in this model"
            raise ModelError(f"label policy {policy!r}: {known}; it has: {', '.join(self.card.policies)}")
        if threshold is not None and not 0 < threshold < 1:
            raise ModelError(f"threshold {threshold}: must lie between 0 and 1")
        self.policy: LabelPolicy = policy
        self.threshold = self.card.threshold if threshold is None else threshold
        self._channel = self.card.policies.index(policy)

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
        waiting: list[tuple[np.ndarray, Placement]] = []
        for frame in frames:
            prepared = preprocess(load_image(frame), self.card)
            if waiting and waiting[0][1].padded != prepared[1].padded:
                yield from self._run(waiting)
                waiting = []
            waiting.append(prepared)
            if len(waiting) == size:
                yield from self._run(waiting)
                waiting = []
        if waiting:
            yield from self._run(waiting)

    def _run(self, prepared: list[tuple[np.ndarray, Placement]]) -> Iterator[HandMask]:
        probability = self.engine.run(np.stack([pixels for pixels, _ in prepared]))
        for output, (_, placement) in zip(probability, prepared):
            yield HandMask(restore(output[self._channel], placement), self.threshold)
