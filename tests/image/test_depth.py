from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.errors import ImageError
from handseg.image import decode_image, load_image
from tests.image import files

EXAMPLE = Path(__file__).parents[2] / "examples" / "hand.jpg"


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    return load_image(EXAMPLE)[::8, ::8]


def deep(values: np.ndarray, bits: int) -> np.ndarray:
    """Those values of 8 bits as a sensor of more would give them, with noise in what is below."""
    white = (1 << bits) - 1
    noise = np.random.default_rng(0).integers(-1, 2, values.shape)
    return np.clip(values.astype(int) * white // 255 + noise, 0, white).astype(np.uint16)


def difference(content: bytes, expected: np.ndarray) -> float:
    read = decode_image(content, "a").astype(int)
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    return float(np.abs(read - expected).mean())


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_file_of_16_bits_may_hold_fewer(bits: int, colours: np.ndarray) -> None:
    rgb, grey = deep(colours, bits), deep(colours[..., 1], bits)
    alpha = np.full(grey.shape, 65535)
    for content, expected in [
        (files.png_16(grey, files.PNG_GREY), colours[..., 1]),
        (files.png_16(rgb, files.PNG_RGB), colours),
        (files.png_16(np.dstack([grey, alpha]), files.PNG_GREY_ALPHA), colours[..., 1]),
        (files.png_16(np.dstack([rgb, alpha]), files.PNG_RGBA), colours),
        (files.pnm(grey, 65535), colours[..., 1]),
        *((files.tiff(grey, order=order), colours[..., 1]) for order in "<>"),
        *((files.tiff(rgb, order=order), colours) for order in "<>"),
        (files.tiff(rgb, deflate=True), colours),
    ]:
        assert difference(content, expected) < 1


@pytest.mark.parametrize("white", [1, 3, 254, 1023, 4095])
def test_a_pnm_says_what_is_white(white: int, colours: np.ndarray) -> None:
    for values in (colours, colours[..., 0]):
        levels = (values.astype(int) * white + 127) // 255
        assert difference(files.pnm(levels, white), (levels * 255 / white).round()) < 0.5
    with pytest.raises(ImageError, match="damaged image"):
        decode_image(files.pnm(colours, white)[:-9], "a")


def test_a_dark_picture_of_16_bits_stays_dark(colours: np.ndarray) -> None:
    grey = colours[..., 1]
    assert difference(files.png_16((grey // 16).astype(np.uint16) * 257, files.PNG_GREY), grey // 16) == 0
    assert difference(files.png_16(deep(grey, 16) // 6, files.PNG_GREY), grey / 6) < 1
    assert difference(files.png_16(deep(colours, 16) // 6, files.PNG_RGB), colours / 6) < 1


@pytest.mark.parametrize("scale", [1 / 255, 1, 4095 / 255, 257])
@pytest.mark.parametrize("overshoot", [0, 0.04])
def test_floats_are_scaled_by_their_range(scale: float, overshoot: float, colours: np.ndarray) -> None:
    grey = colours[..., 1]
    values = grey.astype(np.float32) * np.float32(scale)
    values[0, :3] = 255 * scale * (1 + overshoot), -overshoot * 255 * scale, 128 * scale
    expected = grey.copy()
    expected[0, :3] = 255, 0, 128
    assert difference(files.tiff(values, files.FLOAT), expected) < 0.01


def test_signed_and_32_bit_integers(colours: np.ndarray) -> None:
    grey = colours[..., 1]
    for values in (deep(grey, 15).astype(np.int16), deep(grey, 16).astype(np.int32), grey.astype(np.int32)):
        assert difference(files.tiff(values, files.SIGNED), grey) < 1


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "no numbers"), (np.inf, "no numbers"), (1e9, "from 0 to 1e[+]09"), (-1.0, "from -1 to 0.5")],
)
def test_values_that_are_no_picture_are_named(tmp_path: Path, value: float, message: str) -> None:
    values = np.tile(np.float32([0, 0.5]), (8, 4))
    values[3, 3] = value
    (tmp_path / "a.tif").write_bytes(files.tiff(values, files.FLOAT))
    with pytest.raises(ImageError, match=rf"a\.tif: .*{message}"):
        load_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["16 bits", "12 bits", "float", "8 bits"])
def test_where_white_is_zero_it_is_white(kind: str, colours: np.ndarray) -> None:
    grey = 255 - colours[..., 1]
    values = {
        "16 bits": grey.astype(np.uint16) * 257,
        "12 bits": deep(grey, 12),
        "float": (grey / 255).astype(np.float32),
        "8 bits": grey,
    }[kind]
    content = files.tiff(values, files.FLOAT if kind == "float" else files.UNSIGNED, more={262: 0})
    assert difference(content, colours[..., 1]) < 0.5


@pytest.mark.parametrize("deflate", [False, True])
def test_colours_in_planes_are_read_right_or_refused(deflate: bool, colours: np.ndarray) -> None:
    """Pillow takes the two bytes of a colour for two pixels, or loses the lower one."""
    assert difference(files.tiff_in_planes(colours, deflate), colours) == 0
    refused = [deep(colours, 12)]
    if deflate:
        assert difference(files.tiff_in_planes(colours.astype(np.uint16) * 257, deflate), colours) == 0
    else:
        refused.append(colours.astype(np.uint16) * 257)
    for values in refused:
        with pytest.raises(ImageError, match="separate planes"):
            decode_image(files.tiff_in_planes(values, deflate), "a")


def test_signed_numbers_of_8_bits_are_refused(colours: np.ndarray) -> None:
    with pytest.raises(ImageError, match="signed numbers of 8 bits"):
        decode_image(files.tiff((colours[..., 1] // 2).astype(np.int8), files.SIGNED), "a")


def test_the_given_cases(data: Path) -> None:
    cases = data.parent / "cases"
    if not cases.is_dir():
        pytest.skip(f"no cases at {cases}")
    with Image.open(cases / "gray_12bit_in_16" / "gray.png") as image:
        grey = np.array(image.convert("RGB")).astype(int)
    for name in ("gray_12bit_in_16/g12in16.png", "gray_12bit_in_16/g10in16.png", "float_tiff_0_1/f01.tif"):
        assert np.abs(load_image(cases / name) - grey).max() <= 1, name
