from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handseg.data import Sample, read_dataset
from handseg.data.classes import BACKGROUND, FOREARM, HAND, NOTHING, OWN_LEFT, PLANES, UNKNOWN
from handseg.image import save_png
from handseg.image.mask_values import IGNORE
from handseg.inference.card import ModelCard
from handseg.masks.labels import LabelPolicy

CARD = ModelCard("m", size=(40, 64))


@pytest.fixture
def loading(torch):
    from handseg.data import loading

    return loading


def test_a_draw_depends_on_seed_epoch_and_position_alone(loading, dataset: Path) -> None:
    from handseg.data.augment import Augmentation

    memory = loading.Memory(read_dataset(dataset), 64)
    first = loading.TrainingData(memory, CARD, Augmentation(), seed=1)
    second = loading.TrainingData(memory, CARD, Augmentation(), seed=1)
    _ = first[0, 0, 3]
    assert (first[2, 5, 3]["image"] == second[2, 5, 3]["image"]).all()
    assert not (first[2, 5, 3]["image"] == first[3, 5, 3]["image"]).all()
    assert first[2, 5, 3]["image"].shape == (3, 40, 64)


def test_in_validation_only_the_padding_is_unknown(loading, dataset: Path) -> None:
    data = loading.ValidationData(loading.Memory(read_dataset(dataset), 96), ModelCard("m", size=(40, 50)))
    item = data[0]
    assert tuple(item["image"].shape[1:]) == tuple(item["allowed"].shape)
    assert item["allowed"].shape[0] % 32 == 0
    known = item["allowed"][item["allowed"] != UNKNOWN]
    assert abs(len(known) - 40 * 50) < 100
    assert set(known.tolist()) == {HAND, BACKGROUND | FOREARM}


def test_collate_pads_to_the_largest_with_what_is_unknown(loading, torch) -> None:
    def item(height: int, width: int):
        image = np.zeros((height, width, 3), np.uint8)
        return loading._item(image, np.full((height, width, PLANES), NOTHING, np.uint8))

    batch = loading.collate([item(4, 8), item(6, 5)])
    assert batch["image"].shape == (2, 3, 6, 8)
    assert int((batch["allowed"] == BACKGROUND).sum()) == 4 * 8 + 6 * 5
    assert int((batch["allowed"] == UNKNOWN).sum()) == 2 * 6 * 8 - 4 * 8 - 6 * 5


def arm_sample(folder: Path, policy: LabelPolicy) -> Sample:
    """A bare arm, 20 pixels wide, that enters from below."""
    mask = np.zeros((120, 160), np.uint8)
    mask[20:120, 70:90] = 255
    save_png(folder / "i.png", np.zeros((120, 160, 3), np.uint8))
    save_png(folder / "m.png", mask)
    return Sample("a", folder / "i.png", folder / "m.png", "v", "s", policy)


def labels(loading, sample: Sample, teacher=None):
    memory = loading.Memory([sample], 160, teacher)
    return loading.TrainingData(memory, ModelCard("m", size=(120, 160)), None, 0)[0, 0, 0]["allowed"]


def test_a_label_says_which_classes_its_policy_leaves_open(loading, tmp_path: Path) -> None:
    hand = labels(loading, arm_sample(tmp_path, "hand"))
    assert (hand[30:, 80] == HAND).all()
    assert (hand[:, 20] == BACKGROUND | FOREARM).all()
    arm = labels(loading, arm_sample(tmp_path, "hand+forearm"))
    assert arm[25, 80] == HAND
    assert arm[60, 80] == HAND | FOREARM
    assert arm[115, 80] == FOREARM
    assert (arm[:, 20] == BACKGROUND).all()


def test_a_label_of_hands_can_tell_forearms_too(loading, tmp_path: Path) -> None:
    sample = arm_sample(tmp_path, "hand")
    forearm = np.zeros((120, 160), np.uint8)
    forearm[60:100, 70:90], forearm[100:, 70:90] = 255, 128  # what lies above is hand
    mask = np.zeros((120, 160), np.uint8)
    mask[20:60, 70:90] = 255
    save_png(tmp_path / "m.png", mask)
    save_png(tmp_path / "f.png", forearm)
    arm = labels(loading, replace(sample, forearm=tmp_path / "f.png"))
    assert (arm[20:60, 70:90] == HAND).all()
    assert (arm[60:100, 70:90] == FOREARM).all()
    assert (arm[100:, 70:90] == BACKGROUND | FOREARM).all()
    assert (arm[:, :70] == BACKGROUND).all()


def test_a_teacher_sees_where_the_hand_of_a_forearm_label_ends(loading, tmp_path: Path) -> None:
    def teacher(image: np.ndarray) -> np.ndarray:
        probability = np.full(image.shape[:2], 0.05, np.float32)
        probability[:70] = 0.95
        return probability

    arm = labels(loading, arm_sample(tmp_path, "hand+forearm"), teacher)
    assert (arm[25:60, 80] == HAND).all()
    assert (arm[85:, 80] == FOREARM).all()
    assert arm[70, 80] == HAND | FOREARM


def test_of_a_photo_without_a_label_nothing_is_known(loading, tmp_path: Path) -> None:
    assert (labels(loading, replace(arm_sample(tmp_path, "hand"), label=(), unlabelled=True)) == UNKNOWN).all()


def test_processes_share_an_epochs_draws_without_overlap(loading) -> None:
    whole = loading.DrawSampler(10, seed=3)
    parts = [loading.DrawSampler(10, seed=3, rank=r, replicas=2) for r in range(2)]
    for sampler in (whole, *parts):
        sampler.set_epoch(4)
    assert sorted([*parts[0], *parts[1]]) == sorted(whole)
    assert sorted(index for _, _, index in whole) == list(range(10))
    whole.set_epoch(5)
    assert [d[2] for d in whole] != [d[2] for d in sorted([*parts[0], *parts[1]])]


def test_weights_steer_the_draws(loading) -> None:
    sampler = loading.DrawSampler(3, seed=0, draws=600, weights=np.array([1.0, 3.0, 0.0]))
    drawn = np.bincount([index for _, _, index in sampler], minlength=3)
    assert drawn.sum() == 600
    assert drawn[2] == 0
    assert 380 < drawn[1] < 520


def test_session_weights_balance_sessions(loading) -> None:
    samples = [Sample(str(i), Path("i"), Path("m"), "v", "big" if i < 9 else "small") for i in range(10)]
    assert loading.session_weights(samples, 1.0).tolist() == [1.0] * 10
    weights = loading.session_weights(samples, 0.5)
    assert weights[:9].sum() == pytest.approx(3)
    assert weights[9] == pytest.approx(1)


def test_whose_hand_is_where_is_learned_where_it_is_known(loading, tmp_path: Path) -> None:
    save_png(tmp_path / "i.png", np.zeros((40, 60, 3), np.uint8))
    square = np.array([[5.0, 5], [25, 5], [25, 25], [5, 25]])
    other = square + np.array([30, 5])
    sample = Sample("i", tmp_path / "i.png", (square, other), "v", "s", hands=(square, None, None, None))
    memory = loading.Memory([sample], 60)
    allowed = loading.TrainingData(memory, ModelCard("m", size=(40, 60)), None, 0)[0, 0, 0]["allowed"]
    assert allowed[15, 15] == OWN_LEFT
    assert allowed[20, 45] == HAND  # of the mask, but none of the polygons that say whose
    assert allowed[35, 15] == BACKGROUND | FOREARM
    plain = loading.Memory([replace(sample, hands=())], 60)
    assert loading.TrainingData(plain, ModelCard("m", size=(40, 60)), None, 0)[0, 0, 0]["allowed"][15, 15] == HAND


@pytest.mark.parametrize("policy", ["hand", "hand+forearm"])
def test_what_a_mask_doesnt_know_is_left_open(loading, tmp_path: Path, policy: LabelPolicy) -> None:
    sample = arm_sample(tmp_path, policy)
    before = labels(loading, sample)
    mask = sample.load_mask()
    mask[:, :40] = IGNORE
    mask[15:19, 60:100] = IGNORE  # beyond the finger tips
    save_png(tmp_path / "m.png", mask)
    allowed = labels(loading, sample)
    unknown = mask == IGNORE
    assert (allowed[unknown] == UNKNOWN).all()
    assert (allowed[~unknown] == before[~unknown]).all()


def test_nothing_is_centred_on_or_held_by_what_is_unknown(loading, dataset: Path) -> None:
    from handseg.data.augment import Augmentation, hold_cards
    from handseg.data.classes import surely_hand

    path = sorted((dataset / "masks").iterdir())[0]
    save_png(path, np.full((72, 96), IGNORE, np.uint8))
    memory = loading.Memory(read_dataset(dataset)[:1], 96)
    image, label = memory.images[0], memory.labels[0]
    assert (label == 255).all()
    assert not surely_hand(label).any()
    assert (hold_cards(image, label, np.random.default_rng(0))[0] == image).all()
    item = loading.TrainingData(memory, CARD, Augmentation(skin=1.0, glove=1.0, paste=1.0), 0)[0, 0, 0]
    assert HAND not in item["allowed"]
