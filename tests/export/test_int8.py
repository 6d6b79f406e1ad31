"""INT8 twins of the packaged model: a good one is written, a spoilt one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx", reason="onnx isn't installed: handseg[export]")

from handseg.cli import main
from handseg.cli.export import check_images
from handseg.data import read_dataset, read_datasets
from handseg.data.splits import make_split
from handseg.errors import DataError, ModelError
from handseg.export.half import restore_half, store_half
from handseg.export.int8 import Images, _iou, choose_images, quantise
from handseg.image import load_mask, save_png
from handseg.inference.engines import find_model, open_engine
from handseg.models import load
from tests.data.test_identity import make

CARD = open_engine("default", threads=1).card


@pytest.fixture(scope="module")
def phone_photos(data: Path) -> Images:
    return choose_images(data / "irllabs", CARD)


def plain(folder: Path, n: int, level: int = 0) -> list[Path]:
    paths = [folder / f"{i}.png" for i in range(n)]
    for path in paths:
        save_png(path, np.full((480, 640, 3), level, np.uint8))
    return paths


def test_a_good_twin_is_written_and_runs(phone_photos: Images, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    result = quantise(find_model("default"), path, phone_photos, threads=1)
    assert result.labelled
    assert result.float_iou - result.iou <= 0.005
    assert {"net.encoder.stem.conv", "net.head"} <= set(result.in_float)
    assert len(result.in_float) < result.layers / 3
    assert path.stat().st_size < 0.65 * find_model("default").stat().st_size
    segmenter = load(path, threads=1)
    assert segmenter.engine.name == "onnxruntime"
    assert segmenter.card.name == "default-int8"
    assert segmenter.card.scores["int8, held-out images"]["pixel_iou"] == round(result.iou, 4)
    assert (segmenter.card.size, segmenter.card.threshold) == (CARD.size, CARD.threshold)
    assert segmenter(phone_photos.held_out[0]).mask.any()
    with pytest.raises(ModelError, match=r"int8\.onnx: is INT8 already"):
        quantise(path, tmp_path / "again.onnx", phone_photos, threads=1)


def test_one_calibrated_on_plain_grey_is_refused(phone_photos: Images, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    spoilt = Images(plain(tmp_path, 3, 127), phone_photos.held_out, phone_photos.masks)
    with pytest.raises(ModelError, match=r"int8\.onnx: in INT8 pixel IoU falls from 0\.\d+ to .* not written"):
        quantise(find_model("default"), tmp_path / "out" / "int8.onnx", spoilt, threads=1)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_labels_the_float_model_judges(phone_photos: Images, tmp_path: Path) -> None:
    unlabelled = Images(phone_photos.calibration[:6], phone_photos.held_out[:3], None)
    with pytest.raises(ModelError, match=r"from 1\.0000 to .* by labels instead"):
        quantise(find_model("default"), tmp_path / "int8.onnx", unlabelled, limit=1e-6, threads=1)
    result = quantise(find_model("default"), tmp_path / "int8.onnx", unlabelled, limit=0.1, threads=1)
    assert result.float_iou == 1
    assert not result.labelled


def test_images_without_hands_judge_nothing(tmp_path: Path) -> None:
    paths = plain(tmp_path, 2)
    with pytest.raises(ModelError, match="finds no hand in the held-out images"):
        quantise(find_model("default"), tmp_path / "int8.onnx", Images(paths, paths, None), threads=1)


def test_held_out_images_are_other_sessions(dataset: Path) -> None:
    images = choose_images(dataset, CARD)
    assert len(images.calibration) + len(images.held_out) == 12
    sessions = [{path.name.split("_frame")[0] for path in side} for side in (images.calibration, images.held_out)]
    assert not sessions[0] & sessions[1]
    assert 3 <= len(images.held_out) <= 5
    assert images.masks is not None
    expected = load_mask(dataset / "masks" / images.held_out[0].name)
    assert np.array_equal(images.masks[0](), expected)
    assert choose_images(dataset / "images", CARD).masks is None


def test_of_a_split_only_the_training_side_is_taken(data: Path) -> None:
    samples = read_dataset(data / "irllabs")
    split = make_split(samples, "random-frame", folds=5)
    images = choose_images(data / "irllabs", CARD, split)
    assert {*images.calibration, *images.held_out} == {s.image for s in split.select(samples, "train")}
    assert len(images.calibration) + len(images.held_out) == len(split.train) < len(samples)


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    plain(tmp_path, 11)
    with pytest.raises(DataError, match="11 images, too few"):
        choose_images(tmp_path, CARD)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        choose_images(tmp_path / "nowhere", CARD)


def test_half_precision_is_undone_exactly() -> None:
    stored = onnx.load(find_model("default"))
    model = onnx.load(find_model("default"))
    restore_half(model)
    assert not any(t.data_type == onnx.TensorProto.FLOAT16 for t in model.graph.initializer)
    onnx.checker.check_model(model)
    store_half(model)
    halves = [
        {t.name: t.raw_data for t in m.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
        for m in (model, stored)
    ]
    assert len(halves[0]) > 50
    assert halves[0] == halves[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--int8"], "add --calibrate"),
        (["--calibrate", "photos"], "goes with --int8"),
        (["--int8", "--half", "--calibrate", "photos"], "without --half"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["export", "default", "-o", str(tmp_path / "int8.onnx"), *arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_the_command_quantises_a_packaged_model(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    arguments = ["export", "default", "-o", path, "--int8", "--calibrate", data / "irllabs", "--threshold", "0.4"]
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert "against their labels" in result.output
    assert "net.head" in result.output
    assert open_engine(path, threads=1).card.threshold == 0.4


def test_what_a_label_doesnt_know_judges_nothing(dataset: Path) -> None:
    for path in (dataset / "masks").iterdir():
        mask = load_mask(path)
        mask[:30] = 128
        save_png(path, mask)
    images = choose_images(dataset, CARD)
    assert images.masks is not None
    labels = [load() for load in images.masks]
    assert all((label[:30] == 128).all() for label in labels)
    for guess in (0, 255):
        assert _iou([np.where(label == 128, guess, label) for label in labels], labels) == 1


def test_data_of_another_policy_is_refused_not_taken_for_photos(dataset: Path) -> None:
    """Its masks would have been calibrated on, as if they were photos."""
    (dataset / "dataset.toml").write_text('policy = "hand+forearm"')
    alone = replace(CARD, policies=("hand",))
    with pytest.raises(DataError, match=r"labelled hand\+forearm, but the model answers hand; name data labelled so"):
        choose_images(dataset, alone)


def test_junk_beside_photos_is_passed_over(dataset: Path) -> None:
    photos = dataset / "images"
    (photos / "._a.png").write_bytes(b"\0\5\26\7")
    (photos / "@eaDir").mkdir()
    (photos / "@eaDir" / "b.png").write_bytes(b"thumbnail")
    (photos / "folder.png").mkdir()
    images = choose_images(photos, CARD)
    assert len({*images.calibration, *images.held_out}) == 12
    pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")
    assert len(check_images(photos, photos)) == 12


def test_a_split_of_several_datasets_divides_one_of_them(tmp_path: Path) -> None:
    """It names the images with their dataset's name before, and tells sessions by its own rule."""
    names = [f"clip{i // 4}_{i}" for i in range(40)]
    roots = [make(tmp_path / name, *names, seed=seed) for seed, name in enumerate(("one", "two"))]
    samples = read_datasets(roots, group_by=r"(clip\d+)_")
    split = make_split(samples, "session-disjoint", group_by=r"(clip\d+)_")
    images = choose_images(roots[1], CARD, split)
    chosen = [*images.calibration, *images.held_out]
    assert {f"two:{p.stem}" for p in chosen} <= {*split.train}
    assert len(chosen) >= 20
    clips = [{p.stem.partition("_")[0] for p in paths} for paths in (images.calibration, images.held_out)]
    assert clips[0].isdisjoint(clips[1])
    with pytest.raises(DataError, match="a split goes with the labelled dataset"):
        choose_images(roots[1] / "images", CARD, split)
