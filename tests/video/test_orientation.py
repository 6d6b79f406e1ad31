from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from handseg.video.orientation import Orientation, from_display_matrix, from_rotation
from tests.video.conftest import make_clip, square

from handseg.video import VideoReader  # isort: skip

ONE = 1 << 16
# a, b, c and d of the display matrix, and the same with NumPy
EIGHT = {
    "as it is": ((1, 0, 0, 1), lambda i: i),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down and mirrored": ((1, 0, 0, -1), np.flipud),
    "half a turn": ((-1, 0, 0, -1), lambda i: np.rot90(i, 2)),
    "a quarter with the clock": ((0, 1, -1, 0), lambda i: np.rot90(i, -1)),
    "a quarter against it": ((0, -1, 1, 0), np.rot90),
    "transposed": ((0, 1, 1, 0), lambda i: i.swapaxes(0, 1)),
    "the other diagonal": ((0, -1, -1, 0), lambda i: np.rot90(i, 2).swapaxes(0, 1)),
}


def matrix(a: float, b: float, c: float, d: float) -> list[int]:
    return [round(a * ONE), round(b * ONE), 0, round(c * ONE), round(d * ONE), 0, 0, 0, 1 << 30]


@pytest.mark.parametrize("name", EIGHT)
def test_all_eight_are_applied(tmp_path: Path, name: str) -> None:
    numbers, expected = EIGHT[name]
    path = make_clip(tmp_path / "a.mp4", 2, setup=lambda stream: stream.set_display_matrix(matrix(*numbers)))
    with VideoReader(path) as reader:
        frame = next(iter(reader))
        assert (reader.height, reader.width) == frame.image.shape[:2]
    wanted = expected(square(0))
    assert frame.image.shape == wanted.shape
    assert np.abs(frame.image.astype(int) - wanted).mean() < 8
    others = [f(square(0)) for n, (_, f) in EIGHT.items() if n != name]
    assert all(o.shape != wanted.shape or np.abs(frame.image.astype(int) - o).mean() > 8 for o in others)


def test_a_turned_picture_has_turned_pixels(tmp_path: Path) -> None:
    def setup(stream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        stream.set_display_matrix(matrix(*EIGHT["a quarter with the clock"][0]))

    with VideoReader(make_clip(tmp_path / "a.mp4", 2, setup=setup)) as reader:
        assert reader.pixel_aspect == next(iter(reader)).pixel_aspect == Fraction(11, 16)


def test_a_matrix_that_is_none_of_the_eight_is_taken_for_the_nearest() -> None:
    tilted = matrix(np.cos(0.2), np.sin(0.2), -np.sin(0.2), np.cos(0.2))
    for numbers, expected in [
        (matrix(0, 0, 0, 0), Orientation()),
        (tilted, Orientation()),
        (matrix(-2, 0, 0, 3), Orientation(mirror=True)),
    ]:
        assert from_display_matrix(struct.pack("9i", *numbers)) == expected
    assert from_display_matrix(b"short") == Orientation()
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for degrees in (0, 90, 180, 270, -90):
        assert np.array_equal(from_rotation(degrees).apply(image), np.rot90(image, degrees // 90))
