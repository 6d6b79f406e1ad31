from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[train]")

from handseg.data import augment as module
from handseg.data.augment import Augmentation
from handseg.data.classes import HAND_PLANES, label_planes
from handseg.data.classes import NOTHING as SURELY_BACKGROUND
from tests.conftest import scene

FILL = (127.0, 127.0, 127.0)
GEOMETRY_ONLY = Augmentation(light=0, grey=0, shadow=0, blur=0, noise=0, jpeg=0, occlude=0)
NOTHING = Augmentation(0, (1, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def planes(mask: np.ndarray) -> np.ndarray:
    """The label of a mask of hands: elsewhere is background, or forearm."""
    return label_planes(255 - mask, mask, 255 - mask)


def test_no_augmentation_is_a_plain_resize() -> None:
    image, mask = scene(np.random.default_rng(0), 80, 120)
    view, label = NOTHING(image, planes(mask), (80, 120), FILL, np.random.default_rng(1))
    assert np.array_equal(view, image)
    assert np.array_equal(label, planes(mask))


@pytest.mark.parametrize("size", [(64, 64), (200, 300), (96, 40)])
def test_image_and_mask_move_together(size: tuple[int, int]) -> None:
    """An image that shows its own mask must still do so after any warp."""
    _, mask = scene(np.random.default_rng(0), 90, 130)
    image = np.repeat(mask[..., None], 3, axis=2)
    for seed in range(30):
        view, label = GEOMETRY_ONLY(image, planes(mask), size, (0.0, 0.0, 0.0), np.random.default_rng(seed))
        assert view.shape == (*size, 3)
        assert set(np.unique(label)) <= {0, 255}
        # OpenCV rounds images of two and of three channels differently: a pixel on the edge may differ
        assert ((view[..., 0] >= 128) != (label[..., 1] > 0)).mean() < 0.003
        assert ((label[..., 0] > 0) == (label[..., 1] > 0)).mean() < 0.003  # undecided on the edge itself


def test_the_same_generator_state_gives_the_same_view_and_others_differ() -> None:
    image, mask = scene(np.random.default_rng(0))
    views = [Augmentation()(image, planes(mask), (64, 96), FILL, np.random.default_rng(seed))[0] for seed in (5, 5, 6)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


def test_an_occluder_takes_the_hand_away_beneath_it() -> None:
    image, mask = scene(np.random.default_rng(0), 200, 300)
    covered = 0
    for seed in range(20):
        view, both = module.occlude(image, planes(mask), np.random.default_rng(seed))
        label = both[..., 1]
        assert not (label & ~mask).any()
        assert np.array_equal(view[label > 0], image[label > 0])
        covered += int((mask > 0).sum() - (label > 0).sum())
    assert covered > 0


def test_cards_lie_behind_the_hand_that_holds_them() -> None:
    image, mask = scene(np.random.default_rng(0), 200, 300)
    inside = cv2.erode(mask, np.ones((7, 7), np.uint8)) > 0
    label = planes(mask)
    for seed in range(20):
        view, both = module.hold_cards(image, label, np.random.default_rng(seed))
        assert np.array_equal(both[mask > 0], label[mask > 0])
        assert np.array_equal(view[inside], image[inside])
        laid = (both != label).any(axis=2)
        assert laid.any()
        assert (both[laid] == SURELY_BACKGROUND).all()
        assert (view != image)[laid].any(axis=1).mean() > 0.9


def test_a_thing_that_is_gripped_hides_the_palm_and_nothing_else_changes() -> None:
    image, mask = scene(np.random.default_rng(0), 200, 300)
    label = planes(mask)
    hidden = 0
    for seed in range(20):
        view, both = module.grip_thing(image, label, np.random.default_rng(seed), image if seed % 2 else None)
        laid = (both != label).any(axis=2)
        assert (both[laid] == SURELY_BACKGROUND).all()
        touched = cv2.dilate((view != image).any(axis=2).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert not (laid & ~touched).any()
        hidden += int((laid & (mask > 0)).sum())
    assert hidden > 0


def test_a_dim_room_is_darker_and_the_same_scene() -> None:
    image, _ = scene(np.random.default_rng(0), 200, 300)
    for seed in range(10):
        view = module.dim(image, np.random.default_rng(seed))
        assert view.dtype == np.uint8
        assert view.mean() < 0.6 * image.mean()
        assert np.corrcoef(view.ravel(), image.ravel())[0, 1] > 0.5


def test_without_a_hand_nothing_is_held() -> None:
    image, mask = scene(np.random.default_rng(0))
    label = planes(np.zeros_like(mask))
    view, both = module.hold_cards(image, label, np.random.default_rng(0))
    assert np.array_equal(view, image)
    assert np.array_equal(both, label)


def test_pasted_hands_bring_their_pixels_and_labels_and_leave_the_rest() -> None:
    image, mask = scene(np.random.default_rng(0), 90, 130)
    donor, donor_mask = scene(np.random.default_rng(3), 90, 130)
    arm = label_planes(255 - donor_mask, donor_mask, np.zeros_like(donor_mask))
    arm[:, :65, 1:] = arm[:, :65, :0:-1]  # its left half is forearm
    view, label = module.paste_hands(image, planes(mask), donor, arm, np.random.default_rng(1))
    cut = donor_mask > 0
    assert cut[:, :65].any()
    assert cut[:, 65:].any()
    assert (mask > 0)[cut].any()
    assert np.array_equal(label[cut], arm[cut])
    assert np.array_equal(label[~cut], planes(mask)[~cut])
    assert np.abs(view[cut].astype(int) - donor[cut]).mean() < 15
    assert np.abs(view[~cut].astype(int) - image[~cut]).mean() < 2


def test_a_donor_that_would_bury_the_scene_is_not_pasted() -> None:
    image, mask = scene(np.random.default_rng(0), 60, 60)
    whole = np.full((60, 60), 255, np.uint8)
    view, label = module.paste_hands(image, planes(mask), image // 2, planes(whole), np.random.default_rng(1))
    assert np.array_equal(view, image)
    assert np.array_equal(label, planes(mask))


def test_pasting_happens_as_often_as_asked() -> None:
    image, mask = scene(np.random.default_rng(0), 90, 130)
    donor = image, planes(np.roll(mask, 40, axis=1))
    for chance, more in ((0.0, False), (1.0, True)):
        augment = replace(NOTHING, paste=chance)
        _, label = augment(image, planes(mask), (90, 130), FILL, np.random.default_rng(0), donor)
        assert (int(label[..., 1].sum()) > int(mask.sum())) is more


@pytest.mark.parametrize("part", ["skin", "glove"])
def test_recolouring_happens_to_hands_only_and_as_often_as_asked(part: str) -> None:
    image, mask = scene(np.random.default_rng(0), 90, 130)
    for chance, changes in ((0.0, False), (1.0, True)):
        view, label = replace(NOTHING, **{part: chance})(image, planes(mask), (90, 130), FILL, np.random.default_rng(2))
        assert np.array_equal(label, planes(mask))
        assert (not np.array_equal(view[mask > 0], image[mask > 0])) is changes
        assert np.abs(view[mask == 0].astype(int) - image[mask == 0]).mean() < 1


@pytest.mark.parametrize("effect", [module.blur, module.add_noise, module.compress, module.cast_shadow])
def test_each_effect_changes_the_image_but_not_its_form(effect) -> None:
    image, _ = scene(np.random.default_rng(0))
    changed = [effect(image, np.random.default_rng(seed)) for seed in range(8)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert sum(not np.array_equal(c, image) for c in changed) >= 6


def test_shadows_only_darken() -> None:
    image, _ = scene(np.random.default_rng(0))
    assert (module.cast_shadow(image, np.random.default_rng(1)) <= image).all()


def test_losing_all_colour() -> None:
    image, _ = scene(np.random.default_rng(0))
    grey = module.shift_saturation(image, 0.0)
    assert (np.ptp(grey.astype(int), axis=2) == 0).all()


def test_close_windows_show_hands_larger() -> None:
    """The marked square fills more of the view, by two to four times a side."""
    mask = np.zeros((96, 144), np.uint8)
    mask[43:53, 67:77] = 255
    image, label = np.zeros((96, 144, 3), np.uint8), planes(mask)
    steady = dict.fromkeys(("flip", "rotate", "upside_down", "shear", "stretch", "light", "occlude"), 0.0)
    sizes = []
    for close in (0.0, 1.0):
        augment = Augmentation(zoom=(1.0, 1.0), close=close, on_hand=1.0, **steady)
        views = [augment(image, label, (96, 144), (0, 0, 0), np.random.default_rng(i))[1] for i in range(10)]
        sizes.append([float((view[..., 1] > 0).sum()) for view in views])
    assert max(sizes[0]) < 130
    assert 350 < max(sizes[1]) < 1700


def test_in_a_mirror_left_hands_become_right_ones() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 5:20] = 255
    image, label = np.zeros((40, 60, 3), np.uint8), planes(mask)
    label[..., HAND_PLANES] = 0
    label[..., 1] = mask  # own left
    for flip in (0.0, 1.0):
        _, after = replace(NOTHING, flip=flip)(image, label, (40, 60), FILL, np.random.default_rng(0))
        own_left, own_right = (after[..., i].any() for i in (1, 2))
        assert (own_left, own_right) == ((True, False) if flip == 0 else (False, True))
        assert not after[..., 3:5].any()
    assert after[20, 50, 2] == 255


def test_what_may_be_a_hand_is_neither_gloved_nor_laid_over_the_scene() -> None:
    """Of an image without a label, any part may be a hand."""
    image, _ = scene(np.random.default_rng(0), 80, 120)
    unknown = np.full((80, 120, 6), 255, np.uint8)
    gloved = replace(NOTHING, glove=1.0)
    view, label = gloved(image, unknown, (80, 120), FILL, np.random.default_rng(1))
    assert np.array_equal(view, image)
    assert (label == 255).all()
    for seed in range(20):
        view, label = module.occlude(image, unknown, np.random.default_rng(seed))
        changed = label[..., 1] == 0
        assert np.array_equal(view[~changed], image[~changed])
        assert len(np.unique(view[changed], axis=0)) <= 3  # plain objects, at most three
