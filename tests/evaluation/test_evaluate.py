"""Evaluation against an engine whose answers are known, and against the definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handseg.cli.evaluate import table
from handseg.data import read_dataset
from handseg.errors import DataError, ModelError
from handseg.evaluation import evaluate
from handseg.evaluation.page import write_page
from handseg.evaluation.pictures import gallery, precision_recall_curve, reliability_plot
from handseg.image import load_image, load_label, save_png
from handseg.image.mask_values import IGNORE
from handseg.inference.card import ModelCard
from handseg.inference.segmenter import Segmenter
from handseg.metrics import count, score
from tests.data.test_identity import make


class RednessEngine:
    """Calls a pixel a hand by its red channel: a real engine, simple enough to know its answers."""

    name = "redness"
    model = "redness"
    card = ModelCard("redness", size=(72, 96), stride=1)

    def run(self, batch: np.ndarray) -> np.ndarray:
        return (batch[..., 0] / np.float32(255))[:, None]


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(RednessEngine())


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.5, 0.7])
def test_scores_at_any_threshold_are_those_of_the_masks(dataset: Path, segmenter: Segmenter, threshold: float) -> None:
    samples = read_dataset(dataset)
    evaluation = evaluate(segmenter, samples)
    direct = np.array(
        [count(load_image(s.image)[..., 0] / np.float32(255) >= threshold, s.load_mask()) for s in samples]
    )
    assert np.array_equal(evaluation.counts(threshold), direct)
    assert evaluation.scores(threshold) == score(direct)


def test_the_best_threshold_is_best(dataset: Path, segmenter: Segmenter) -> None:
    evaluation = evaluate(segmenter, read_dataset(dataset))
    best = evaluation.scores(evaluation.best_threshold())["pixel"]["f1"]
    assert best == max(evaluation.scores(t / 1000)["pixel"]["f1"] for t in range(1, 1000))
    assert best > 0.99


def test_precision_and_recall_end_where_they_must(dataset: Path, segmenter: Segmenter) -> None:
    thresholds, precision, recall = evaluate(segmenter, read_dataset(dataset)).precision_recall()
    assert (thresholds[0], recall[0]) == (0, 1)
    assert (np.diff(recall) <= 0).all()
    assert ((precision >= 0) & (precision <= 1)).all()


def test_the_report_keeps_its_contract(dataset: Path, segmenter: Segmenter) -> None:
    report = evaluate(segmenter, read_dataset(dataset)).report("redness")
    assert report["model"] == "redness"
    assert report["n_images"] == 12
    assert report["threshold"] == 0.5
    assert set(report["pixel"]) == {"precision", "recall", "f1", "iou"}
    assert set(report["image"]) == {"iou", "f1"}
    low, high = report["interval_95"]["pixel_f1"]
    assert low <= report["pixel"]["f1"] <= high
    assert set(report["at_threshold"]) == {"0.45", "0.5"}
    assert set(report["boundary"]) == {"iou", "nsd_2px", "nsd_4px"}
    assert report["boundary"]["nsd_2px"] <= report["boundary"]["nsd_4px"]
    for rows in report["by_condition"].values():
        assert sum(row["n_images"] for row in rows.values()) == 12


def test_images_of_sessions_that_the_model_learned_from_are_counted(dataset: Path, segmenter: Segmenter) -> None:
    samples = read_dataset(dataset)
    assert evaluate(segmenter, samples).report("redness")["learned_from"] == {"n_images": 0, "sessions": []}
    engine = RednessEngine()
    engine.card = replace(engine.card, sessions=("CARDS_OFFICE_BS", "utg:200"))
    report = evaluate(Segmenter(engine), samples).report("redness")
    assert report["learned_from"] == {"n_images": 2, "sessions": ["CARDS_OFFICE_BS"]}


def test_a_condition_holds_the_scores_of_its_images_alone(dataset: Path, segmenter: Segmenter) -> None:
    save_png(sorted((dataset / "masks").iterdir())[5], np.zeros((72, 96), np.uint8))
    evaluation = evaluate(segmenter, read_dataset(dataset))
    values = [row["hand size"] for row in evaluation.conditions]
    assert "no hand" in values
    assert len(set(values)) > 1
    for value, row in evaluation.by_condition()["hand size"].items():
        mine = np.array([v == value for v in values])
        assert row["n_images"] == mine.sum()
        assert row["image_iou"] == score(evaluation.counts()[mine])["image"]["iou"]


def test_pictures_are_drawn(dataset: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    evaluation = evaluate(segmenter, read_dataset(dataset))
    gallery(evaluation, segmenter, tmp_path / "gallery.png")
    assert load_image(tmp_path / "gallery.png").shape == (900, 1600, 3)
    pytest.importorskip("matplotlib")
    precision_recall_curve(evaluation, tmp_path / "new" / "curve.png")
    reliability_plot(evaluation, tmp_path / "new" / "reliability.png")
    for name in ("curve", "reliability"):
        assert load_image(tmp_path / "new" / f"{name}.png").shape[0] > 300


def test_another_label_policy_is_refused(dataset: Path, segmenter: Segmenter) -> None:
    with pytest.raises(ModelError, match="labelled hand.forearm"):
        evaluate(segmenter, read_dataset(dataset, "hand+forearm"))


def test_no_images_are_refused(segmenter: Segmenter) -> None:
    with pytest.raises(DataError, match="no images"):
        evaluate(segmenter, [])


def test_what_lies_where_the_label_knows_nothing_changes_no_score(dataset: Path, segmenter: Segmenter) -> None:
    for path in (dataset / "masks").iterdir():
        mask = load_label(path).copy()
        mask[20:35, 30:60] = IGNORE
        save_png(path, mask)
    reports = []
    for level in (0, 255):
        for path in (dataset / "images").iterdir():
            image = load_image(path).copy()
            image[20:35, 30:60] = level
            save_png(path, image)
        reports.append(evaluate(segmenter, read_dataset(dataset)).report("redness"))
        del reports[-1]["by_condition"]["light"]
    assert reports[0] == reports[1]
    counts = evaluate(segmenter, read_dataset(dataset)).counts()
    assert (counts.sum(axis=1) == 72 * 96 - 15 * 30).all()


def test_an_image_of_which_nothing_is_known_isnt_scored(dataset: Path, segmenter: Segmenter) -> None:
    first, *others = sorted((dataset / "masks").iterdir())
    save_png(first, np.full((72, 96), IGNORE, np.uint8))
    evaluation = evaluate(segmenter, read_dataset(dataset))
    assert evaluation.report("redness")["n_images"] == 11
    assert [s.label for s in evaluation.samples] == others
    with pytest.raises(DataError, match=f"{first.name}: all of it is unknown"):
        evaluate(segmenter, read_dataset(dataset)[:1])


def test_the_gallery_shows_what_is_unknown_in_grey(dataset: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    for path in (dataset / "masks").iterdir():
        save_png(path, np.where(np.arange(96) < 48, IGNORE, load_label(path)).astype(np.uint8))
    gallery(evaluate(segmenter, read_dataset(dataset)), segmenter, tmp_path / "gallery.png")
    left = load_image(tmp_path / "gallery.png")[20:280, 20:180].astype(int)
    right = load_image(tmp_path / "gallery.png")[20:280, 220:380].astype(int)
    assert left.min(axis=2).mean() > right.min(axis=2).mean() + 10


def test_one_clip_gives_no_interval(tmp_path: Path, segmenter: Segmenter) -> None:
    """One of no width would look like certainty."""
    samples = read_dataset(make(tmp_path / "set", "clip/1", "clip/2", "clip/3"))
    result = evaluate(segmenter, samples).report("redness")
    assert set(result["interval_95"].values()) == {None}
    assert "95 % interval: not known" in table(result)
    write_page(result, [], tmp_path / "report.html")
    assert "not known from one video" in (tmp_path / "report.html").read_text()
    two = evaluate(segmenter, read_dataset(make(tmp_path / "two", "p01s01_1", "p01s02_1"))).report("redness")
    assert two["n_sessions"] == 1
    assert all(low <= high for low, high in two["interval_95"].values())


def test_labels_without_hands_are_said_to_have_none(dataset: Path, segmenter: Segmenter) -> None:
    samples = [replace(s, label=()) for s in read_dataset(dataset)]
    result = evaluate(segmenter, samples).report("redness")
    assert (result["n_with_hands"], result["best_threshold_here"]) == (0, None)
    assert "no label shows a hand" in table(result)
    mixed = evaluate(segmenter, [*samples[:3], *read_dataset(dataset)[3:]]).report("redness")
    assert mixed["n_with_hands"] == 9
    assert "no label shows a hand" not in table(mixed)


def test_a_model_that_returns_no_numbers_gets_no_scores(dataset: Path) -> None:
    class Diverged(RednessEngine):
        def run(self, batch: np.ndarray) -> np.ndarray:
            return super().run(batch) * np.float32("nan")

    with pytest.raises(ModelError, match=r"frame_0000\.png: the model returns values that are no numbers"):
        evaluate(Segmenter(Diverged()), read_dataset(dataset))
