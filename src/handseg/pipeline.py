"""HandSegmentationPipeline: the blog's class, for those who come from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from handseg.errors import MissingExtraError, ModelError
from handseg.image import ImageLike
from handseg.inference.card import ModelCard
from handseg.inference.engines import Engine, find_model, open_engine
from handseg.inference.engines.foreign import Output, check_output_kind
from handseg.inference.engines.model_file import kind_of
from handseg.inference.segmenter import Segmenter

THRESHOLD = 0.45


class HandSegmentationPipeline:
    """A thin layer over `Segmenter`, at the blog's threshold of 0.45; all that reaches it is hand, specks too.

    model_path: a packaged model's name, an .onnx file, a TorchScript file (handseg's, or one without a card that takes
    float RGB (1, 3, H, W) in [0, 1], as the blog's), or the weights of a U-Net (.pth).
    device: cpu or cuda.
    input_size: (height, width) that a file without a card is fed; models with a card know theirs.
    output: what a TorchScript file without a card returns: `probability`, as the blog's, which ends in a sigmoid, or
    `logits`. What is returned is checked against it.
    Raises ModelError when the model can't be opened.
    """

    def __init__(
        self,
        model_path: str | Path = "default",
        device: str = "cpu",
        input_size: tuple[int, int] = (256, 256),
        output: Output = "probability",
    ) -> None:
        check_output_kind(output)
        path = find_model(model_path)
        kind = kind_of(path)
        engine: Engine
        if kind == "torchscript":
            from handseg.inference.engines.torchscript import TorchScriptEngine

            blog = blog_card(path.stem, input_size)
            engine = TorchScriptEngine(path, device=device, foreign=blog, output=output)
        elif kind == "weights":
            engine = _open_weights(path, blog_card(path.stem, input_size), device)
        else:
            engine = open_engine(path, device=device)
            if output != "probability":
                raise ModelError(
                    f"{path}: its card says that it returns probabilities; open it without output={output!r}"
                )
        self.segmenter = Segmenter(engine, threshold=THRESHOLD, second_look=False, min_area=0, min_confidence=0)

    def predict(self, image: ImageLike) -> np.ndarray:
        """Mask uint8 H×W, 0 or 255, at the image's own size.

        Raises ImageError when it can't be read, ModelError when a file without a card doesn't return what was said.
        """
        return self.segmenter(image).mask


def blog_card(name: str, input_size: tuple[int, int]) -> ModelCard:
    """How the blog feeds its network: stretched to `input_size` (height, width), in [0, 1].

    Raises ModelError for a size that is none.
    """
    if len(input_size) != 2 or not all(isinstance(n, int) and n > 0 for n in input_size):
        raise ModelError(f"input_size {input_size}: must be (height, width) in pixels")
    black, white = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    return ModelCard(name=name, size=input_size, resize="stretch", stride=1, mean=black, std=white, threshold=THRESHOLD)


def _open_weights(path: Path, card: ModelCard, device: str) -> Engine:
    try:
        from handseg.inference.engines.network import NetworkEngine
        from handseg.inference.engines.torchscript import check_device
        from handseg.nets.foreign import read_weights, unet_of
    except ImportError as error:
        raise MissingExtraError(f"{path}: a file of torch", "train") from error

    check_device(device)
    net = unet_of(read_weights(path), path)
    return NetworkEngine(net, replace(card, stride=net.stride), str(path), device)
