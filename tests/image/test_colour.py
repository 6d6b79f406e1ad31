from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from handseg.image import decode_image, load_image
from tests.image import files

# XYZ under D50 of red, green and blue.
PRIMARIES = {
    "P3": ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "ProPhoto RGB": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SKIN = (196, 140, 116)


def read(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return decode_image(file.getvalue(), "a")


@pytest.mark.parametrize("name", PRIMARIES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_wide_gamuts_become_srgb(name: str, mode: str) -> None:
    """The same colour in sRGB's own profile and in another one comes out the same."""
    profile = files.icc(PRIMARIES[name], 2.2)
    other = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    there = ImageCms.profileToProfile(Image.new("RGB", (8, 6), SKIN), ImageCms.createProfile("sRGB"), other)
    assert there is not None
    assert max(abs(a - b) for a, b in zip(there.getpixel((0, 0)), SKIN)) > 8
    loaded = read(there.convert(mode, palette=Image.Palette.ADAPTIVE), icc_profile=profile)
    assert np.abs(loaded.astype(int) - SKIN).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_profile_is_found_in_every_format(kind: str) -> None:
    loaded = read(Image.new("RGB", (16, 16), SKIN), kind, icc_profile=files.icc(PRIMARIES["P3"], 2.2))
    assert loaded[0, 0, 0] > SKIN[0] + 5
    assert loaded[0, 0, 2] < SKIN[2]


def test_srgb_by_any_name_changes_no_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(read(Image.fromarray(pixels), icc_profile=SRGB), pixels)


def test_grey_and_cmyk() -> None:
    linear = files.icc((), 1.0, b"GRAY")
    assert read(Image.new("L", (8, 6), 55), icc_profile=linear)[0, 0].tolist() == pytest.approx([127] * 3, abs=2)
    assert read(Image.new("1", (8, 6), 1), icc_profile=linear).min() == 255
    steep = files.icc(PRIMARIES["P3"], 1.0)  # of colours, on a grey picture: grey stays grey
    brighter = read(Image.new("LA", (8, 6), (55, 9)), icc_profile=steep)
    assert brighter[0, 0].tolist() == pytest.approx([127] * 3, abs=2)
    deep = files.png_16(np.full((6, 8), 55 * 257), files.PNG_GREY)  # 16 bits keep their profile
    stored = deep[:33] + files.chunk(b"iCCP", b"x\0\0" + zlib.compress(linear)) + deep[33:]
    assert decode_image(stored, "a")[0, 0].tolist() == pytest.approx([127] * 3, abs=2)
    cyan = read(Image.new("CMYK", (8, 6), (255, 0, 0, 0)), "JPEG", icc_profile=SRGB)  # a profile of another kind
    assert np.abs(cyan[0, 0].astype(int) - (0, 255, 255)).max() <= 2


def test_lab_becomes_rgb() -> None:
    for lightness, grey in ((255, 255), (136, 127)):
        lab = Image.new("LAB", (8, 6), (lightness, 128, 128))
        assert np.abs(read(lab, "TIFF").astype(int) - grey).max() <= 2


def program(steps: int) -> bytes:
    """A profile whose three tags share a list of so many steps; each would be taken for every colour of a table."""
    step = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    places = struct.pack(">II", 16 + 8 * steps, len(step)) * steps
    tag = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, steps) + places + step
    profile = files.icc(PRIMARIES["P3"], 2.2)
    (count,) = struct.unpack_from(">I", profile, 128)
    table = bytearray(profile[132 : 132 + 12 * count])
    for i in range(count):
        struct.pack_into(">I", table, 12 * i + 4, struct.unpack_from(">I", table, 12 * i + 4)[0] + 36)
    for name in (b"D2B0", b"D2B1", b"D2B3"):
        table += name + struct.pack(">II", len(profile) + 36, len(tag))
    size = struct.pack(">I", len(profile) + 36 + len(tag))
    return size + profile[4:128] + struct.pack(">I", count + 3) + table + profile[132 + 12 * count :] + tag


@pytest.mark.parametrize(
    "profile", [b"nonsense", SRGB[:200], SRGB[:-100] + bytes(50), bytes(5_000_000), program(10_000)]
)
def test_a_profile_that_cannot_be_used_is_passed_over(profile: bytes) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), SKIN).save(file, "WEBP", lossless=True, icc_profile=profile)
    assert np.abs(decode_image(file.getvalue(), "a").astype(int) - SKIN).max() <= 2


def test_the_photo_of_an_iphone(data: Path) -> None:
    path = data.parent / "cases" / "cutout_profile_lost" / "p3.jpg"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with Image.open(path) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        expected = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert np.abs(load_image(path) - np.array(image).astype(int)).max() > 10
    assert np.abs(load_image(path) - np.array(expected).astype(int)).max() <= 1
