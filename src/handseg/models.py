"""Open a model: a packaged one by name, or a file."""

from __future__ import annotations

from pathlib import Path

from handseg.inference.engines import open_engine
from handseg.inference.segmenter import Segmenter, TestTime
from handseg.masks.labels import LabelPolicy
from handseg.masks.result import MIN_AREA


def load(
    model: str | Path = "default",
    *,
    engine: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    policy: LabelPolicy = "hand",
    threshold: float | None = None,
    test_time: TestTime = "none",
    second_look: bool = True,
    min_area: float = MIN_AREA,
    min_confidence: float | None = None,
) -> Segmenter:
    """Open a packaged model by name, or a model file by path.

    engine: `onnxruntime`, `openvino`, `openvino-bf16` or `torchscript`; default: onnxruntime, torchscript for a .pt
    file. threads: default: all cores. device: `cpu`, or what the engine has (see `open_engine`).
    policy: what counts as foreground, `hand` (cut at the wrist) or `hand+forearm`.
    threshold: in (0, 1); default: the model card's. test_time: average over views of the image, at a
    multiple of the cost: `flip` (2 times), `flip+scales` (about 7 times). What it gains is small (docs/results).
    second_look: show images with small hands to the network again, 2 or 3 times as large; it finds more of them
    (docs/results), at 5 or 14 times the cost for such an image and none for others.
    min_area: share of the image's area that a region must have to be a hand. min_confidence: mean probability that it
    must have; default: 0.1 above the threshold, but at most 0.7. 0 for both: all that reaches the threshold.
    Raises ModelError when the model, the engine, the device or the policy isn't there.
    """
    opened = open_engine(model, engine=engine, threads=threads, device=device)
    return Segmenter(
        opened,
        policy=policy,
        threshold=threshold,
        test_time=test_time,
        second_look=second_look,
        min_area=min_area,
        min_confidence=min_confidence,
    )
