"""Training runs: they learn, resume exactly, share work between processes, and stop when they are useless."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")

from handseg.cli.export import check_images
from handseg.data import read_dataset
from handseg.data.splits import make_split
from handseg.errors import DataError, TrainingError
from handseg.inference.card import ModelCard
from handseg.inference.segmenter import Segmenter
from handseg.training.callbacks import Guard
from handseg.training.checkpoint import load_checkpoint, run_checkpoint
from handseg.training.engine import CheckpointEngine
from handseg.training.fit import FitOptions, drawing_weights, fit
from handseg.training.lock import alone_in
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe, packaged_recipes

from .test_resume import ctrl_c

TINY = Recipe.from_dict(
    {
        "name": "tiny",
        "network": {"architecture": "UNet", "widths": [4, 8]},
        "input": {"size": [40, 56], "long_side": 96},
        "optimizer": {"lr": 0.02, "warmup": 2},
        "run": {"epochs": 4, "batch_size": 2, "ema": 0.5, "precision": "32", "select": "last"},
        "augment": {"zoom": [0.9, 1.3]},
    }
)
OPTIONS = FitOptions(accelerator="cpu", threads=1, progress=False)


@pytest.fixture
def sides(dataset: Path) -> tuple[list, list]:
    samples = read_dataset(dataset)
    split = make_split(samples, "session-disjoint", folds=3)
    return split.select(samples, "train"), split.select(samples, "val")


def weights(path: Path) -> dict:
    return torch.load(path, weights_only=True)["state_dict"]


def test_a_run_learns_and_leaves_its_curves_and_a_usable_checkpoint(sides, tmp_path: Path) -> None:
    recipe = replace(TINY, run=replace(TINY.run, epochs=20))
    path = fit(recipe, *sides, tmp_path / "run", OPTIONS)
    assert path == run_checkpoint(tmp_path / "run")
    with (tmp_path / "run" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(20))
    assert float(rows[-1]["train_loss"]) < 0.7 * float(rows[0]["train_loss"])
    assert float(rows[-1]["val_f1"]) > 0.8
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    sample = sides[1][0]
    found = Segmenter(CheckpointEngine(path))(sample.image).mask
    assert ((found > 0) & (sample.load_mask() > 0)).sum() > 0.5 * (sample.load_mask() > 0).sum()


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_two_halves_end_with_the_weights_of_one_whole(
    sides, tmp_path: Path, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bitwise: the first half is cut off by an exception in the middle of an epoch, as by Ctrl-C or a crash."""
    recipe = replace(TINY, optimizer=replace(TINY.optimizer, schedule=schedule))
    whole = fit(recipe, *sides, tmp_path / "whole", OPTIONS)

    def crash(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.current_epoch == 2 and batch_idx == 1:
            raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Guard, "on_train_batch_start", crash)
        fit(recipe, *sides, tmp_path / "halves", OPTIONS)
    torch.manual_seed(99)  # what the process drew before must not matter
    halves = fit(recipe, *sides, tmp_path / "halves", OPTIONS, resume=True)
    first, second = weights(whole), weights(halves)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (tmp_path / "whole/curves.csv").read_text() == (tmp_path / "halves/curves.csv").read_text()


def test_a_second_training_in_the_same_folder_is_refused(sides, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="no flock on this system")
    run = tmp_path / "run"
    run.mkdir()
    with alone_in(run), pytest.raises(TrainingError, match="another training is running in it; wait"):
        fit(TINY, *sides, run, OPTIONS)
    recipe = replace(TINY, run=replace(TINY.run, epochs=1))
    assert fit(recipe, *sides, run, OPTIONS).is_file()


def test_ctrl_c_ends_in_a_word_about_resuming(sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.current_epoch == 1:
            ctrl_c()

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="interrupted; go on .* --resume"):
        patch.setattr(Guard, "on_train_batch_start", interrupt)
        fit(TINY, *sides, tmp_path / "run", OPTIONS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert fit(TINY, *sides, tmp_path / "run", OPTIONS, resume=True).is_file()


def test_two_cpu_processes_train_together(dataset: Path, tmp_path: Path) -> None:
    """DDP over gloo, through the command line; both processes must end with one set of weights."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4, 8]\n[input]\nsize = [40, 56]\n'
        '[optimizer]\nlr = 0.02\n[run]\nepochs = 2\nbatch_size = 2\nprecision = "32"\nselect = "last"\n'
    )
    command = [sys.executable, "-m", "handseg", "train", "--recipe", recipe, "--data", dataset, "-o", tmp_path / "run"]
    command += ["--accelerator", "cpu", "--devices", "2", "--threads", "1"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr
    assert "2 processes" in result.stderr
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    images = len(json.loads((tmp_path / "run" / "split.json").read_text())["train"])
    assert checkpoint["global_step"] == 2 * (images // 2 // 2)  # epochs × batches of two in half of the images


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_packaged_recipe_takes_a_few_steps(name: str, sides, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    recipe = replace(
        recipe,
        network=replace(recipe.network, widths=(4, 8, 8, 8)[: len(recipe.network.narrow) or 4]),
        input=replace(recipe.input, size=(32, 48), run_size=(32, 48)),
        run=replace(recipe.run, epochs=2, batch_size=4, draws=8, validate_every=1),
    )
    path = fit(recipe, *sides, tmp_path / "run", OPTIONS)
    assert load_checkpoint(path).recipe == recipe


def test_a_diverging_run_stops_with_a_reason(sides, tmp_path: Path) -> None:
    recipe = replace(TINY, optimizer=replace(TINY.optimizer, lr=1e30, warmup=0, name="adam"))
    with pytest.raises(TrainingError, match="the loss is .* lower the learning rate"):
        fit(recipe, *sides, tmp_path / "run", OPTIONS)


def test_a_run_that_predicts_all_background_stops_with_a_reason(sides, tmp_path: Path) -> None:
    recipe = replace(
        TINY, run=replace(TINY.run, epochs=20, threshold=0.999), optimizer=replace(TINY.optimizer, lr=1e-9)
    )
    with pytest.raises(TrainingError, match="all background"):
        fit(recipe, *sides, tmp_path / "run", OPTIONS)


def test_bad_masks_are_found_before_the_first_step(sides, tmp_path: Path) -> None:
    from handseg.image import load_mask, save_png

    mask = sides[0][0].label
    save_png(mask, load_mask(mask) // 255)
    with pytest.raises(DataError, match="holds 0 and 1"):
        fit(TINY, *sides, tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


def test_a_run_is_neither_overwritten_nor_resumed_from_nothing(sides, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        fit(TINY, *sides, tmp_path / "run", OPTIONS, resume=True)
    fit(replace(TINY, run=replace(TINY.run, epochs=1)), *sides, tmp_path / "run", OPTIONS)
    with pytest.raises(TrainingError, match="holds a run already; add --resume"):
        fit(TINY, *sides, tmp_path / "run", OPTIONS)


def test_a_model_of_both_policies_answers_both(dataset: Path, tmp_path: Path) -> None:
    """Trained on images of either policy; its card names both, and the forearm policy covers the hand."""
    recipe = replace(TINY, network=replace(TINY.network, forearm=True))
    samples = read_dataset(dataset)
    arms = [replace(s, policy="hand+forearm", name=f"arm {s.name}") for s in samples]
    path = fit(recipe, [*samples[:9], *arms], samples[9:], tmp_path / "run", OPTIONS)
    engine = CheckpointEngine(path)
    assert engine.card.policies == ("hand", "hand+forearm")
    image = samples[0].load_image()
    hand, both = (Segmenter(engine, policy=p)(image).probability for p in engine.card.policies)
    assert (hand <= both + 1e-6).all()
    assert (hand < both).any()


class RednessEngine:
    """A teacher that takes what is red for a hand."""

    name = model = "redness"
    card = ModelCard("redness", size=(40, 56), stride=1)

    def run(self, batch):
        return (batch[..., 0] > 180).astype("float32")[:, None]


def test_a_student_imitates_its_teacher_where_labels_are_wrong(sides, tmp_path: Path) -> None:
    """The labels say that nothing is a hand; the teacher knows better, and with distillation the student follows."""

    train, val = sides
    empty = [replace(s, label=[]) for s in train[1:]] + train[:1]
    sure = {}
    for distil in (0.0, 1.0):
        run = replace(TINY.run, epochs=20, validate_every=10)  # or the guard would stop the blank one
        recipe = replace(TINY, loss=replace(TINY.loss, distil=distil), run=run)
        path = fit(recipe, empty, val, tmp_path / f"run{distil}", OPTIONS, teacher=Segmenter(RednessEngine()))
        student = Segmenter(CheckpointEngine(path))
        sure[distil] = sum(float(student(s.load_image()).probability[s.load_mask() > 0].mean()) for s in train)
    assert sure[1.0] > 1.5 * sure[0.0]


def test_photos_without_labels_want_a_teacher_that_is_imitated(sides, tmp_path: Path) -> None:
    train, val = sides
    photo = replace(train[0], label=(), unlabelled=True)
    for recipe, teacher in (
        (TINY, Segmenter(RednessEngine())),
        (replace(TINY, loss=replace(TINY.loss, distil=0.5)), None),
    ):
        with pytest.raises(TrainingError, match="teach only by a teacher that is imitated: name one with --teacher"):
            fit(recipe, [*train, photo], val, tmp_path / "none", OPTIONS, teacher=teacher)
    recipe = replace(TINY, loss=replace(TINY.loss, distil=0.5), run=replace(TINY.run, epochs=20))
    path = fit(recipe, [*train, photo], val, tmp_path / "run", OPTIONS, teacher=Segmenter(RednessEngine()))
    with (tmp_path / "run" / "curves.csv").open() as file:
        assert float(list(csv.DictReader(file))[-1]["val_f1"]) > 0.8
    assert path.is_file()


def test_a_run_may_start_from_the_weights_of_another(sides, tmp_path: Path) -> None:
    first = fit(replace(TINY, run=replace(TINY.run, epochs=12)), *sides, tmp_path / "first", OPTIONS)
    still = replace(TINY, optimizer=replace(TINY.optimizer, lr=1e-9), run=replace(TINY.run, epochs=1, ema=0.0))
    tuned = fit(still, *sides, tmp_path / "second", OPTIONS, init=first)
    before, after = weights(first), weights(tuned)
    convolutions = [k for k, v in before.items() if v.ndim == 4]
    assert all(torch.allclose(before[k], after[k], atol=1e-5) for k in convolutions)
    other = replace(TINY, network=replace(TINY.network, widths=(4, 4)))
    with pytest.raises(TrainingError, match="of another network than the recipe tiny"):
        fit(other, *sides, tmp_path / "third", OPTIONS, init=first)


def test_a_checkpoint_tells_all_sessions_behind_it(
    sides, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own, and those of the model it started from and of its teacher; a leak into the test side is told."""
    train, val = sides
    elsewhere = replace(train[0], session="elsewhere")
    unlabelled = replace(train[0], session="photo", unlabelled=True, label=())
    recipe = replace(TINY, loss=replace(TINY.loss, distil=0.5), run=replace(TINY.run, epochs=1))
    engine = RednessEngine()
    engine.card = replace(engine.card, sessions=("taught",))
    first = fit(recipe, [*train, elsewhere, unlabelled], val, tmp_path / "a", OPTIONS, teacher=Segmenter(engine))
    own = {s.session for s in train}
    assert {*load_checkpoint(first).sessions} == own | {"elsewhere", "taught"}
    assert {*CheckpointEngine(first).card.sessions} == own | {"elsewhere", "taught"}
    assert "leak" not in capsys.readouterr().err
    second = fit(TINY, train, val, tmp_path / "b", OPTIONS, init=first, held_out={"elsewhere", "nowhere"})
    assert f"{first} has learned from the test side (elsewhere): a leak" in capsys.readouterr().err
    longer = replace(TINY, run=replace(TINY.run, epochs=5))
    assert fit(longer, train, val, tmp_path / "b", OPTIONS, resume=True) == second
    assert {*load_checkpoint(second).sessions} == own | {"elsewhere", "taught"}


def test_each_source_is_drawn_by_its_share(dataset: Path) -> None:
    samples = read_dataset(dataset)
    mixed = [
        *(replace(s, source="desks") for s in samples[:2]),
        *(replace(s, source="arms", policy="hand+forearm") for s in samples[2:5]),
        *(replace(s, source="rooms", label=(), background=True) for s in samples[5:]),
    ]
    weights = drawing_weights(mixed, 0.5, {"desks": 0.6, "arms": 0.3, "rooms": 0.1})
    assert weights is not None
    assert [part.sum() for part in np.split(weights, [2, 5])] == pytest.approx([0.6, 0.3, 0.1])
    assert drawing_weights(samples, 1.0, {}) is None


def test_early_stopping_ends_a_run_that_stalls(sides, tmp_path: Path) -> None:
    run = replace(TINY.run, epochs=60, early_stopping=2, select="best", ema=0.0)
    path = fit(replace(TINY, run=run, optimizer=replace(TINY.optimizer, lr=1e-12)), *sides, tmp_path / "run", OPTIONS)
    assert path.name == "best.ckpt"
    assert len((tmp_path / "run" / "curves.csv").read_text().splitlines()) < 60


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "not a handseg"), (b"nonsense", "not a handseg"), (None, "no such")]
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "model.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=rf"model\.ckpt: {reason} checkpoint"):
        load_checkpoint(path)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    shutil.copyfile(__file__, tmp_path / "something.py")
    with pytest.raises(TrainingError, match="no last.ckpt in it"):
        run_checkpoint(tmp_path)


def test_a_validation_side_without_hands_is_said_and_doesnt_stop_a_run(
    sides, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from handseg.image import save_png

    train, val = sides
    for sample in val:
        save_png(sample.label, np.zeros((72, 96), np.uint8))
    recipe = replace(TINY, run=replace(TINY.run, epochs=7, draws=4))
    assert fit(recipe, train, val, tmp_path / "run", OPTIONS).is_file()
    assert capsys.readouterr().err.count("the validation side shows no hand") == 1


def test_false_hands_alone_arent_all_background(sides, tmp_path: Path) -> None:
    """Precision and recall are 0 then too: all that is predicted counts."""
    from handseg.image import save_png

    train, val = sides
    for sample in val:  # the hand is where the network sees nothing; what it sees is false
        image = np.full((72, 96, 3), 90, np.uint8)
        image[10:40, 20:60] = (220, 160, 130)
        save_png(sample.image, image)
        save_png(sample.label, np.pad(np.full((6, 8), 255, np.uint8), ((60, 6), (80, 8))))
    recipe = replace(TINY, run=replace(TINY.run, epochs=12))
    assert fit(recipe, train, val, tmp_path / "run", OPTIONS).is_file()


def test_a_trapezoid_stays_and_then_falls_to_nothing() -> None:
    recipe = replace(TINY, optimizer=replace(TINY.optimizer, schedule="trapezoid", warmup=4, cooldown=0.25))
    module = HandModule(recipe.to_dict(), steps=100, pretrained=False)
    rates = [module.rate(step) for step in (0, 3, 50, 75, 80, 100, 120)]
    assert rates == pytest.approx([0.25, 1, 1, 1, 0.8, 0, 0])


def test_weights_that_are_no_numbers_never_get_into_a_checkpoint(
    sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step an epoch: its loss is finite, and what it does to the weights is seen by no later one."""
    recipe = replace(TINY, optimizer=replace(TINY.optimizer, lr=1e30, warmup=0, name="adam"))
    recipe = replace(recipe, run=replace(TINY.run, epochs=1, batch_size=64, ema=0.0))
    with pytest.raises(TrainingError, match="the validation loss is nan .* lower the learning rate"):
        fit(recipe, *sides, tmp_path / "validated", OPTIONS)

    def spoil(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        next(pl_module.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(Guard, "on_train_batch_end", spoil)
    recipe = replace(TINY, run=replace(TINY.run, epochs=2, validate_every=2, batch_size=64, ema=0.0))
    with pytest.raises(TrainingError, match="the weights aren't finite .* lower the learning rate"):
        fit(recipe, *sides, tmp_path / "not", OPTIONS)
    assert not list(tmp_path.glob("*/*.ckpt"))


def test_a_run_shorter_than_its_pause_between_validations_has_a_best_checkpoint(sides, tmp_path: Path) -> None:
    recipe = replace(TINY, run=replace(TINY.run, epochs=2, validate_every=5, select="best"))
    path = fit(recipe, *sides, tmp_path / "run", OPTIONS)
    assert path.name == "best.ckpt"
    assert load_checkpoint(path).recipe == recipe
    more = replace(recipe, run=replace(recipe.run, epochs=3))
    assert fit(more, *sides, tmp_path / "run", OPTIONS, resume=True).is_file()


def test_without_validation_images_there_is_no_run(sides, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no images to validate on"):
        fit(TINY, sides[0], [], tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_hold_a_run_is_named(sides, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(TrainingError, match=f"{folder}: can't be made .* choose another folder"):
            fit(TINY, *sides, folder, OPTIONS)
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    with pytest.raises(TrainingError, match="run: can't write there .* choose a folder"):
        fit(TINY, *sides, tmp_path / "run", OPTIONS)


@pytest.mark.parametrize("kept", ["", "epoch,st", "epoch,step,lr,train_loss,val_loss,val_f1,val_image_iou\n0,4,0.0"])
def test_curves_that_were_cut_off_do_not_end_a_run(sides, tmp_path: Path, kept: str) -> None:
    recipe = replace(TINY, run=replace(TINY.run, epochs=1))
    fit(recipe, *sides, tmp_path / "run", OPTIONS)
    (tmp_path / "run" / "curves.csv").write_text(kept)
    fit(replace(recipe, run=replace(recipe.run, epochs=2)), *sides, tmp_path / "run", OPTIONS, resume=True)
    with (tmp_path / "run" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]


def test_the_images_to_compare_on_are_found_by_names_that_are_no_text(sides, tmp_path: Path) -> None:
    train, val = sides
    named = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        shutil.copy(val[0].image, named)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    recipe = replace(TINY, run=replace(TINY.run, epochs=1))
    path = fit(recipe, train, [replace(val[0], image=named), *val[1:]], tmp_path / "run", OPTIONS)
    assert len(check_images(None, path)) == len(val)
