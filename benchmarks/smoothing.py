"""What smoothing gains and costs: clips of a moving camera with exact masks, made out of labelled frames.

Each clip is a second at 30 frames a second: the view pans, zooms or turns slowly over a labelled frame, the exposure
changes, the sensor adds noise, and a hand cut out of another frame flies through. `near` is the IoU around that hand,
where it is and where it was in the last three frames: a trail shows there.

pip install "handseg[video]"
python benchmarks/smoothing.py DATA/egohands_more --session JENGA_OFFICE_BS --session CARDS_OFFICE_HT
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import cv2
import numpy as np

import handseg
from handseg.data import Sample, read_dataset
from handseg.masks.regions import binarise
from handseg.metrics.temporal import StabilityMeter
from handseg.video.smooth import Smoother

WIDTH, HEIGHT = 640, 360
MARGIN = 1.3  # the scene's width in those of the view
RATE = 30
NOISE = 4.0  # grey levels
EXPOSURE = 0.25  # share by which the brightness rises and falls
SPEEDS = (6, 14, 24, 36)  # pixels a frame of the flying hand, of 640
MOTIONS = ("pan", "zoom", "turn", "still")


@dataclass
class Frame:
    """image: RGB uint8 H×W×3. truth, flying, near: bool H×W. view: 2×3, from the scene's pixels to this frame's."""

    image: np.ndarray
    truth: np.ndarray
    flying: np.ndarray
    near: np.ndarray
    view: np.ndarray


def hands(sample: Sample) -> np.ndarray:
    """The mask, what is unknown taken for background."""
    return np.where(sample.load_mask() == 255, 255, 0).astype(np.uint8)


def scene_of(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask, both as wide as the view times the margin."""
    image = sample.load_image()
    size = round(WIDTH * MARGIN), round(WIDTH * MARGIN * image.shape[0] / image.shape[1])
    return (cv2.resize(image, size, interpolation=cv2.INTER_AREA), shrunk(hands(sample), size))


def shrunk(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def cut_hand(sample: Sample, height: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The largest hand that lies wholly inside a frame, at a height in pixels: RGB, and alpha in [0, 1]."""
    image, mask = sample.load_image(), hands(sample)
    n, labels, boxes, _ = cv2.connectedComponentsWithStats(mask)
    inside = [i for i in range(1, n) if boxes[i][4] > 2000 and _is_inside(boxes[i], mask.shape)]
    if not inside:
        return None
    best = max(inside, key=lambda i: boxes[i][4])
    x, y, w, h, _ = boxes[best]
    window = np.s_[y - 2 : y + h + 2, x - 2 : x + w + 2]
    size = round((w + 4) * height / (h + 4)), height
    alpha = shrunk(np.where(labels == best, 255, 0).astype(np.uint8)[window], size)
    return cv2.resize(image[window], size, interpolation=cv2.INTER_AREA), alpha / np.float32(255)


def _is_inside(box: np.ndarray, shape: tuple[int, ...]) -> bool:
    x, y, w, h, _ = box
    return bool(x > 2 and y > 2 and x + w < shape[1] - 3 and y + h < shape[0] - 3)


def view_at(motion: str, t: float, scene: tuple[int, int]) -> np.ndarray:
    """Where the camera looks at a time in [0, 1]: 2×3, from pixels of the scene to those of the view."""
    way = t - 0.5
    scale = 1 + 0.2 * way * (motion == "zoom")
    angle = 8 * way * (motion == "turn")
    middle = np.array([scene[0] / 2 + 150 * way * (motion == "pan"), scene[1] / 2 + 40 * way * (motion == "pan")])
    matrix = cv2.getRotationMatrix2D(tuple(middle), angle, scale)
    matrix[:, 2] += np.array([WIDTH, HEIGHT]) / 2 - middle
    return matrix


def make_clip(
    sample: Sample, hand: tuple[np.ndarray, np.ndarray], motion: str, speed: float, rng: np.random.Generator
) -> list[Frame]:
    scene, mask = scene_of(sample)
    size = scene.shape[1], scene.shape[0]
    picture, alpha = hand
    frames: list[Frame] = []
    for i in range(RATE):
        view = view_at(motion, i / RATE, size)
        image = cv2.warpAffine(scene, view, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        truth = cv2.warpAffine(mask, view, (WIDTH, HEIGHT)) > 127
        # Back and forth through the picture, up and down a little.
        room = WIDTH - picture.shape[1]
        x = abs((room / 4 + speed * i) % (2 * room) - room)
        y = (HEIGHT - picture.shape[0]) * (0.5 + 0.4 * np.sin(i / 8))
        place = np.array([[1, 0, x], [0, 1, y]], np.float32)
        cover = cv2.warpAffine(alpha, place, (WIDTH, HEIGHT))
        image += cover[..., None] * (cv2.warpAffine(picture, place, (WIDTH, HEIGHT)) - image)
        image *= 1 + EXPOSURE * np.sin(2 * np.pi * i / RATE)
        image += NOISE * rng.standard_normal(image.shape)
        flying = cover > 0.5
        where = np.any([flying, *(f.flying for f in frames[-3:])], axis=0).astype(np.uint8)
        near = cv2.dilate(where, np.ones((25, 25), np.uint8)) > 0
        frames.append(Frame(np.clip(image, 0, 255).round().astype(np.uint8), truth | flying, flying, near, view))
    return frames


class Tally:
    """IoU of whole frames and near the flying hand, and steadiness of the rest along the known motion."""

    def __init__(self) -> None:
        self.iou: list[float] = []
        self.near = np.zeros(2)
        self.flips: list[float] = []

    def add_clip(self, frames: list[Frame], masks: list[np.ndarray]) -> None:
        meter = StabilityMeter()
        for i, (frame, mask) in enumerate(zip(frames, masks)):
            both, either = mask & frame.truth, mask | frame.truth
            self.iou.append(both.sum() / max(1, either.sum()))
            self.near += (both & frame.near).sum(), (either & frame.near).sum()
            if i:
                meter.add(mask, *self._carried(frames[i - 1], frame, masks[i - 1]))
        self.flips.append(meter.scores()["flip_rate"])

    @staticmethod
    def _carried(before: Frame, now: Frame, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last mask by the camera's own motion, and where it counts: away from the flying hand."""

        def square(matrix: np.ndarray) -> np.ndarray:
            return np.vstack([matrix, [0, 0, 1]])

        way = (square(now.view) @ np.linalg.inv(square(before.view)))[:2]
        kept = cv2.warpAffine(np.stack([mask, ~before.near], axis=2).astype(np.uint8), way, (WIDTH, HEIGHT))
        return kept[..., 0], (kept[..., 1] > 0) & ~now.near

    def row(self) -> str:
        return f"{np.mean(self.iou):>9.4f} {self.near[0] / self.near[1]:>9.4f} {np.mean(self.flips):>10.4f}"


def clips(samples: list[Sample], count: int, seed: int) -> Iterator[tuple[str, float, list[Frame]]]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(samples))
    for made, i in enumerate(order[:count]):
        donor = samples[order[(made + 1) % len(order)]]
        hand = cut_hand(donor, height=int(rng.integers(90, 140)))
        if hand is None:
            hand = next(h for s in samples if (h := cut_hand(s, height=110)) is not None)
        motion, speed = MOTIONS[made % len(MOTIONS)], SPEEDS[(made // len(MOTIONS) + made) % len(SPEEDS)]
        yield motion, speed, make_clip(samples[i], hand, motion, speed, rng)


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--session", "sessions", multiple=True, help="Take frames of these sessions only.")
@click.option("--clips", "count", default=8, show_default=True)
@click.option("--model", default="default", show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(data: Path, sessions: tuple[str, ...], count: int, model: str, threads: int, seed: int) -> None:
    samples = [s for s in read_dataset(data) if not sessions or s.session in sessions]
    segmenter = handseg.load(model, threads=threads)
    tallies = {"unsmoothed": Tally(), "smoothed": Tally()}
    by_speed: dict[float, dict[str, Tally]] = {}
    network, smoothing = [], []
    for _, speed, frames in clips(samples, count, seed):
        smoother = Smoother()
        masks: dict[str, list[np.ndarray]] = {name: [] for name in tallies}
        for i, frame in enumerate(frames):
            start = time.perf_counter()
            result = segmenter(frame.image)
            middle = time.perf_counter()
            steady = smoother(frame.image, result.probability, i / RATE)
            smoothing.append(time.perf_counter() - middle)
            network.append(middle - start)
            masks["unsmoothed"].append(result.mask > 0)
            masks["smoothed"].append(binarise(steady, result.threshold) > 0)
        here = by_speed.setdefault(speed, {name: Tally() for name in tallies})
        for name in tallies:
            tallies[name].add_clip(frames, masks[name])
            here[name].add_clip(frames, masks[name])
    print(f"{count} clips of {RATE} frames, {WIDTH}×{HEIGHT}   image IoU  near IoU  flip rate")
    for name, tally in tallies.items():
        print(f"{name:<38}{tally.row()}")
    for speed, both in sorted(by_speed.items()):
        for name, tally in both.items():
            print(f"{f'  hand at {speed} px a frame, {name}':<38}{tally.row()}")
    print(f"ms a frame: network {1000 * median(network):.1f}, smoothing {1000 * median(smoothing):.1f}")


if __name__ == "__main__":
    main()
