from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin, features

from handseg.errors import HandsegError, ImageError, MissingExtraError
from handseg.files import write_atomically
from handseg.image import decode_image, image_size, load_image, load_label, load_mask, resize, save_png
from handseg.image import file as image_file
from tests.image.files import chunk


def gradient(height: int = 6, width: int = 9) -> np.ndarray:
    return np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)


def test_an_rgb_png_comes_back_as_it_was(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", gradient())
    assert np.array_equal(load_image(tmp_path / "a.png"), gradient())


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 10), (77, 77, 77)),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("I;16", 257 * 200, (200, 200, 200)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, value: object, expected: tuple[int, int, int]) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (4, 3), value).save(path)
    loaded = load_image(path)
    assert loaded.shape == (3, 4, 3)
    assert loaded.dtype == np.uint8
    assert np.abs(loaded.astype(int) - expected).max() <= 1


def test_a_palette_image_becomes_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4), (200, 10, 30)).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.gif")
    assert np.abs(load_image(tmp_path / "a.gif").astype(int) - (200, 10, 30)).max() <= 2


def test_exif_rotation_is_applied_to_pixels_and_size(tmp_path: Path) -> None:
    picture = Image.fromarray(gradient(6, 9))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    assert load_image(tmp_path / "a.png").shape == (9, 6, 3)
    assert image_size(tmp_path / "a.png") == (9, 6)
    assert np.array_equal(load_image(tmp_path / "a.png"), np.rot90(gradient(6, 9), -1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", [*range(1, 9), 0, 9, 60000])
def test_every_orientation_of_every_format(tmp_path: Path, kind: str, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    path = tmp_path / "a"
    Image.fromarray(gradient(16, 24)).save(path, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(path) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    for loaded in (load_image(path), load_label(path)):
        assert loaded.shape[:2] == expected.shape[:2] == image_size(path)
    assert np.array_equal(load_image(path), expected)


def test_an_orientation_may_lie_behind_the_pixels_or_in_xmp(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(6, 9)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + content[-12:])
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(gradient(6, 9)).save(tmp_path / "b.webp", lossless=True, xmp=xmp)
    for name in ("a.png", "b.webp"):
        assert image_size(tmp_path / name) == (9, 6)
        assert np.array_equal(load_image(tmp_path / name), np.rot90(gradient(6, 9), -1))


def test_a_pil_image_is_limited_too() -> None:
    with pytest.raises(ImageError, match="longer than 64:1"):
        load_image(Image.new("L", (65, 1)))


HEIF = Path(__file__).parent / "hand.heic"  # the example picture, as an iPhone would write it
EXAMPLE = Path(__file__).parents[2] / "examples" / "hand.jpg"


def test_a_photo_of_an_iphone_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    expected = resize(load_image(EXAMPLE), 160, 240).astype(int)
    (tmp_path / "sent.jpg").write_bytes(HEIF.read_bytes())
    for path in (HEIF, tmp_path / "sent.jpg"):
        assert np.abs(load_image(path) - expected).mean() < 3
    turned = HEIF.with_name("turned.heic")
    assert image_size(turned) == (240, 160)
    assert np.abs(np.rot90(load_image(turned)) - expected).mean() < 3


def test_a_cut_photo_of_an_iphone_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    (tmp_path / "cut.heic").write_bytes(HEIF.read_bytes()[:1500])
    with pytest.raises(ImageError, match=r"cut\.heic: .*save or copy it anew"):
        load_image(tmp_path / "cut.heic")


def test_without_the_extra_a_photo_of_an_iphone_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MissingExtraError, match=r"hand\.heic.*handseg\[heif\]"):
        load_image(HEIF)


@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
def test_an_avif_needs_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brand: bytes) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    Image.new("RGB", (8, 6), (200, 10, 30)).save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(content[:8] + brand + content[12:])
    assert np.abs(load_image(tmp_path / "a.avif").astype(int) - (200, 10, 30)).max() <= 8


def test_arrays_and_pil_images_are_taken(tmp_path: Path) -> None:
    assert np.array_equal(load_image(gradient()), gradient())
    assert np.array_equal(load_image(Image.fromarray(gradient())), gradient())
    assert load_image(np.zeros((5, 4), np.uint8)).shape == (5, 4, 3)
    assert load_image(np.zeros((5, 4, 4), np.uint8)).shape == (5, 4, 3)


@pytest.mark.parametrize(
    "array", [np.zeros((5, 4, 3), np.float32), np.zeros((5, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused_with_what_to_do(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="an image array is"):
        load_image(array)


@pytest.mark.parametrize("value", [1, 7, 200, 255])
def test_a_mask_is_binary_whatever_its_value(tmp_path: Path, value: int) -> None:
    save_png(tmp_path / "a.png", np.array([[0, value, value], [0, value, 0]], np.uint8))
    assert load_mask(tmp_path / "a.png").tolist() == [[0, 255, 255], [0, 255, 0]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"not a picture", "not an image"), (None, "no such file")],
)
def test_files_that_are_no_image_are_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"broken\.png.*{reason}"):
        load_image(path)


def test_a_truncated_jpeg_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"a\.jpg: damaged image"):
        load_image(tmp_path / "a.jpg")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "MAX_PIXELS", 50)
    save_png(tmp_path / "a.png", gradient())
    with pytest.raises(ImageError, match="9×6 is more than"):
        load_image(tmp_path / "a.png")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HandsegError, match="file.*can't write there"):
        save_png(tmp_path / "file" / "a.png", gradient())


def test_resize_keeps_the_type_and_the_mean() -> None:
    values = np.random.default_rng(0).random((40, 60), np.float32)
    small = resize(values, 10, 15)
    assert small.dtype == np.float32
    assert small.shape == (10, 15)
    assert abs(small.mean() - values.mean()) < 0.01


@pytest.mark.parametrize("path", [HEIF, Path(__file__).parents[2] / "examples" / "hand.jpg"])
def test_a_file_in_memory_is_read_as_one_on_disk(path: Path) -> None:
    content = path.read_bytes()
    assert np.array_equal(decode_image(content, "a"), load_image(path))
    for damaged in (b"", content[:2000], b"text"):
        with pytest.raises(ImageError, match=r"^photo\.x: .*save or copy it anew$"):
            decode_image(damaged, "photo.x")
    height, width = image_size(path)
    with pytest.raises(ImageError, match=rf"^photo\.x: {width}×{height} is more than"):
        decode_image(content, "photo.x", max_pixels=height * width - 1)


@pytest.mark.parametrize("copy", [{254: 1}, {254: 4}, {254: 5}, {255: 2}])
def test_a_thumbnail_before_the_picture_is_not_the_picture(tmp_path: Path, copy: dict[int, int]) -> None:
    path = tmp_path / "a.tif"
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    with TiffImagePlugin.AppendingTiffWriter(str(path), True) as file:
        for pixels, tags in ((picture[::4, ::4], copy), (picture[::2, ::2], copy), (picture, {254: 0})):
            Image.fromarray(pixels).save(file, "TIFF", tiffinfo=tags)
            file.newFrame()
    assert np.array_equal(load_image(path), picture)
    assert image_size(path) == (60, 90)


def test_of_a_raw_photo_the_thumbnail_is_not_the_picture(tmp_path: Path) -> None:
    thumbnail = Image.new("RGB", (30, 20))
    thumbnail.save(tmp_path / "a.dng", "TIFF", tiffinfo={254: 1, 330: 8})  # says that more lies within
    thumbnail.save(tmp_path / "a.tif", "TIFF", tiffinfo={254: 1})  # a copy of nothing
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.cr2").write_bytes(content[:8] + b"CR\2\0" + content[12:])
    for name in ("a.dng", "a.cr2"):
        with pytest.raises(ImageError, match="a raw photo, .* develop it"):
            load_image(tmp_path / name)
    assert load_image(tmp_path / "a.tif").shape == (20, 30, 3)


def test_a_files_rights_are_those_of_any_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asking for the process's umask: that means to change it, for all threads, and two that do so at once may
    leave it changed."""
    (tmp_path / "new").touch()
    monkeypatch.setattr("os.umask", lambda _: pytest.fail("the umask was changed"))
    save_png(tmp_path / "a.png", gradient())
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "new").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "new"]
