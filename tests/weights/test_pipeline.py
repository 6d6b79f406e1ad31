"""The stages of `python -m weights`: what is up to date isn't made again, what isn't, is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from weights.pipeline import Stage, build, order

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made() -> list[str]:
    """The names of the stages that were run, in their order."""
    return []


@pytest.fixture
def stages(tmp_path: Path, made: list[str]) -> list[Stage]:
    (tmp_path / "list.txt").write_text("a b")

    def write(name: str, *, folder: bool = False) -> None:
        made.append(name)
        target = tmp_path / name
        if folder:
            target.mkdir(exist_ok=True)
            target = target / "part"
        target.write_text((tmp_path / "list.txt").read_text() + name)

    return [
        Stage("last", (tmp_path / "last",), lambda: write("last"), needs=("middle", "first")),
        Stage("first", (tmp_path / "first",), lambda: write("first"), reads=(tmp_path / "list.txt",)),
        Stage("middle", (tmp_path / "middle",), lambda: write("middle", folder=True), needs=("first",)),
        Stage("apart", (tmp_path / "apart",), lambda: write("apart")),
    ]


def test_what_is_needed_comes_first_and_nothing_else(stages: list[Stage], tmp_path: Path, made: list[str]) -> None:
    assert [stage.name for stage in order(stages, ["last"])] == ["first", "middle", "last"]
    build(stages, ["last"], tmp_path)
    assert made == ["first", "middle", "last"]


def test_only_what_changed_is_made_again(stages: list[Stage], tmp_path: Path, made: list[str]) -> None:
    build(stages, ["last"], tmp_path)
    build(stages, ["last"], tmp_path)
    assert len(made) == 3
    (tmp_path / "middle" / "part").unlink()
    build(stages, ["last"], tmp_path)
    assert made[3:] == ["middle"]  # it came out the same, so that `last` stands
    (tmp_path / "list.txt").write_text("a b c")
    build(stages, ["last"], tmp_path)
    assert made[4:] == ["first", "middle", "last"]


def test_a_stage_that_fails_is_run_again(stages: list[Stage], tmp_path: Path, made: list[str]) -> None:
    broken = Stage("broken", (tmp_path / "nothing",), lambda: made.append("broken"), needs=("first",))
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="nothing wasn't made"):
            build([*stages, broken], ["broken"], tmp_path)
    assert made == ["first", "broken", "broken"]


def test_a_dry_run_makes_nothing(stages: list[Stage], tmp_path: Path, made: list[str]) -> None:
    build(stages, ["last"], tmp_path, dry=True)
    assert not made


def test_the_command_lists_its_stages_and_names_unknown_ones() -> None:
    pytest.importorskip("onnx", reason="the pipeline needs the extras `train` and `export`")

    def weights(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "weights", *arguments]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    listed = weights("--list")
    assert listed.returncode == 0, listed.stderr
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names.index("base") < names.index("default") < names.index("nano") < names.index("pages")
    assert weights("defalt").returncode == 2
    assert "no stage defalt" in weights("defalt").stderr
