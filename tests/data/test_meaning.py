"""How the masks of a dataset are read: all alike, whoever asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handseg.data import Sample, read_dataset
from handseg.data.meaning import meaning_notes
from handseg.errors import DataError
from handseg.image import load_mask, save_png
from tests.conftest import DATA, scene

CASES = DATA.parent / "cases"


def case(name: str) -> Path:
    if not (CASES / name).is_dir():
        pytest.skip(f"no cases at {CASES}")
    return CASES / name


def masks_of(root: Path) -> list[Path]:
    return sorted((root / "masks").iterdir())


def areas(samples: list[Sample]) -> list[int]:
    return [int((s.load_mask() == 255).sum()) for s in samples]


def rewrite(root: Path, change) -> None:
    for i, path in enumerate(masks_of(root)):
        Image.fromarray(change(i, load_mask(path))).save(path)


def unknown_at_the_top(mask: np.ndarray) -> np.ndarray:
    mask = mask.copy()
    mask[:8] = 128
    return mask


def test_ids_of_16_bits_are_hands_and_said_to_be() -> None:
    samples = read_dataset(case("mask_16bit_ids") / "data")
    assert areas(samples) == [2400] * 8
    (note,) = meaning_notes(samples)
    assert "read as instances" in str(note)


def test_a_void_border_is_named_and_a_trimap_left_out() -> None:
    root = case("mask_void_255")
    with pytest.raises(DataError, match=r"0000.png: holds 0, 1 and 255, .* \(and 7 more"):
        read_dataset(root / "data")
    for folder, values in (("data", "hand=1 ignore=255"), ("data128", "")):
        mask = read_dataset(root / folder, mask_values=values)[0].load_mask()
        assert [(mask == v).sum() for v in (0, 128, 255)] == [16680, 240, 2280]


def test_data_without_a_0_is_refused_or_mapped() -> None:
    root = case("mask_background_not_0") / "data"
    with pytest.raises(DataError, match=r"0000.png: holds 1 and 2, and no mask has a 0"):
        read_dataset(root)
    assert areas(read_dataset(root, mask_values="hand=2 background=1")) == [2400] * len(masks_of(root))


def test_128_is_unknown_in_a_mask_without_hands_too(dataset: Path) -> None:
    rewrite(dataset, lambda i, mask: unknown_at_the_top(mask if i else mask * 0))
    samples = read_dataset(dataset)
    assert [(s.load_mask()[:8] == 128).all() for s in samples] == [True] * 12
    assert [s.shows_hand for s in samples] == [False] + [True] * 11


def test_a_file_alone_in_its_reading_is_named(dataset: Path) -> None:
    path = masks_of(dataset)[3]
    for values, message in (((0, 1), "holds 0 and 1, but"), ((0, 128, 200), "holds 0, 128 and 200, more than")):
        save_png(path, np.resize(np.array(values, np.uint8), (72, 96)))
        with pytest.raises(DataError, match=rf"{path.name}: {message}"):
            read_dataset(dataset)


def test_a_folder_says_what_its_values_mean(dataset: Path) -> None:
    before = areas(read_dataset(dataset))
    rewrite(dataset, lambda i, mask: np.where(mask > 0, 1 + i % 2, 3 * (np.arange(96) < 5)).astype(np.uint8))
    with pytest.raises(DataError, match=r"holds 0, 1 and 3"):
        read_dataset(dataset)
    (dataset / "dataset.toml").write_text('mask_values = "hand=1,2"\npolicy = "hand+forearm"\n')
    samples = read_dataset(dataset)
    assert areas(samples) == before
    assert {s.policy for s in samples} == {"hand+forearm"}
    assert areas(read_dataset(dataset, mask_values="hand=1")) == [a if i % 2 == 0 else 0 for i, a in enumerate(before)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mask_values = 'nothing'", "'nothing' in"),
        ("inverted = 'yes'", "true or false"),
        ("x = 1", "unknown entry 'x'"),
        ("policy = 'arm'", "unknown policy 'arm'"),
        ("= 3", "can't be read"),
    ],
)
def test_a_description_that_is_wrong_is_named(dataset: Path, text: str, message: str) -> None:
    (dataset / "dataset.toml").write_text(text)
    with pytest.raises(DataError, match=rf"dataset.toml: .*{message}"):
        read_dataset(dataset)


def test_an_inverted_mask_is_read_as_it_is_meant_whatever_lies_beside_it(dataset: Path) -> None:
    before = areas(read_dataset(dataset))
    some = masks_of(dataset)[2:4]
    for path in some:
        save_png(path, 255 - load_mask(path))
    samples = read_dataset(dataset)
    assert [s.label for s in samples if s.inverted] == some
    assert areas(samples) == before
    (note,) = meaning_notes(samples)
    assert str(note).startswith(f"{some[0]}: 2 of 12 masks")


def test_masks_that_are_all_inverted_are_read_so(dataset: Path) -> None:
    before = areas(read_dataset(dataset))
    rewrite(dataset, lambda i, mask: unknown_at_the_top(255 - mask))
    samples = read_dataset(dataset)
    assert all(s.inverted for s in samples)
    assert all((s.load_mask()[:8] == 128).all() for s in samples)
    assert sum(areas(samples)) == pytest.approx(sum(before), rel=0.1)
    (dataset / "dataset.toml").write_text("inverted = false")
    assert min(areas(read_dataset(dataset))) > 72 * 96 / 2


def test_a_hand_that_fills_the_picture_isnt_inverted(dataset: Path) -> None:
    rng = np.random.default_rng(5)
    image, mask = scene(rng)
    rows, columns = np.nonzero(mask)
    middle = slice(int(rows.mean()) - 9, int(rows.mean()) + 9), slice(int(columns.mean()) - 9, int(columns.mean()) + 9)
    close, whole = image[middle], mask[middle].copy()
    assert (whole == 255).all()
    whole[:3, :3], close[:3, :3] = 0, image[:3, :3]
    for suffix, shown in (("a", whole), ("b", whole * 0 + 255)):
        save_png(dataset / "images" / f"close_{suffix}.png", close)
        save_png(dataset / "masks" / f"close_{suffix}.png", shown)
    samples = read_dataset(dataset)
    assert [s.inverted for s in samples] == [False] * 14
    assert meaning_notes(samples) == []


def test_a_lone_picture_isnt_judged(dataset: Path) -> None:
    for path in [*masks_of(dataset)[1:], *sorted((dataset / "images").iterdir())[1:]]:
        path.unlink()
    save_png(masks_of(dataset)[0], 255 - load_mask(masks_of(dataset)[0]))
    samples = read_dataset(dataset)
    assert samples[0].inverted is None
    assert (samples[0].load_mask()[0] == 255).all()
    assert "if the background is what they show" in str(meaning_notes(samples)[0])


def test_data_in_which_most_hands_fill_the_picture_asks(dataset: Path) -> None:
    corner = np.where(np.indices((72, 96)).sum(axis=0) < 20, 0, 255).astype(np.uint8)
    rewrite(dataset, lambda i, mask: corner)
    with pytest.raises(DataError, match=r"along its border; .* inverted = true in dataset.toml"):
        read_dataset(dataset)


def test_the_inverted_masks_of_hgr(data: Path) -> None:
    samples = read_dataset(data / "hgr", "hand+forearm")
    assert [sum(s.inverted is v for s in samples) for v in (True, None)] == [11, 0]
