"""What a training keeps in its folder, and what it takes from one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from handseg.cli import main
from handseg.inference.engines import find_model

pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")

TINY = (
    'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4]\n[input]\nsize = [32, 32]\n'
    '[run]\nepochs = 1\nprecision = "32"\nselect = "last"\n'
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def command(dataset: Path, tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "tiny.toml").write_text(TINY)
    options = ("--accelerator", "cpu", "--threads", 1)
    return ("train", "--recipe", tmp_path / "tiny.toml", "--data", dataset, "-o", tmp_path / "run", *options)


def test_a_refused_start_leaves_the_run_as_it_is(command, tmp_path: Path) -> None:
    """A teacher copied into it would make it another run, that can't be gone on with."""
    assert run(*command).exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    result = run(*command, "--teacher", "nano")
    assert result.exit_code == 1
    assert "holds a run already" in result.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before
    result = run(*command, "--resume", "--epochs", 2, "--teacher", "nano")
    assert result.exit_code == 1
    assert "holds another run: teacher: none then" in result.output
    assert run(*command, "--resume", "--epochs", 2).exit_code == 0


def test_a_new_run_takes_nothing_of_another_that_never_was(command, tmp_path: Path) -> None:
    """Left in the folder by one that was interrupted in its first epoch, with another teacher and split."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "teacher.onnx").write_bytes(find_model("default").read_bytes())
    (folder / "split.json").write_text('{"another": "one"}')
    result = run(*command, "--teacher", "nano", "--protocol", "random-frame")
    assert result.exit_code == 0, result.output
    assert (folder / "teacher.onnx").read_bytes() == find_model("nano").read_bytes()
    assert json.loads((folder / "split.json").read_text())["protocol"] == "random-frame"
    result = run(*command, "--resume", "--epochs", 2, "--teacher", "default")
    assert result.exit_code == 1
    assert "holds another run: teacher: " in result.output
