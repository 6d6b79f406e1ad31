"""handseg train as people use it on little data of their own: what it says, what it leaves, and the ways out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")

from handseg.cli import main
from handseg.image import load_image

TINY = """base = "blog"
[network]
widths = [4, 8]
[input]
size = [40, 56]
[optimizer]
lr = 0.02
[run]
epochs = 6
batch_size = 2
precision = "32"
validate_every = 2
"""


def train(*arguments: object) -> Result:
    fixed = ("--threads", 1, "--accelerator", "cpu")
    return CliRunner().invoke(main, ["train", *map(str, (*arguments, *fixed))])


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of one's own."""
    from handseg.image import save_png
    from tests.conftest import scene

    folder = tmp_path_factory.mktemp("few")
    for i in range(2):
        image, mask = scene(np.random.default_rng(i))
        save_png(folder / "images" / f"{i}.png", image)
        save_png(folder / "masks" / f"{i}.png", mask)
    return folder


def test_one_epoch_over_a_base_then_resumed_then_tuned(dataset: Path, few: Path, tmp_path: Path) -> None:
    recipe, run = tmp_path / "mine.toml", tmp_path / "run"
    recipe.write_text(TINY)
    first = train("--recipe", recipe, "--data", dataset, "-o", run, "--epochs", 1, "--set", "optimizer.lr=0.01")
    assert first.exit_code == 0, first.output
    (line,) = [line for line in first.stderr.splitlines() if line.startswith("epoch ")]
    assert line.startswith("epoch 1/1  train loss 0.")
    for part in ("  val loss 0.", "  F1 0.", "  IoU 0.", "  lr 1.0e-02  ", " left"):
        assert part in line
    with (run / "curves.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0"]
    assert (run / "best.ckpt").is_file()
    assert (run / "curves.png").is_file()
    assert sorted(path.name for path in (run / "pictures").iterdir()) == ["epoch_001.jpg", "training.jpg"]
    assert load_image(run / "pictures" / "training.jpg").shape[1] >= 320
    made = json.loads((run / "run.json").read_text())["recipe"]
    assert made["name"] == "mine"
    assert made["optimizer"] == {**made["optimizer"], "name": "adam", "lr": 0.01, "schedule": "plateau"}

    # Without its recipe: the run's own.
    resumed = train("--data", dataset, "-o", run, "--resume", "--epochs", 2)
    assert resumed.exit_code == 0, resumed.output
    assert "epoch 2/2" in resumed.stderr
    assert json.loads((run / "run.json").read_text())["recipe"]["optimizer"]["lr"] == 0.01

    too_few = train("--data", few, "-o", tmp_path / "tuned", "--init", run / "last.ckpt")
    assert too_few.exit_code == 1
    assert "2 sessions are too few" in too_few.stderr
    assert "handseg train --protocol all" in too_few.stderr
    arguments = ("--data", few, "-o", tmp_path / "tuned", "--init", run / "last.ckpt", "--protocol", "all")
    tuned = train(*arguments, "--epochs", 2)
    assert tuned.exit_code == 0, tuned.output
    assert "gentle: 2 images to train on, 2 to validate, 0 kept for testing (all)" in tuned.stderr
    assert "the scores say nothing about others" in tuned.stderr
    assert "16 draws an epoch instead of 600" in tuned.stderr
    assert "before: F1 0." in tuned.stderr
    assert "after: F1 0." in tuned.stderr
    gentle = json.loads((tmp_path / "tuned" / "run.json").read_text())["recipe"]
    assert gentle["network"] == made["network"]
    assert gentle["optimizer"]["lr"] == pytest.approx(1e-4)
    before = json.loads((tmp_path / "tuned" / "before.json").read_text())
    with (run / "curves.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert 0 <= before["val_iou"] <= before["val_f1"] <= 1
    split = json.loads((tmp_path / "tuned" / "split.json").read_text())
    assert (split["protocol"], len(split["train"]), split["val"], split["test"]) == ("all", 2, [], [])


def test_one_session_is_told_its_ways_out(dataset: Path, tmp_path: Path) -> None:
    """Six frames of one recording can be split by images, two of three recordings by fewer folds."""
    one = tmp_path / "one"
    for i, image in enumerate(sorted((dataset / "images").iterdir())[:6]):
        for kind in ("images", "masks"):
            (one / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dataset / kind / image.name, one / kind / f"CARDS_OFFICE_B_S_frame_{i:04d}.png")
    result = train("--data", one, "-o", tmp_path / "run")
    assert result.exit_code == 1
    assert "1 session is too few for 4 folds" in result.stderr
    assert "which leaks: --protocol random-frame" in result.stderr
    assert "--protocol all" in result.stderr
    for i, image in enumerate(sorted((one / "images").iterdir())[:2]):
        for kind in ("images", "masks"):
            (one / kind / image.name).rename(one / kind / f"CHESS_OFFICE_{'HT'[i]}_S_frame_{i:04d}.png")
    result = train("--data", one, "-o", tmp_path / "run")
    assert "3 sessions are too few for 4 folds" in result.stderr
    assert "fewer folds: handseg data split --folds 3" in result.stderr
    arguments = ["data", "split", str(one), "-o", str(tmp_path / "split.json"), "--folds", "3"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("run.draw=48", "--set: run.draw: unknown; known are"),
        ("run.draws=many", "--set: run.draws: 'many' is no int"),
        ("draws", "--set draws: no TABLE.KEY=VALUE; write it as run.draws=48"),
        ("=3", "no TABLE.KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_named(dataset: Path, tmp_path: Path, setting: str, words: str) -> None:
    result = train("--data", dataset, "-o", tmp_path / "run", "--set", setting)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
