"""What is on two sides of a split is refused by every command that uses one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from handseg.cli import main
from handseg.image import save_png
from tests.data.test_identity import make

TINY = (
    'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4]\n[input]\nsize = [32, 32]\n'
    '[run]\nepochs = 1\nprecision = "32"\n'
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def write_split(path: Path, train: list[str], val: list[str], test: list[str], protocol: str) -> None:
    sides = {"train": train, "val": val, "test": test}
    path.write_text(json.dumps({"protocol": protocol, "seed": 0, "folds": 4, "fold": 0, **sides}))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path / "tiny.toml"


@pytest.mark.parametrize("how", ["session", "renamed", "linked", "lossless", "lossy", "other data"])
def test_what_is_on_two_sides_is_refused(tmp_path: Path, recipe: Path, how: str) -> None:
    pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")
    root, split = make(tmp_path / "set", *(f"c{i // 2}/a{i}" for i in range(8)), "z/z"), tmp_path / "split.json"
    names = [f"c{i // 2}/a{i}" for i in range(8)]
    copy, first = root / "images" / "z" / "z.png", root / "images" / "c0" / "a0.png"
    train, val, test = names[:4], names[4:6], [*names[6:], "z/z"]
    told = ["c0/a0.png (train)", "(test)", "the same picture"]
    if how == "session":
        train, test = names[:3], [*names[6:], names[3]]
        told = ["session set:c1 is on two sides", "c1/a2.png (train)", "c1/a3.png (test)"]
    elif how == "renamed":
        shutil.copy(first, copy)
    elif how == "linked":
        copy.unlink()
        os.symlink(first, copy)
    elif how == "lossless":
        Image.open(first).save(copy.with_suffix(".bmp"))
    elif how == "lossy":
        Image.open(first).save(copy.with_suffix(".jpg"), quality=75)
    if how.startswith("loss"):
        copy.unlink()
    write_split(split, train, val, test, "session-disjoint")
    if how == "other data":
        run("data", "split", root, "-o", split)
        make(root, "c0/a0", seed=5)
        told = ["1 images aren't those that it was made from", "c0/a0.png first"]
    for command in (
        ("evaluate", root, "--split", split, "--model", "nano"),
        ("train", "--recipe", recipe, "--data", root, "--split", split, "-o", tmp_path / "run"),
        ("data", "check", root, "--split", split),
    ):
        result = run(*command)
        assert result.exit_code == 1
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert all(part in result.output for part in ("split.json: ", *told)), result.output
    assert not (tmp_path / "run").exists()


def test_frames_of_one_session_may_be_on_both_sides_of_random_frame(tmp_path: Path) -> None:
    root, split = make(tmp_path / "set", *(f"c/a{i}" for i in range(4))), tmp_path / "split.json"
    write_split(split, ["c/a0", "c/a1"], ["c/a2"], ["c/a3"], "random-frame")
    assert run("data", "check", root, "--split", split).exit_code == 0
    shutil.copy(root / "images" / "c" / "a0.png", root / "images" / "c" / "a3.png")
    assert "(train) and" in run("data", "check", root, "--split", split).output


def test_a_rule_is_kept_in_the_split_and_used_again(tmp_path: Path) -> None:
    root, split = make(tmp_path / "set", *(f"clip{i // 3}_{i}" for i in range(12))), tmp_path / "split.json"
    alone = run("data", "split", root, "-o", split)
    assert "each of its 12 images is taken for a session of its own" in alone.output
    assert "each of its 12 images" in run("data", "check", root).output
    assert run("data", "split", root, "-o", split, "--group-by", r"(clip\d)_").exit_code == 0
    sides = json.loads(split.read_text())
    clips = [{name.split("_")[0] for name in sides[side]} for side in ("train", "val", "test")]
    assert sum(map(len, clips)) == len(set.union(*clips)) == 4
    result = run("evaluate", root, "--split", split, "--model", "nano", "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    assert "session of its own" not in result.output
    assert json.loads((tmp_path / "s.json").read_text())["split_hash"] == sides["hash"]


def test_two_datasets_with_equal_names_are_split_together(tmp_path: Path) -> None:
    roots = [make(tmp_path / name, *(f"c{i // 2}/{i}" for i in range(6)), seed=i) for i, name in enumerate("ab")]
    split = tmp_path / "split.json"
    assert run("data", "split", *roots, "-o", split).exit_code == 0
    assert run("data", "check", *roots, "--split", split).exit_code == 0
    missing = run("data", "check", roots[0], "--split", split)
    assert missing.exit_code == 1
    assert missing.output.count("isn't in the data") == 12


def test_the_faults_as_json(dataset: Path, tmp_path: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[0]
    save_png(mask, np.zeros((9, 9), np.uint8))
    sorted((dataset / "masks").iterdir())[1].unlink()
    printed = run("data", "check", dataset, "--json")
    assert printed.exit_code == 1
    report = json.loads(printed.stdout)
    assert (report["errors"], report["warnings"]) == (2, 0)
    assert {fault["kind"] for fault in report["faults"]} == {"size", "no-mask"}
    assert report["datasets"][0]["images"] == 11
    assert run("data", "check", dataset, "--json", tmp_path / "faults.json").exit_code == 1
    assert json.loads((tmp_path / "faults.json").read_text()) == report


def test_warnings_alone_are_no_failure(dataset: Path) -> None:
    save_png(dataset / "masks" / "nobody.png", np.zeros((9, 9), np.uint8))
    result = run("data", "check", dataset)
    assert result.exit_code == 0
    assert "warning: " in result.output
    assert "0 errors, 1 warning" in result.output


def test_clips_in_folders_stay_whole(data: Path, tmp_path: Path) -> None:
    case = data.parent / "cases" / "sessions_by_folder" / "data"
    if not case.is_dir():
        pytest.skip(f"no case at {case}")
    assert "40 images, 4 sessions" in run("data", "check", case).output
    assert run("data", "split", case, "-o", tmp_path / "split.json").exit_code == 0
    sides = json.loads((tmp_path / "split.json").read_text())
    clips = [{name.split("/")[0] for name in sides[side]} for side in ("train", "val", "test")]
    assert sorted(map(len, clips)) == [1, 1, 2]
    assert len(set.union(*clips)) == 4
