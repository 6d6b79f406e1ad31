from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handseg.errors import ImageError
from handseg.inference.card import ModelCard
from handseg.inference.postprocess import restore
from handseg.inference.preprocess import place, preprocess

FIT = ModelCard("fit", size=(224, 384))
STRETCH = ModelCard("stretch", size=(256, 256), resize="stretch", stride=16)


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([FIT, STRETCH]))
def test_a_placement_is_aligned_and_holds_the_image(height: int, width: int, card: ModelCard) -> None:
    if max(height, width) > 64 * min(height, width):
        with pytest.raises(ImageError, match="64:1"):
            place(height, width, card)
        return
    placement = place(height, width, card)
    for resized, padded in zip(placement.resized, placement.padded):
        assert padded % card.stride == 0
        assert 1 <= resized <= padded < resized + card.stride


@given(st.integers(20, 3000), st.integers(20, 3000))
def test_fit_keeps_area_and_aspect(height: int, width: int) -> None:
    if max(height, width) > 10 * min(height, width):
        return
    h, w = place(height, width, FIT).resized
    assert abs(h * w / (224 * 384) - 1) < 0.03
    assert abs((w / h) / (width / height) - 1) < 0.03


@settings(deadline=None, max_examples=30)
@given(st.integers(16, 200), st.integers(16, 200), st.sampled_from([FIT, STRETCH]))
def test_restore_undoes_preprocess(height: int, width: int, card: ModelCard) -> None:
    y, x = np.mgrid[0:height, 0:width]
    smooth = ((np.sin(x / width * 3) + np.cos(y / height * 3) + 2) * 60).astype(np.uint8)
    pixels, placement = preprocess(np.repeat(smooth[..., None], 3, axis=2), card)
    back = restore(pixels[..., 0].astype(np.float32) / 255, placement)
    assert back.shape == (height, width)
    assert back.dtype == np.float32
    assert np.abs(back * 255 - smooth).mean() < 3


def test_the_padding_has_the_mean_colour() -> None:
    card = ModelCard("odd", size=(40, 50), mean=(10.0, 20.0, 30.0))
    pixels, placement = preprocess(np.full((40, 50, 3), 200, np.uint8), card)
    assert placement.padded == (64, 64)
    assert (pixels[:40, :50] == 200).all()
    assert (pixels[40:] == (10, 20, 30)).all()
    assert (pixels[:, 50:] == (10, 20, 30)).all()
