"""handseg train --mixture: a run on many sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from handseg.cli import main
from handseg.image import save_png

from ..conftest import scene

pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def mixture(dataset: Path, tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    for i in range(3):
        save_png(tmp_path / "rooms" / f"{i}.png", scene(rng)[0])
    (tmp_path / "tiny.toml").write_text(
        'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4]\n[input]\nsize = [32, 32]\n'
        '[optimizer]\nschedule = "trapezoid"\n[run]\nepochs = 1\ndraws = 16\nprecision = "32"\n'
    )
    path = tmp_path / "mixture.toml"
    path.write_text(
        '[roots]\nhere = "."\n[[source]]\nname = "desk"\nfolders = ["{here}/set"]\nshare = 0.75\nval = 2\ntest = 2\n'
        '[[source]]\nname = "rooms"\nfolders = ["{here}/rooms"]\nrole = "no-hands"\nshare = 0.25\n'
    )
    return path


def train(mixture: Path, *more: object) -> Result:
    folder = mixture.parent
    fixed = ("--recipe", folder / "tiny.toml", "-o", folder / "run", "--threads", 1, "--accelerator", "cpu")
    return run("train", "--mixture", mixture, *fixed, *more)


def test_a_run_on_a_mixture_records_its_sources_and_resumes(mixture: Path) -> None:
    result = train(mixture)
    assert result.exit_code == 0, result.output
    out = mixture.parent / "run"
    record = json.loads((out / "run.json").read_text())
    assert record["shares"] == {"desk": 0.75, "rooms": 0.25}
    assert {entry["source"]: entry["images"] for entry in record["data"]} == {"desk": 12, "rooms": 3}
    assert re.search(r"11 images to train on \(3 without hands\), 2 to validate, 2 kept for testing", result.output)
    assert (out / "mixture.toml").read_text() == mixture.read_text()
    scored = run("evaluate", mixture.parent / "set", "--split", out / "split.json", "--model", out / "last.ckpt")
    assert scored.exit_code == 0, scored.output
    assert "that the model learned from" not in scored.output

    result = train(mixture, "--resume", "--epochs", 2)
    assert result.exit_code == 0, result.output
    assert len((out / "curves.csv").read_text().splitlines()) == 3

    mixture.write_text(mixture.read_text().replace("0.25", "0.5"))
    result = train(mixture, "--resume", "--epochs", 3)
    assert result.exit_code == 1
    assert "shares of the draws" in result.output

    mixture.write_text(mixture.read_text().replace("test = 2", "test = 4"))
    result = train(mixture, "--force-resume", "--epochs", 3)
    assert result.exit_code == 1
    assert "was begun with other sides" in result.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--data", "set"), "--data isn't for a mixture; write it into"),
        (("--group-by", "folder"), "--group-by isn't for a mixture"),
        (("--root", "here"), "no NAME=FOLDER"),
        (("--root", "there=."), "has no root 'there'"),
        (("--resume",), "nothing to resume"),
        (("--only", "beach"), "has no source 'beach'; its sources are desk, rooms"),
    ],
)
def test_what_does_not_go_with_a_mixture_is_refused(mixture: Path, more: tuple[str, ...], message: str) -> None:
    result = train(mixture, *more)
    assert result.exit_code == 1
    assert message in result.output
    assert not (mixture.parent / "run").exists()


def test_without_data_the_two_ways_to_name_some_are_told(tmp_path: Path) -> None:
    result = run("train", "-o", tmp_path / "run")
    assert result.exit_code == 1
    assert "name a folder with --data, or a mixture's file with --mixture" in result.output


def test_a_root_may_lie_elsewhere(mixture: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "mixture.toml"
    moved.parent.mkdir()
    mixture.rename(moved)
    (tmp_path / "tiny.toml").rename(moved.parent / "tiny.toml")
    result = train(moved, "--root", f"here={tmp_path}")
    assert result.exit_code == 0, result.output


def test_one_source_alone_and_few_images_for_a_trial(mixture: Path) -> None:
    result = train(mixture, "--only", "desk", "--limit", 1)
    assert result.exit_code == 0, result.output
    record = json.loads((mixture.parent / "run" / "run.json").read_text())
    assert record["shares"] == {"desk": 0.75}
    assert "1 images to train on, 1 to validate, 1 kept for testing" in result.output
    result = run("train", "--data", mixture.parent / "set", "-o", mixture.parent / "other", "--limit", 1)
    assert "--root, --only and --limit go with --mixture" in result.output
