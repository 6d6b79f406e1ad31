"""The tools beside the model cards that combine exported models, run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import handseg
from handseg.card import METADATA_KEY
from handseg.engines import find_model, open_engine
from handseg.image import load_image, resize

TOOLS = Path(__file__).parents[1] / "docs/models"
EXAMPLE = Path(__file__).parents[1] / "examples/hand.jpg"

onnx = pytest.importorskip("onnx", reason="the tools need the extra `export`")


def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def probabilities(model: Path, image: np.ndarray) -> np.ndarray:
    """Of hand, float32 H×W."""
    return open_engine(model, threads=1).run(image[None])[0, 0]


@pytest.fixture
def image() -> np.ndarray:
    return resize(load_image(EXAMPLE), 192, 288)


def test_ensemble_is_the_mean_of_all_views(image: np.ndarray, tmp_path: Path) -> None:
    members = find_model("nano"), find_model("default")
    made = run("ensemble_models.py", tmp_path / "both.onnx", *members)
    assert made.returncode == 0, made.stderr
    got = probabilities(tmp_path / "both.onnx", image)

    def distance(height: int, width: int) -> float:
        """From the mean that it would be if the mirrored view were of this size."""
        mirrored = resize(np.ascontiguousarray(image[:, ::-1]), height, width)
        expected = [probabilities(member, image) for member in members]
        expected += [resize(probabilities(member, mirrored), 192, 288)[:, ::-1] for member in members]
        return float(np.abs(got - np.mean(expected, axis=0)).mean())

    assert distance(256, 384) < 0.001  # what is left is how the two enlarge
    assert distance(256, 384) < distance(192, 288) / 3
    assert handseg.load(tmp_path / "both.onnx").card.policies == ("hand", "hand+forearm")


def test_mean_of_a_model_and_itself_is_the_model(image: np.ndarray, tmp_path: Path) -> None:
    made = run("average_models.py", tmp_path / "mean.onnx", find_model("nano"), find_model("nano"))
    assert made.returncode == 0, made.stderr
    assert np.array_equal(probabilities(tmp_path / "mean.onnx", image), probabilities(find_model("nano"), image))


@pytest.mark.parametrize("tool", ["average_models.py", "ensemble_models.py"])
def test_what_all_members_learned_from_is_told(tool: str, tmp_path: Path) -> None:
    members = [tmp_path / "first.onnx", tmp_path / "second.onnx"]
    for member, sessions in zip(members, (("a", "b"), ("b", "c"))):
        model = onnx.load(find_model("nano"))
        card = replace(open_engine("nano").card, sessions=sessions)
        onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
        onnx.save(model, member)
    made = run(tool, tmp_path / "made.onnx", *members)
    assert made.returncode == 0, made.stderr
    assert open_engine(tmp_path / "made.onnx").card.sessions == ("a", "b", "c")


def test_models_of_two_networks_have_no_mean(tmp_path: Path) -> None:
    made = run("average_models.py", tmp_path / "mean.onnx", find_model("default"), find_model("nano"))
    assert made.returncode != 0
    assert "nano.onnx: of another network than" in made.stderr
    assert not (tmp_path / "mean.onnx").exists()
