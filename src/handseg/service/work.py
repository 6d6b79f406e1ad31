"""What a worker does with one image: decode it, find the hands, draw or describe them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from handseg import draw
from handseg.formats import encode_rle
from handseg.image import decode_image, encode_png
from handseg.inference.segmenter import Segmenter
from handseg.masks.labels import LabelPolicy
from handseg.masks.result import HandMask

Output = Literal["mask", "overlay", "cutout", "matte", "heatmap", "json"]


@dataclass(frozen=True)
class Task:
    """An image file, and what is asked of it. model: a name among those loaded. shapes: with outlines, in JSON."""

    content: bytes
    name: str
    model: str
    output: Output
    max_pixels: int
    threshold: float | None = None
    policy: LabelPolicy | None = None
    shapes: bool = False


@dataclass
class Answer:
    """A PNG, or for JSON a description of plain values. seconds: what each stage took."""

    content: bytes | dict[str, Any] = b""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def do(task: Task, segmenters: Mapping[str, Segmenter]) -> Answer:
    """Raises HandsegError for an image that can't be read, or a setting that the model doesn't have."""
    answer = Answer()
    segmenter = segmenters[task.model].changed(policy=task.policy, threshold=task.threshold)
    with answer.stage("decode"):
        image = decode_image(task.content, task.name, max_pixels=task.max_pixels)
    with answer.stage("infer"):
        result = segmenter(image)
    with answer.stage("encode"):
        if task.output == "json":
            answer.content = segmenter.describe(result, task.name)
            if task.shapes:
                _add_shapes(answer.content, result)
        else:
            answer.content = encode_png(_drawn(task.output, image, result))
    return answer


def _drawn(output: Output, image: np.ndarray, result: HandMask) -> np.ndarray:
    if output == "mask":
        return result.mask
    if output == "matte":
        return result.matte
    if output == "cutout":
        return draw.cutout(image, draw.soft_alpha(result.probability, result.mask, result.threshold))
    if output == "heatmap":
        return draw.heatmap(image, result.probability)
    return draw.overlay(image, result.mask)


def _add_shapes(description: dict[str, Any], result: HandMask) -> None:
    """Of each hand its polygons, as [x, y, x, y …] with holes cut open, and its exact pixels as COCO's run lengths."""
    polygons, instances = result.polygons(), result.instances
    for i, hand in enumerate(description["hands"]):
        hand["polygons"] = [polygon.round(2).ravel().tolist() for polygon in polygons[i]]
        hand["rle"] = encode_rle(instances.whole(i))
