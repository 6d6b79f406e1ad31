"""What a mask file stores, and what that means, file by file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.errors import DataError, HandsegError
from handseg.image import load_label, load_mask
from handseg.image.mask_values import MaskMeaning

HAND = np.zeros((20, 30), np.uint8)
HAND[5:15, 10:20] = 1
ELSEWHERE = np.zeros_like(HAND)
ELSEWHERE[:4] = 1
NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
BLACK_AND_WHITE = [0, 0, 0, 255, 255, 255]


def rgb(hand: tuple[int, int, int], background: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    return np.where(HAND[..., None] > 0, hand, background).astype(np.uint8)


def palette(indices: np.ndarray, colours: list[int], **info: int) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(colours)
    image.info.update(info)
    return image


ONE_HAND = {
    "1_bit.png": Image.fromarray(HAND > 0),
    "7.png": Image.fromarray(HAND * 7),
    "ids.png": Image.fromarray((HAND * np.arange(30)).astype(np.uint16) * 1000),
    "below_129.tif": Image.fromarray((HAND * np.arange(30)).astype(np.int32)),
    "above_255.tif": Image.fromarray(HAND.astype(np.int32) * 70_000),
    "big_endian.tif": Image.fromarray(HAND.astype(">u2") * np.uint16(300)),
    "float_of_one.tif": Image.fromarray(HAND.astype(np.float32)),
    "float_below_a_half.tif": Image.fromarray(HAND.astype(np.float32) * np.float32(0.3)),
    "red.png": Image.fromarray(rgb((255, 0, 0))),
    "dark_blue.png": Image.fromarray(rgb((0, 0, 40))),
    "grey_rgb.png": Image.fromarray(rgb((200, 200, 200))),
    "alpha_alone.png": Image.fromarray(np.dstack([NOISE * 0, HAND * 255])),
    "photo_and_alpha.png": Image.fromarray(np.dstack([NOISE, HAND * 255])),
    "white_and_alpha.png": Image.fromarray(np.dstack([HAND * 0 + 255, HAND * 255])),
    "opaque.png": Image.fromarray(np.dstack([rgb((255, 255, 255)), HAND * 0 + 255])),
    "white_is_0.png": palette(1 - HAND, [255, 255, 255, 0, 0, 0]),
    "black_and_white_at_1_and_2.png": palette(HAND + 1, [9, 9, 9, *BLACK_AND_WHITE]),
    "class_3.png": palette(HAND * 3, [0, 0, 0, 9, 9, 9, 0, 200, 0, 128, 128, 128]),
    "no_colours.png": palette(HAND, [0, 0, 0] * 2),
    "transparent.png": palette(1 - HAND, [0, 0, 0] * 2, transparency=1),
    "white.gif": palette(1 - HAND, [255, 255, 255, 0, 0, 0]),
}


@pytest.mark.parametrize("name", ONE_HAND)
def test_the_hand_is_found_however_it_is_stored(name: str, tmp_path: Path) -> None:
    image = ONE_HAND[name]
    image.save(tmp_path / name, **({"transparency": 1} if name == "transparent.png" else {}))
    expected = HAND if name not in ("ids.png", "below_129.tif") else HAND * np.minimum(np.arange(30), 1)
    assert np.array_equal(load_mask(tmp_path / name), expected * 255)


def test_a_palette_without_its_white_in_use_is_empty(tmp_path: Path) -> None:
    palette(HAND * 0 + 1, [255, 255, 255, 0, 0, 0]).save(tmp_path / "a.png")
    assert not load_mask(tmp_path / "a.png").any()


def test_values_of_few_bits_are_not_stretched(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n30 20\n3\n" + (HAND + 2 * ELSEWHERE).tobytes())
    (tmp_path / "b.pgm").write_bytes(b"P5\n30 20\n1000\n" + (HAND * 7).astype(">u2").tobytes())
    for name, values in (("a", [0, 1, 2]), ("b", [0, 7])):
        assert np.unique(load_label(tmp_path / f"{name}.pgm")).tolist() == values


def test_a_mask_is_turned_as_exif_says(tmp_path: Path) -> None:
    image = Image.fromarray((HAND + ELSEWHERE) * 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_mask(tmp_path / "a.png"), np.rot90((HAND + ELSEWHERE) * 255, -1))


AMBIGUOUS = {
    "void_255.png": (HAND + 255 * ELSEWHERE, "holds 0, 1 and 255"),
    "objects.png": (HAND + 5 * ELSEWHERE, "holds 0, 1 and 5"),
    "trimap_and_more.png": (HAND * 255 + 128 * ELSEWHERE + (HAND + ELSEWHERE == 0), "holds 1, 128 and 255"),
    "trimap_from_1.png": (HAND + 1, "holds 1 and 2"),
    "void_in_16_bits.png": ((HAND + 65535 * ELSEWHERE.astype(np.uint16)), "holds 0, 1 and 65535"),
    "void_in_32_bits.tif": ((HAND + 255 * ELSEWHERE.astype(np.int32)), "holds 0, 1 and 255"),
    "below_0.tif": (HAND - ELSEWHERE.astype(np.int32), "holds -1, 0 and 1"),
    "colours.png": (rgb((200, 30, 90), (255, 255, 255)), "holds 255 and #c81e5a"),
    "soft.tif": (np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30), "600 different values.*hand=0.5-1"),
    "lossy.png": (NOISE[..., 0], "must be lossless.*hand=128-255"),
    "numbers.tif": (np.where(HAND, np.nan, 0).astype(np.float32), "no numbers"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_may_mean_several_things_is_named(name: str, tmp_path: Path) -> None:
    values, message = AMBIGUOUS[name]
    Image.fromarray(values).save(tmp_path / name)
    with pytest.raises(HandsegError, match=rf"{name}: .*{message}"):
        load_mask(tmp_path / name)


def test_a_map_says_what_values_mean() -> None:
    values = np.array([[0, 1, 2, 3, 5, 255]], np.uint8)
    assert MaskMeaning.parse("hand=1-2 ignore=255")(values).tolist() == [[0, 255, 255, 0, 0, 128]]
    assert MaskMeaning.parse("hand=5 background=0-3 ignore=255")(values).tolist() == [[0, 0, 0, 0, 255, 128]]
    with pytest.raises(DataError, match="nothing is said of 5"):
        MaskMeaning.parse("hand=1,2 background=0,3 ignore=255")(values)
    assert MaskMeaning.parse("hand=0.5-1")(np.array([[0.2, 0.5, 1.0]])).tolist() == [[0, 255, 255]]
    assert MaskMeaning.parse("hand=1 ignore=-1")(np.array([[-1, 0, 1]])).tolist() == [[128, 0, 255]]


def test_a_map_of_colours(tmp_path: Path) -> None:
    Image.fromarray(rgb((200, 30, 90), (255, 255, 255))).save(tmp_path / "a.png")
    mask = MaskMeaning.parse("hand=#c81e5a background=#ffffff")(load_label(tmp_path / "a.png"))
    assert np.array_equal(mask, HAND * 255)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ignore=255", "don't say what is hand"),
        ("hand 1", "'hand' in"),
        ("object=3", "'object=3' in"),
        ("hand=1 hand=2", "once"),
        ("hand=red", "is no number"),
        ("hand=3-1", "ends before"),
        ("hand=1-5 ignore=3", "twice"),
    ],
)
def test_a_map_that_is_none_says_why(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        MaskMeaning.parse(text)
