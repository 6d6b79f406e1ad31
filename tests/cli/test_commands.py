"""The other commands, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import handseg
from handseg.cli import COMMANDS, main
from handseg.engines import find_model
from handseg.image import load_mask, save_png


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["data", "prepare", "egohands"]])
def test_every_command_has_help(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_version() -> None:
    assert handseg.__version__ in run("--version").output


def test_models_are_listed_with_their_cards() -> None:
    result = run("models")
    assert result.exit_code == 0
    assert "default  EncoderUNet" in result.output
    assert "learned from:" in result.output


def test_evaluate_writes_scores_and_pictures(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run("evaluate", dataset, "--json", tmp_path / "scores.json", "--report", tmp_path / "report")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["n_images"] == 12
    assert 0 <= scores["pixel"]["f1"] <= 1
    assert (tmp_path / "report" / "gallery.png").is_file()
    assert (tmp_path / "report" / "precision_recall.png").is_file()


def test_a_split_is_made_once_and_reused(dataset: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    assert run("data", "split", dataset, "-o", split, "--folds", 3).exit_code == 0
    sides = json.loads(split.read_text())
    result = run("evaluate", dataset, "--split", split, "--subset", "test", "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["n_images"] == len(sides["test"])
    assert scores["protocol"] == "session-disjoint"


def test_random_frame_is_called_leaky(dataset: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    run("data", "split", dataset, "-o", split, "--protocol", "random-frame")
    assert "leaky" in run("evaluate", dataset, "--split", split).output


def test_check_finds_no_fault_or_names_it(dataset: Path) -> None:
    assert "no fault found" in run("data", "check", dataset).output
    mask = sorted((dataset / "masks").iterdir())[0]
    save_png(mask, load_mask(mask) // 255)
    result = run("data", "check", dataset)
    assert result.exit_code == 1
    assert mask.name in result.output


def test_a_mask_of_another_size_is_one_line(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[0]
    save_png(mask, np.zeros((9, 9), np.uint8))
    result = run("evaluate", dataset)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert mask.name in result.output


def test_a_label_file_cut_in_half_is_one_line(data: Path, tmp_path: Path) -> None:
    video = "CARDS_OFFICE_S_B"
    folder = tmp_path / "_LABELLED_SAMPLES" / video
    folder.mkdir(parents=True)
    whole = (data / "egohands" / "_LABELLED_SAMPLES" / video / "polygons.mat").read_bytes()
    (folder / "polygons.mat").write_bytes(whole[: len(whole) // 2])
    result = run("data", "prepare", "egohands", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert "polygons.mat: damaged" in result.output
    assert result.output.count("error: ") == 1


def test_train_evaluate_and_export(dataset: Path, tmp_path: Path) -> None:
    """The researcher's chain on a tiny network, command by command; its output runs without torch."""
    pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")
    pytest.importorskip("onnxscript", reason="onnxscript isn't installed: handseg[export]")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4, 8]\n[input]\nsize = [40, 56]\n'
        '[optimizer]\nlr = 0.02\n[run]\nepochs = 12\nbatch_size = 2\nprecision = "32"\nselect = "last"\n'
    )
    out = tmp_path / "run"
    result = run("train", "--recipe", recipe, "--data", dataset, "-o", out, "--threads", 1, "--accelerator", "cpu")
    assert result.exit_code == 0, result.output
    assert run("train", "--recipe", recipe, "--data", dataset, "-o", out).exit_code == 1
    other = tmp_path / "other"
    assert run("train", "--recipe", recipe, "--data", dataset, "-o", other, "--threads", 1, "--seed", 1).exit_code == 0
    run("data", "split", dataset, "-o", tmp_path / "split.json")
    for folder in (out, other):  # runs with other seeds leave out the same
        assert (folder / "split.json").read_text() == (tmp_path / "split.json").read_text()
    scores = []
    for model in ("last.ckpt", "model.onnx"):
        if model == "model.onnx":
            result = run("export", out, "-o", out / model, "--threshold", 0.5)
            assert result.exit_code == 0, result.output
            assert "away from torch" in result.output
        result = run(
            "evaluate", dataset, "--split", out / "split.json", "--model", out / model, "--json", tmp_path / "s.json"
        )
        assert result.exit_code == 0, result.output
        scores.append(json.loads((tmp_path / "s.json").read_text())["pixel"])
        assert "that the model learned from" not in result.output
        seen = run("evaluate", dataset, "--split", out / "split.json", "--subset", "train", "--model", out / model)
        assert "6 are of sessions that the model learned from: " in seen.output
    assert scores[0]["f1"] > 0.6
    assert scores[0] == pytest.approx(scores[1], abs=2e-3)


def test_a_teacher_is_kept_in_the_run_and_used_again_by_a_resumed_one(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4]\n[input]\nsize = [32, 32]\n'
        '[loss]\ndistil = 0.3\n[run]\nepochs = 1\nprecision = "32"\nema = 0.5\n'
    )
    out = tmp_path / "run"
    command = ("train", "--recipe", recipe, "--data", dataset, "-o", out, "--threads", 1)
    assert run(*command, "--teacher", "best").exit_code == 1
    assert not (out / "last.ckpt").exists()
    result = run(*command, "--teacher", "default", "--accelerator", "cpu")
    assert result.exit_code == 0, result.output
    assert (out / "teacher.onnx").read_bytes() == find_model("default").read_bytes()
    (out / "teacher.onnx").write_bytes(b"no model")
    result = run(*command, "--resume", "--epochs", 2)
    assert result.exit_code == 1
    assert "teacher.onnx: not an ONNX model" in result.output


def test_check_names_inverted_masks(dataset: Path) -> None:
    mask = sorted((dataset / "masks").iterdir())[2]
    save_png(mask, 255 - load_mask(mask))
    result = run("data", "check", dataset)
    assert result.exit_code == 1
    assert result.output.count("error: ") == 1
    assert mask.name in result.output


def test_a_card_file_adds_to_the_exported_card_and_is_checked(dataset: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
    from handseg.training.module import HandModule
    from handseg.training.recipe import Recipe

    recipe = Recipe.from_dict({"name": "t", "network": {"architecture": "UNet", "widths": [4]}}).to_dict()
    checkpoint = {"state_dict": HandModule(recipe).state_dict(), "hyper_parameters": {"recipe": recipe, "steps": 1}}
    torch.save(checkpoint, tmp_path / "t.ckpt")
    card = tmp_path / "card.json"
    arguments = ["export", tmp_path / "t.ckpt", "-o", tmp_path / "t.pt", "--card", card, "--check", dataset / "images"]
    card.write_text('{"version": "7", "training_data": ["mine"]}')
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert handseg.load(tmp_path / "t.pt").card.training_data == ("mine",)
    card.write_text('{"threshold": 4}')
    assert "card.json: its model card holds invalid values" in run(*arguments).output
    result = run("export", tmp_path / "t.ckpt", "-o", tmp_path / "u.pt")
    assert result.exit_code == 1
    assert "--check" in result.output
