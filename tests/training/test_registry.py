"""A user's own network, encoder and loss, named in a recipe, from a module of their own."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

import handseg
from handseg.errors import TrainingError
from handseg.export.export import export
from handseg.image import load_image
from handseg.training import Recipe, register_encoder, register_loss, register_network
from handseg.training.checkpoint import load_checkpoint
from handseg.training.losses import MarginalLoss

HERE = Path(__file__).parent
RUN = {"epochs": 1, "batch_size": 4, "select": "last", "precision": "32"}
SMALL = {"input": {"size": [64, 64], "long_side": 96}, "run": RUN}


@pytest.fixture(autouse=True, scope="module")
def own_parts() -> Any:
    return importlib.import_module("tests.training.own_parts")


def recipe(**tables: Any) -> Recipe:
    return Recipe.from_dict({"name": "own", **SMALL, **tables})


@pytest.mark.parametrize("forearm", [False, True])
def test_a_network_is_made_with_its_options(forearm: bool) -> None:
    net = recipe(network={"architecture": "TinyNet", "forearm": forearm, "options": {"width": 6}}).build_network()
    assert net.first.out_channels == 6  # type: ignore[union-attr, operator]
    assert net.head.out_channels == (3 if forearm else 1)  # type: ignore[union-attr, operator]


def test_an_encoder_carries_the_decoder() -> None:
    network = {"encoder": "tiny", "options": {"width": 5}, "widths": [8, 4], "narrow": [4, 4]}
    net = recipe(network=network).build_network()
    assert (net.stride, net.encoder.channels) == (8, (5, 10, 15))  # type: ignore[union-attr]


def test_a_loss_takes_the_place_of_handsegs() -> None:
    assert recipe(loss={"name": "squares", "options": {"weight": 3.0}}).build_loss().weight == 3.0
    assert isinstance(recipe().build_loss(), MarginalLoss)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"network": {"architecture": "Unet"}},
            "network.architecture: 'Unet'; choose one of UNet, EncoderUNet, TinyNet",
        ),
        ({"network": {"encoder": "resnet"}}, "network.encoder: 'resnet'; choose one of lite0, lite2, tiny"),
        ({"loss": {"name": "focal"}}, "loss.name: 'focal'; choose one of marginal, squares"),
        ({"network": {"architecture": "TinyNet", "options": 3}}, "network.options: must be a table"),
    ],
)
def test_what_is_not_registered_is_named_when_the_recipe_is_read(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message.replace(".", r"\.")):
        recipe(**tables)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"architecture": "TinyNet", "options": {"depth": 3}}, "can't be made with these options: .*depth"),
        ({"architecture": "TinyNet", "widths": [8]}, "widths is EncoderUNet's or UNet's; .*network.options"),
        ({"architecture": "UNet", "options": {"width": 3}}, "options needs architecture EncoderUNet"),
        ({"encoder": "lite0", "options": {"width": 3}}, "lite0 takes no options, and got width"),
        ({"encoder": "tiny", "pretrained": True, "widths": [8, 4], "narrow": [4, 4]}, "has no load_imagenet"),
        ({"encoder": "tiny"}, "2 decoder stages need as many widths"),
        ({"encoder": "shapeless"}, "needs `channels`"),
        ({"architecture": "plain"}, "must be a handseg.nets.blocks.SegmentationNet"),
        ({"architecture": "nothing"}, "makes a NoneType"),
    ],
)
def test_what_cannot_be_made_is_said(network: dict[str, Any], message: str) -> None:
    from torch import nn

    register_encoder("shapeless")(nn.Identity)
    register_network("plain")(lambda channels: nn.Conv2d(3, channels, 1))
    register_network("nothing")(lambda channels: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TrainingError, match=f"own: \\[network\\].*{message}"):
        recipe(network=network).build_network()


def test_handsegs_own_names_are_kept() -> None:
    for register, name in ((register_network, "UNet"), (register_encoder, "lite0"), (register_loss, "marginal")):
        with pytest.raises(ValueError, match="handseg's own"):
            register(name)


def test_recipes_from_before_stay_the_same() -> None:
    plain = Recipe.load("default").to_dict()
    assert "options" not in plain["network"]
    assert not {"name", "options"} & plain["loss"].keys()
    mine = recipe(network={"architecture": "TinyNet", "options": {"width": 6}}, loss={"name": "squares"})
    assert Recipe.from_dict(mine.to_dict()) == mine


def test_it_trains_predicts_and_is_exported(dataset: Path, tmp_path: Path) -> None:
    text = (
        'name = "own"\n[network]\narchitecture = "TinyNet"\noptions = { width = 6 }\n[loss]\nname = "squares"\n'
        "[input]\nsize = [64, 64]\nlong_side = 96\n"
        '[run]\nepochs = 1\nbatch_size = 4\nselect = "last"\nprecision = "32"\n'
    )
    (tmp_path / "own.toml").write_text(text)
    checkpoint = handseg.training.train(dataset, tmp_path / "run", recipe=tmp_path / "own.toml", tell=lambda _: None)
    image = sorted((dataset / "images").iterdir())[0]
    seen = handseg.load(tmp_path / "run", threads=1)(image)
    export(load_checkpoint(checkpoint), tmp_path / "own.onnx", [load_image(image)])
    exported = handseg.load(tmp_path / "own.onnx", threads=1)(image)
    assert np.abs(seen.probability - exported.probability).max() < 1e-3


def test_an_installed_package_needs_no_import(tmp_path: Path) -> None:
    """Its entry points are enough, for the command line too."""
    (tmp_path / "their_parts.py").write_text((HERE / "own_parts.py").read_text("utf-8").replace("@register", "#"))
    info = tmp_path / "their_parts-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[handseg.networks]\nTheirNet = their_parts:TinyNet\n"
        "[handseg.losses]\ntheirs = their_parts:Squares\nbad = nowhere:X\n"
    )
    code = (
        "from handseg.training import Recipe\n"
        "made = Recipe.from_dict({'name': 'a', 'network': {'architecture': 'TheirNet'}, 'loss': {'name': 'theirs'}})\n"
        "print(type(made.build_network()).__module__, type(made.build_loss()).__module__)\n"
        "Recipe.from_dict({'name': 'a', 'loss': {'name': 'bad'}}).build_loss()"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(handseg.__file__).parents[1])])
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert told.stdout == "their_parts their_parts\n", told.stderr
    assert "TrainingError: a: [loss] loss 'bad' (nowhere:X) can't be imported" in told.stderr


def test_the_page_on_it_is_true(tmp_path: Path) -> None:
    import torch

    text = (HERE.parents[1] / "docs" / "extending.md").read_text("utf-8")
    blocks = {language: re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for language in ("python", "toml")}
    exec(next(block for block in blocks["python"] if "register_network" in block), {"__name__": "my_parts"})
    (tmp_path / "mine.toml").write_text(blocks["toml"][0])
    made = Recipe.load(str(tmp_path / "mine.toml"))
    logits = made.build_network()(torch.zeros(1, 3, 9, 7))
    loss = made.build_loss()(logits, torch.full((1, 9, 7), 1, dtype=torch.uint8))
    assert logits.shape == (1, 1, 9, 7)
    assert 0 < loss.item() < 1
    for group in ("networks", "encoders", "losses"):
        assert f"handseg.{group}" in text
    for block in blocks["python"]:
        compile(block, "docs/extending.md", "exec")
