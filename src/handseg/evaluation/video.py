"""How steady a model's masks of a video are, as they come and smoothed, without labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypedDict

import numpy as np

from handseg.errors import MissingExtraError
from handseg.inference.segmenter import Segmenter
from handseg.metrics.temporal import Stability, StabilityMeter
from handseg.video.frame import VideoFrame
from handseg.video.reader import open_video
from handseg.video.smooth import Smoother

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("Evaluating a video", "video") from error

WIDTH = 512  # pixels at which masks are carried along and compared


class VideoReport(TypedDict):
    """hand_share: mean share of the picture that is hand. agreement: mean IoU of smoothed and unsmoothed masks.
    segment_ms, smooth_ms: medians of a frame. The stabilities are of masks carried along the optical flow."""

    video: str
    frames: int
    hand_share: float
    agreement: float
    segment_ms: float
    smooth_ms: float
    unsmoothed: Stability
    smoothed: Stability


def evaluate_video(
    segmenter: Segmenter,
    path: Path,
    progress: Callable[[Iterable[VideoFrame], int | None], Iterable[VideoFrame]] = lambda frames, _: frames,
) -> VideoReport:
    """Segment a video, with and without smoothing, and compare each mask with the one before it.

    The flow that carries masks along is finer than the smoother's own, but of the same kind: it favours smoothed
    masks a little. Raises VideoError when the video can't be opened or is damaged.
    """
    smoother, meters = Smoother(), {"unsmoothed": StabilityMeter(), "smoothed": StabilityMeter()}
    flow = FlowWarp()
    last: dict[str, np.ndarray] = {}
    segment_times, smooth_times, shares, agreements = [], [], [], []
    with open_video(path) as reader:
        for frame in progress(reader, reader.frames):
            start = time.perf_counter()
            result = segmenter(frame.image)
            middle = time.perf_counter()
            steady = smoother(frame.image, result.probability, frame.time)
            smooth_times.append(time.perf_counter() - middle)
            segment_times.append(middle - start)
            flow.advance(frame.image)
            masks = {"unsmoothed": result.mask, "smoothed": replace(result, probability=steady).mask}
            for name, mask in masks.items():
                small = flow.shrink(mask)
                meters[name].add(small, *(flow.carry(last[name]) if name in last else (None, None)))
                last[name] = small
            shares.append(float(np.mean(result.mask > 0)))
            either = np.count_nonzero(masks["unsmoothed"] | masks["smoothed"])
            both = np.count_nonzero(masks["unsmoothed"] & masks["smoothed"])
            agreements.append(both / either if either else 1.0)
    return {
        "video": str(path),
        "frames": len(shares),
        "hand_share": float(np.mean(shares)),
        "agreement": float(np.mean(agreements)),
        "segment_ms": 1000 * median(segment_times),
        "smooth_ms": 1000 * median(smooth_times),
        "unsmoothed": meters["unsmoothed"].scores(),
        "smoothed": meters["smoothed"].scores(),
    }


class FlowWarp:
    """Carries masks from the last frame's place to this one's, at a width of 512 pixels."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._grey: np.ndarray | None = None
        self._map: tuple[np.ndarray, np.ndarray] | None = None

    def advance(self, image: np.ndarray) -> None:
        """Take the next frame, RGB uint8 H×W×3."""
        grey = cv2.cvtColor(cv2.resize(image, _size(image), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        if self._grey is not None:
            back = self._flow.calc(grey, self._grey, None)  # type: ignore[call-overload]
            rows, columns = np.indices(grey.shape, np.float32)
            self._map = columns + back[..., 0], rows + back[..., 1]
        self._grey = grey

    def shrink(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the frame's size at the working size, uint8, 0 or 255."""
        return np.asarray(np.where(cv2.resize(mask, _size(mask), interpolation=cv2.INTER_AREA) > 127, 255, 0), np.uint8)

    def carry(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last frame's mask at this one's places, and bool H×W: the pixels that the last frame shows."""
        assert self._map is not None
        x, y = self._map
        carried = cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        height, width = mask.shape
        return np.asarray(carried), (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)


def _size(array: np.ndarray) -> tuple[int, int]:
    height, width = array.shape[:2]
    scale = min(1.0, WIDTH / width)
    return max(16, round(width * scale)), max(16, round(height * scale))


def video_table(report: VideoReport) -> str:
    """The report as text."""
    lines = [
        f"{report['video']}: {report['frames']} frames, {100 * report['hand_share']:.1f} % of the picture is hand",
        "             flow-warped IoU  flip rate  area jitter  ms a frame",
    ]
    for name, cost in (
        ("unsmoothed", report["segment_ms"]),
        ("smoothed", report["segment_ms"] + report["smooth_ms"]),
    ):
        s: Stability = report[name]  # type: ignore[literal-required]
        lines.append(
            f"{name:<12} {s['successive_iou']:>15.4f} {s['flip_rate']:>10.4f} {s['area_jitter']:>12.4f} {cost:>11.1f}"
        )
    lines.append(
        f"IoU of smoothed and unsmoothed masks {report['agreement']:.4f}. "
        "Steady is not right: an empty mask is perfectly steady."
    )
    return "\n".join(lines)
