"""HandSegmentationPipeline: the blog's class, for those who come from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handseg.card import ModelCard
from handseg.engines import Engine, find_model, open_engine
from handseg.image import ImageLike
from handseg.segmenter import Segmenter

THRESHOLD = 0.45


class HandSegmentationPipeline:
    """A thin layer over `Segmenter`, at the blog's threshold of 0.45; all that reaches it is hand, specks too.

    model_path: a TorchScript file (handseg's, or one without a card that takes float RGB in [0, 1] and returns
    logits, as the blog's), an .onnx file, or a packaged model's name. device: cpu or cuda.
    input_size: (height, width) that a TorchScript file without a card is fed; models with a card know theirs.
    Raises ModelError when the model can't be opened.
    """

    def __init__(
        self,
        model_path: str | Path = "default",
        device: str = "cpu",
        input_size: tuple[int, int] = (256, 256),
    ) -> None:
        path = find_model(model_path)
        engine: Engine
        if path.suffix == ".onnx":
            engine = open_engine(path, device=device)
        else:
            from handseg.engines.torchscript import TorchScriptEngine

            blog = ModelCard(
                name=path.stem,
                size=input_size,
                resize="stretch",
                stride=1,
                mean=(0.0, 0.0, 0.0),
                std=(255.0, 255.0, 255.0),
            )
            engine = TorchScriptEngine(path, device=device, foreign=blog)
        self.segmenter = Segmenter(engine, threshold=THRESHOLD, second_look=False, min_area=0, min_confidence=0)

    def predict(self, image: ImageLike) -> np.ndarray:
        """Mask uint8 H×W, 0 or 255, at the image's own size. Raises ImageError when it can't be read."""
        return self.segmenter(image).mask
