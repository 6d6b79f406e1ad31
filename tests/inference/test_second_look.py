"""Images with small hands are shown to the network again, larger; others cost what they did."""

from __future__ import annotations

import numpy as np
import pytest

from handseg.inference.card import ModelCard
from handseg.inference.second_look import SMALL, hand_size, looks_small
from handseg.inference.segmenter import Segmenter


class BlobEngine:
    """Sees red as hand, but not what is narrower than 12 pixels of its input; remembers the sizes it was shown."""

    name = model = "blob"

    def __init__(self, **card: object) -> None:
        self.card = ModelCard("blob", size=(64, 96), stride=32, **card)
        self.shown: list[tuple[int, ...]] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.shown.append(batch.shape[1:3])
        red = (batch[..., 0] > 200).astype(np.float32)
        lasting = np.stack([np.minimum.reduce([np.roll(red, k, 2) for k in range(-5, 6)])])[0]
        seen = np.maximum.reduce([np.roll(lasting, k, 2) for k in range(-5, 6)])
        faint = 0.35 * red  # half seen
        return np.maximum(seen, faint)[:, None]


def picture(width: int) -> np.ndarray:
    image = np.zeros((256, 384, 3), np.uint8)
    image[100:140, 100 : 100 + width, 0] = 255
    return image


def test_the_size_of_hands_is_a_mean_over_them() -> None:
    probability = np.zeros((60, 90), np.float32)
    assert hand_size(probability) == 0
    assert not looks_small(probability)  # nothing was seen, and nothing is looked for again
    probability[5:25, 5:25] = 0.9
    assert hand_size(probability) == pytest.approx(20)
    probability[40:50, 40:50] = 0.4
    assert hand_size(probability) == pytest.approx((20**2 + 10**2) / 30)
    probability[55, 80] = 1  # a speck
    assert hand_size(probability) == pytest.approx((20**2 + 10**2) / 30)
    assert looks_small(probability)
    assert not looks_small(np.ones((int(SMALL) + 1, int(SMALL) + 1), np.float32))


def test_a_small_hand_is_seen_in_the_larger_input_at_the_image_s_own_size() -> None:
    image = picture(24)  # 6 pixels wide in the usual input
    engine = BlobEngine()
    result = Segmenter(engine)(image)
    assert engine.shown == [(64, 96), (128, 192), (192, 288)]
    assert result.mask.shape == (256, 384)
    assert ((result.mask > 0) & (image[..., 0] > 0)).sum() > 0.8 * (image[..., 0] > 0).sum()
    once = Segmenter(BlobEngine(), second_look=False)(image)
    assert not once.mask.any()


def test_what_the_closer_look_is_sure_of_counts_though_the_first_hardly_saw_it() -> None:
    class Shy(BlobEngine):
        def run(self, batch: np.ndarray) -> np.ndarray:
            red = batch[..., 0] > 200
            return np.where(red, 0.31 if batch.shape[1] == 64 else 0.95, 0).astype(np.float32)[:, None]

    image = np.zeros((256, 384, 3), np.uint8)
    image[100:200, 100:200, 0] = 255  # 25 pixels wide in the usual input, 50 in the larger
    assert Segmenter(Shy(), threshold=0.7)(image).mask[150, 150]


def test_large_hands_and_empty_images_are_looked_at_once() -> None:
    engine = BlobEngine()
    large = np.zeros((256, 384, 3), np.uint8)
    large[20:230, 50:350, 0] = 255
    results = Segmenter(engine).batch([large, np.zeros_like(large)])
    assert engine.shown == [(64, 96)]
    assert results[0].mask.any()
    assert not results[1].mask.any()


def test_in_a_batch_each_image_is_judged_for_itself() -> None:
    images = [picture(24), picture(300), picture(0)]
    together = Segmenter(BlobEngine()).batch(images)
    alone = [Segmenter(BlobEngine())(image) for image in images]
    assert all(np.array_equal(a.probability, b.probability) for a, b in zip(together, alone))


def test_video_is_looked_at_once() -> None:
    engine = BlobEngine()
    segmenter = Segmenter(engine, threshold=0.3).without_second_look()
    assert (segmenter.threshold, segmenter.policy) == (0.3, "hand")
    segmenter(picture(24))
    assert engine.shown == [(64, 96)]


def test_hand_classes_come_from_the_look_that_counts() -> None:
    class Both(BlobEngine):
        def run(self, batch: np.ndarray) -> np.ndarray:
            mask = super().run(batch)
            classes = np.zeros((len(mask), 4, *mask.shape[2:]), np.float32)
            classes[:, 3 if batch.shape[1] > 64 else 0] = 1
            return np.concatenate([mask, classes], axis=1)

    engine = Both(hand_classes=("own left", "own right", "other left", "other right"))
    hands = Segmenter(engine)(picture(24)).hands
    assert [(h.owner, h.side) for h in hands] == [("other", "right")]
