from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

from handseg.metrics import count, score
from handseg.metrics.temporal import stability
from handseg.video.smooth import Smoother

RNG = np.random.default_rng(0)
cv2 = pytest.importorskip("cv2")
SCENE = cv2.GaussianBlur(RNG.integers(0, 256, (400, 600, 3), dtype=np.uint8), (0, 0), 3)
SCENE = cv2.normalize(SCENE, None, 0, 255, cv2.NORM_MINMAX)


def view(dx: int = 0) -> np.ndarray:
    return np.ascontiguousarray(SCENE[50:290, 50 + dx : 370 + dx])


def disc(x: float, noise: float = 0.0) -> np.ndarray:
    rows, columns = np.mgrid[0:240, 0:320]
    p = np.clip((40 - np.hypot(rows - 120, columns - x)) / 8, 0, 1)
    return np.clip(p + noise * RNG.standard_normal(p.shape), 0, 1).astype(np.float32)


def run(frames: list[tuple[np.ndarray, np.ndarray]], step: float = 1 / 30) -> list[np.ndarray]:
    smoother = Smoother()
    return [smoother(image, probability, i * step) for i, (image, probability) in enumerate(frames)]


def masks(probabilities: list[np.ndarray]) -> list[np.ndarray]:
    return [p >= 0.5 for p in probabilities]


def test_noise_is_averaged_away_while_nothing_moves() -> None:
    frames = [(view(), disc(160, 0.25)) for _ in range(12)]
    smoothed = run(frames)
    raw, steady = stability(masks([p for _, p in frames])), stability(masks(smoothed))
    assert steady["flip_rate"] < 0.6 * raw["flip_rate"]
    assert all(p.dtype == np.float32 and p.min() >= 0 and p.max() <= 1 for p in smoothed)


def test_the_past_moves_along_with_the_camera() -> None:
    frames = [(view(4 * i), disc(200 - 4 * i)) for i in range(12)]
    for (_, exact), smoothed in zip(frames, run(frames)):
        assert score(count(smoothed >= 0.5, exact >= 0.5))["image"]["iou"] > 0.97


def test_a_fast_hand_leaves_no_trail() -> None:
    """A bright disc jumps by its own width each frame; where it was, nothing may stay."""
    frames = []
    for i in range(8):
        x, image = 30 + 36 * i, view()
        p = disc(x)
        image[p > 0.5] = (230, 180, 160)
        frames.append((image, p))
    for (_, exact), smoothed in zip(frames, run(frames)):
        assert np.count_nonzero((smoothed >= 0.5) & (exact < 0.5)) < 0.03 * np.count_nonzero(exact >= 0.5)


def test_a_hand_as_bright_as_its_background_leaves_no_trail() -> None:
    """In grey nothing moves at all; the colours tell."""
    frames = []
    for i in range(8):
        image = np.full((240, 320, 3), 128, np.uint8)
        p = disc(60 + 25 * i)
        image[p > 0.5] = (200, 100, 84)
        frames.append((image, p))
    for (_, exact), smoothed in zip(frames, run(frames)):
        wrong = np.count_nonzero((smoothed >= 0.5) != (exact >= 0.5))
        assert wrong < 0.03 * np.count_nonzero(exact >= 0.5)


@pytest.mark.parametrize("step", [1.0, 0.0])
def test_frames_a_second_apart_or_out_of_order_are_left_alone(step: float) -> None:
    frames = [(view(), disc(100 + 10 * i)) for i in range(4)]
    for (_, exact), smoothed in zip(frames, run(frames, step)):
        assert np.allclose(smoothed, exact, atol=1e-6)


def test_a_cut_forgets_and_another_size_starts_anew() -> None:
    smoother = Smoother()
    smoother(view(), disc(160), 0.0)
    other = np.ascontiguousarray(255 - SCENE[100:340, 200:520])
    assert np.abs(smoother(other, disc(40), 0.04) - disc(40)).mean() < 0.02
    small = disc(100)[::2, ::2].copy()
    assert np.allclose(smoother(view()[::2, ::2].copy(), small, 0.08), small, atol=0.3)


def test_no_memory_is_no_smoothing_and_too_much_is_refused() -> None:
    smoother = Smoother(0.0)
    smoother(view(), disc(100), 0.0)
    assert np.allclose(smoother(view(), disc(160), 0.04), disc(160), atol=1e-6)
    with pytest.raises(ValueError, match="memory"):
        Smoother(1.0)
