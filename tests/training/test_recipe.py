from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.errors import TrainingError
from handseg.nets import EncoderUNet, UNet
from handseg.training.recipe import Recipe, packaged_recipes


def test_the_blogs_recipe_is_the_blogs() -> None:
    recipe = Recipe.load("blog")
    assert recipe.network.widths == (64, 128, 256, 512)
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.schedule) == ("adam", 1e-4, "plateau")
    assert (recipe.run.epochs, recipe.run.early_stopping, recipe.run.select) == (50, 10, "best")
    assert recipe.input.size == (256, 256)
    assert recipe.run.threshold == 0.45
    assert recipe.augment is None


@pytest.mark.parametrize("name", packaged_recipes())
def test_a_recipe_survives_the_checkpoint(name: str) -> None:
    recipe = Recipe.load(name)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_networks_are_built_as_asked() -> None:
    assert isinstance(
        Recipe.from_dict({"name": "a", "network": {"architecture": "UNet", "widths": [4]}}).build_network(), UNet
    )
    assert isinstance(Recipe.load("default").build_network(pretrained=False), EncoderUNet)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        ("", "name is missing"),
        ("name = 'a'\nepochs = 3", "epochs: unknown; known are"),
        ("name = 'a'\n[run]\nepoch = 3", r"run\.epoch: unknown"),
        ("name = 'a'\n[run]\nepochs = 'many'", r"run\.epochs: 'many' is no int"),
        (
            "name = 'a'\n[network]\narchitecture = 'Net'",
            r"network\.architecture: 'Net'; choose one of UNet, EncoderUNet",
        ),
        ("name = 'a'\n[input]\nsize = 256", r"input\.size: must be a list"),
        ("name = 'a'\n[input]\nsize = [256]", "sizes are"),
        ("name = 'a'\nrun = 3", "run: must be a table"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=rf"mine\.toml.*{message}"):
        Recipe.load(str(path))


def test_an_unknown_name_lists_the_packaged_ones() -> None:
    with pytest.raises(TrainingError, match="blog, default"):
        Recipe.load("nothing")


def test_widths_that_do_not_fit_the_encoder_are_named() -> None:
    recipe = Recipe.from_dict({"name": "mine", "network": {"stages": 4, "widths": [8, 8]}})
    with pytest.raises(TrainingError, match=r"mine: \[network\] 3 decoder stages need"):
        recipe.build_network()


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("run", "epochs", 0),
        ("run", "batch_size", 0),
        ("run", "draws", -1),
        ("run", "validate_every", 0),
        ("run", "threshold", 0.0),
        ("run", "threshold", 1.0),
        ("run", "ema", 1.5),
        ("optimizer", "lr", -0.1),
        ("optimizer", "lr", float("nan")),
        ("optimizer", "lr", float("inf")),
        ("optimizer", "warmup", -1),
        ("loss", "alpha", 1.1),
        ("loss", "distil", -0.1),
        ("input", "size", [0, 56]),
        ("input", "run_size", [32, 0]),
        ("input", "long_side", 0),
        ("input", "mean", [1.0, 2.0]),
        ("input", "std", [1.0, 0.0, 1.0]),
        ("network", "widths", [0, 8]),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_a_training(table: str, key: str, value: object) -> None:
    """A threshold of 0, say, would be found wrong at the export, after the training."""
    with pytest.raises(TrainingError, match=rf"mine\.toml: {table}\.{key}: .*must"):
        Recipe.from_dict({"name": "mine", table: {key: value}}, "mine.toml")


def test_a_checkpoint_of_an_older_version_still_opens_and_its_settings_are_named_in_a_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
    from handseg.training.checkpoint import load_checkpoint
    from handseg.training.module import HandModule

    recipe = Recipe.from_dict({"name": "t", "network": {"architecture": "UNet", "widths": [4]}}).to_dict()
    older = {**recipe, "run": {**recipe["run"], "forearm_share": 0.3}}
    checkpoint = {"state_dict": HandModule(recipe).state_dict(), "hyper_parameters": {"recipe": older, "steps": 1}}
    torch.save(checkpoint, tmp_path / "old.ckpt")
    assert load_checkpoint(tmp_path / "old.ckpt").recipe.run == Recipe.from_dict(recipe).run
    with pytest.raises(TrainingError, match=r"run\.forearm_share: is no setting any more; write shares into a mixture"):
        Recipe.from_dict(older)
