"""What surrounds the network for one 1280×720 frame: as it was, as it is, and with other ways of shrinking.

Whole frames, in turn in one process, so that each step finds memory and caches as in use, and the ratios hold on a
busy machine. CPU time of the process, on one thread, which doesn't count waiting for other processes. Below the
times: how far each result lies from what it was.

    OMP_NUM_THREADS=1 python benchmarks/frame_path.py examples/hand.jpg
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

import handseg
from handseg.image import load_image, resize
from handseg.inference import postprocess
from handseg.inference.postprocess import restore
from handseg.inference.preprocess import Placement, place, preprocess
from handseg.masks.regions import binarise

FRAME = (720, 1280)
ROUNDS = 31
STEPS = ("preprocess", "network", "restore", "threshold")
Way = tuple[
    Callable[[np.ndarray, handseg.ModelCard], tuple[np.ndarray, Placement]],
    Callable[[np.ndarray, Placement], np.ndarray],
    Callable[[np.ndarray, float], np.ndarray],
]


def old_preprocess(image: np.ndarray, card: handseg.ModelCard) -> tuple[np.ndarray, Placement]:
    placement = place(*image.shape[:2], card)
    return pad(resize(image, *placement.resized), placement, card), placement


def pad(content: np.ndarray, placement: Placement, card: handseg.ModelCard) -> np.ndarray:
    canvas = np.empty((*placement.padded, 3), np.uint8)
    canvas[:] = np.round(card.mean)
    canvas[: placement.resized[0], : placement.resized[1]] = content
    return canvas


def old_restore(probability: np.ndarray, placement: Placement) -> np.ndarray:
    height, width = placement.resized
    content = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    return np.asarray(np.clip(resize(content, *placement.original), 0.0, 1.0))


def old_binarise(probability: np.ndarray, threshold: float) -> np.ndarray:
    return np.where(probability >= threshold, 255, 0).astype(np.uint8)


def without_opencv(probability: np.ndarray, placement: Placement) -> np.ndarray:
    kept, postprocess.cv2 = postprocess.cv2, None
    try:
        return restore(probability, placement)
    finally:
        postprocess.cv2 = kept


def opencv() -> dict[str, Way]:
    """With OpenCV: what handseg does where it is installed, and what it doesn't: shrinking by area, and bilinear."""
    if postprocess.cv2 is None:
        print("OpenCV isn't installed: its columns are left out", file=sys.stderr)
        return {}
    cv2 = postprocess.cv2
    cv2.setNumThreads(1)

    def shrink(method: int) -> Callable[[np.ndarray, handseg.ModelCard], tuple[np.ndarray, Placement]]:
        def run(image: np.ndarray, card: handseg.ModelCard) -> tuple[np.ndarray, Placement]:
            placement = place(*image.shape[:2], card)
            small = cv2.resize(image, placement.resized[::-1], interpolation=method)
            return pad(small, placement, card), placement

        return run

    return {
        "now, OpenCV there": (preprocess, restore, binarise),
        "shrunk by INTER_AREA": (shrink(cv2.INTER_AREA), restore, binarise),
        "by INTER_LINEAR": (shrink(cv2.INTER_LINEAR), restore, binarise),
    }


def main(path: str) -> None:
    segmenter = handseg.load(threads=1)
    image = resize(load_image(path), *FRAME)
    ways: dict[str, Way] = {
        "before": (old_preprocess, old_restore, old_binarise),
        "now": (preprocess, without_opencv, binarise),
        **opencv(),
    }
    times: dict[tuple[str, str], list[float]] = {}
    results: dict[str, tuple[np.ndarray, ...]] = {}
    for _ in range(ROUNDS):
        for way, (shrink, enlarge, threshold) in ways.items():
            moments = [time.process_time()]
            pixels, placement = shrink(image, segmenter.card)
            moments.append(time.process_time())
            output = segmenter.engine.run(pixels[None])[0, 0]
            moments.append(time.process_time())
            probability = enlarge(output, placement)
            moments.append(time.process_time())
            mask = threshold(probability, segmenter.threshold)
            moments.append(time.process_time())
            for step, start, end in zip(STEPS, moments, moments[1:]):
                times.setdefault((step, way), []).append(1000 * (end - start))
            results[way] = pixels.astype(int), probability, mask

    print("| ms | " + " | ".join(ways) + " |\n| --- |" + " ---: |" * len(ways))
    for step in STEPS:
        print(f"| {step} | " + " | ".join(f"{median(times[step, way]):.2f}" for way in ways) + " |")
    around = {way: sum(median(times[step, way]) for step in STEPS if step != "network") for way in ways}
    print("| around the network | " + " | ".join(f"{v:.2f}" for v in around.values()) + " |")
    print("| … of before | " + " | ".join(f"{v / around['before']:.2f}" for v in around.values()) + " |")
    pixels, probability, mask = results["before"]
    differences = {
        "input, largest": lambda r: f"{np.abs(r[0] - pixels).max()}",
        "probability, largest": lambda r: f"{np.abs(r[1] - probability).max():.2g}",
        "mask, pixels in 10,000": lambda r: f"{1e4 * (r[2] != mask).mean():.1f}",
    }
    for name, difference in differences.items():
        print(f"| {name} | " + " | ".join(difference(results[way]) for way in ways) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
