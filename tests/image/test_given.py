"""What people hand over as an image: each comes out as the same pixels, or as an error in words."""

from __future__ import annotations

import gzip
import io
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handseg.errors import ImageError
from handseg.image import load_image, save_png
from handseg.video import VideoFrame

EXAMPLE = Path(__file__).parents[2] / "examples" / "hand.jpg"


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)


@pytest.mark.parametrize("way", ["path", "bytes", "bytearray", "memoryview", "file", "BytesIO", "gzip", "urlopen"])
def test_a_file_is_read_however_it_is_handed_over(way: str, tmp_path: Path) -> None:
    content = EXAMPLE.read_bytes()
    packed = tmp_path / "hand.jpg.gz"
    packed.write_bytes(gzip.compress(content))
    given: Any = {
        "path": lambda: str(EXAMPLE),
        "bytes": lambda: content,
        "bytearray": lambda: bytearray(content),
        "memoryview": lambda: memoryview(content),
        "file": lambda: EXAMPLE.open("rb"),
        "BytesIO": lambda: io.BytesIO(content),
        "gzip": lambda: gzip.open(packed),  # noqa: SIM115
        "urlopen": lambda: urllib.request.urlopen(EXAMPLE.as_uri()),
    }[way]()
    assert np.array_equal(load_image(given), load_image(EXAMPLE))
    if hasattr(given, "close"):
        given.close()


def test_a_file_is_read_from_where_it_stands_and_left_open(tmp_path: Path) -> None:
    with io.BytesIO(b"header" + EXAMPLE.read_bytes()) as stream:
        stream.seek(6)
        assert np.array_equal(load_image(stream), load_image(EXAMPLE))
        assert not stream.closed
        with pytest.raises(
            ImageError, match=r"BytesIO: nothing left to read in it; go back to its start with seek\(0\)"
        ):
            load_image(stream)
    with pytest.raises(ImageError, match="closed"):
        load_image(stream)


def test_a_file_opened_as_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    with path.open() as file, pytest.raises(ImageError, match=r"a\.txt: gives str, not bytes; open it with mode 'rb'"):
        load_image(file)


def test_the_bytes_of_no_image_are_refused() -> None:
    for content in (b"", b"no image"):
        with pytest.raises(ImageError, match="image in memory: "):
            load_image(content)


def test_bgr_turns_arrays_and_leaves_files(pixels: np.ndarray, tmp_path: Path) -> None:
    alpha = np.dstack([pixels, pixels[..., 0]])
    assert np.array_equal(load_image(pixels[..., ::-1], bgr=True), pixels)
    assert np.array_equal(load_image(np.ascontiguousarray(alpha[..., [2, 1, 0, 3]]), bgr=True), pixels)
    assert np.array_equal(load_image(pixels[..., 0], bgr=True), load_image(pixels[..., 0]))
    save_png(tmp_path / "a.png", pixels)
    for given in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes(), Image.fromarray(pixels)):
        assert np.array_equal(load_image(given, bgr=True), pixels)


def test_tensors(torch, pixels: np.ndarray) -> None:
    last = torch.from_numpy(pixels.copy())
    first = last.permute(2, 0, 1)
    for tensor in (last, first, first.float() / 255, first.double() / 255, (first / 255).requires_grad_()):
        assert np.array_equal(load_image(tensor), pixels), tensor.dtype
    assert np.array_equal(load_image(first.flip(0), bgr=True), pixels)
    grey = load_image(pixels[..., 0])
    assert np.array_equal(load_image(last[..., 0]), grey)
    assert np.array_equal(load_image(last[None, ..., 0]), grey)
    assert np.array_equal(load_image(last[..., :1]), grey)
    half = load_image(first.to(torch.bfloat16) / 255)
    assert np.abs(half.astype(int) - pixels).max() <= 2


def test_tensors_that_are_no_images(torch, pixels: np.ndarray) -> None:
    first = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    for tensor, message in (
        (first.float(), r"floats from 0 to 255: an image's lie in \[0, 1\]"),
        (first / 255 - 0.5, "undo its normalisation"),
        (first / 0.0, "lie in"),
        (first.int(), "uint8"),
        (first[None], r"1×3×31×47: several images; give them to segmenter\.batch"),
        (torch.zeros(7, 5, 6), "shape"),
        (torch.zeros(0), "shape"),
        (torch.zeros(3, 4, dtype=torch.complex64), "complex64"),
    ):
        with pytest.raises(ImageError, match=message):
            load_image(tensor)


def test_what_else_numpy_takes_for_an_array(pixels: np.ndarray) -> None:
    class Array:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return pixels

    class Broken:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise RuntimeError("on another device")

    assert np.array_equal(load_image(Array()), pixels)
    with pytest.raises(ImageError, match="on another device"):
        load_image(Broken())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"cv2\.imread gives None where it can't read a file"),
        ([np.zeros((4, 4, 3), np.uint8)] * 2, r"a list of 2, where one image is asked for; .*segmenter\.batch"),
        (("a.jpg",), "a tuple of 1"),
        ([[0, 1], [2, 3]], "numpy.array"),
        (7, "int is no image; give a path"),
        ({"image": "a.jpg"}, "dict is no image"),
        ("https://example.org/a.jpg", "an address, and handseg reads no network"),
        (np.zeros((4, 4, 3)), "array of float64"),
        (VideoFrame(0, 0.0, np.zeros((4, 4, 3), np.uint8)), r"VideoFrame is no image; give its \.image"),
    ],
)
def test_what_is_no_image_is_said_in_words(given: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        load_image(given)
    assert "\n" not in str(caught.value)
