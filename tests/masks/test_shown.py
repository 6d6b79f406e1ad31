"""A result as it shows itself: printed, in a notebook, as pictures and files."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageShow

from handseg import draw
from handseg.errors import ImageError
from handseg.image import load_image, save_png
from handseg.masks.result import PREVIEW, HandMask


def result(height: int = 60, width: int = 80, hands: int = 2) -> HandMask:
    probability = np.zeros((height, width), np.float32)
    for i in range(hands):
        probability[5:25, 5 + 30 * i : 25 + 30 * i] = 0.9
    image = np.full((height, width, 3), 120, np.uint8)
    image[5:25, 5:25] = 200
    return HandMask(probability, 0.5, image=image)


def test_it_prints_its_size_and_how_many_hands() -> None:
    shown = [str(result(hands=n)) for n in (0, 1, 2)]
    assert shown == ["<HandMask 60×80, 0 hands>", "<HandMask 60×80, 1 hand>", "<HandMask 60×80, 2 hands>"]
    assert repr([result(hands=1)]) == "[<HandMask 60×80, 1 hand>]"


def test_a_notebook_shows_the_overlay_and_no_more_pixels_than_it_needs() -> None:
    small = result()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(small._repr_png_()))), np.asarray(small.overlay()))
    large = result(1000, 4000)
    assert Image.open(io.BytesIO(large._repr_png_())).size == (PREVIEW, PREVIEW // 4)
    bare = HandMask(small.probability, 0.5)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bare._repr_png_()))), bare.mask)


def test_overlay_and_cutout_are_pil_images_of_the_image(tmp_path: Path) -> None:
    made = result()
    assert np.array_equal(np.asarray(made.overlay()), draw.overlay(made.image, made.mask))
    assert np.array_equal(np.asarray(made.cutout()), draw.cutout(made.image, made.mask))
    assert made.cutout().mode == "RGBA"
    made.overlay().save(tmp_path / "overlay.jpg")
    assert load_image(tmp_path / "overlay.jpg").shape == (60, 80, 3)


def test_another_image_may_be_named_and_must_fit(tmp_path: Path) -> None:
    made = result()
    bare = HandMask(made.probability, 0.5)
    save_png(tmp_path / "a.png", made.image)
    for image in (made.image, tmp_path / "a.png", (tmp_path / "a.png").read_bytes()):
        assert np.array_equal(np.asarray(bare.overlay(image)), np.asarray(made.overlay()))
    for draws in (bare.overlay, bare.cutout):
        with pytest.raises(ImageError, match=r"doesn't hold its image; name it, as result\.overlay\(image\)"):
            draws()
        with pytest.raises(ImageError, match="50×40 and 80×60 pixels"):
            draws(np.zeros((40, 50, 3), np.uint8))


def test_save_writes_the_mask_exactly_or_says_what_would(tmp_path: Path) -> None:
    made = result()
    made.save(tmp_path / "new" / "mask.png")
    made.save(str(tmp_path / "MASK.PNG"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "mask.png")), made.mask)
    for name in ("mask.jpg", "mask", "mask.webp"):
        with pytest.raises(ImageError, match=r"written as PNG.*name it mask\.png"):
            made.save(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_show_opens_the_overlay_in_a_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Viewer(ImageShow.Viewer):
        def show(self, image: Image.Image, **options: object) -> int:
            opened.append(np.asarray(image))
            return 1

    opened: list[np.ndarray] = []
    made = result()
    monkeypatch.setattr(ImageShow, "_viewers", [Viewer()])
    made.show()
    HandMask(made.probability, 0.5).show()
    assert np.array_equal(opened[0], np.asarray(made.overlay()))
    assert np.array_equal(opened[1], made.mask)
    monkeypatch.setattr(ImageShow, "_viewers", [])
    with pytest.raises(ImageError, match="no program that shows pictures"):
        made.show()


def test_it_pickles() -> None:
    made = result()
    again = pickle.loads(pickle.dumps(made))
    assert again.hands == made.hands
    assert np.array_equal(again.image, made.image)
