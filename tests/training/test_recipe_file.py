"""Recipes over a base, and single settings over either."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.errors import TrainingError
from handseg.training.choice import recipe_for
from handseg.training.recipe import Recipe


def test_a_partial_recipe_has_the_rest_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "default"\n[run]\nepochs = 3\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.toml").write_text('base = "../a.toml"\nname = "bee"\n[optimizer]\nlr = 1e-5\n')
    a, b, default = (Recipe.load(str(n)) for n in (tmp_path / "a.toml", tmp_path / "sub" / "b.toml", "default"))
    assert (a.name, a.run.epochs, a.network, a.augment) == ("a", 3, default.network, default.augment)
    assert (b.name, b.run.epochs, b.optimizer.lr, b.optimizer.warmup) == ("bee", 3, 1e-5, default.optimizer.warmup)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "nothing"', "nothing: neither a packaged recipe"),
        ("base = 3", "base: 3 is no name"),
        ('base = "mine.toml"', "is its own base"),
        ('base = "blog"\n[run]\nepoch = 3', r"run\.epoch: unknown"),
        ('base = "blog"\nrun = 3', "run: must be a table"),
    ],
)
def test_a_wrong_base_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(TrainingError, match=message):
        Recipe.load(str(tmp_path / "mine.toml"))


def test_settings_are_toml_or_words() -> None:
    recipe = Recipe.load("default").changed(
        ["run.draws=48", "optimizer.lr = 1e-5", "input.size=[64, 96]", "optimizer.schedule=plateau", "augment.paste=0"]
    )
    assert (recipe.run.draws, recipe.optimizer.lr, recipe.input.size) == (48, 1e-5, (64, 96))
    assert recipe.optimizer.schedule == "plateau"
    assert recipe.augment is not None
    assert recipe.augment.paste == 0
    assert recipe.run.epochs == Recipe.load("default").run.epochs


def test_draws_fit_the_size_of_the_data_unless_they_are_asked_for() -> None:
    default = Recipe.load("default")
    assert [default.run.draws_of(n) for n in (1, 12, 150, 4000)] == [8, 96, 1200, 1200]
    assert default.changed(["run.draws=48"]).run.draws_of(2) == 48
    assert default.changed(["run.draws=48", "run.draws_per_image=2"]).run.draws_of(2) == 4
    assert Recipe.load("blog").run.draws_of(77) == 77


def test_without_a_recipe_a_model_is_tuned_gently_with_its_own_network() -> None:
    assert recipe_for(None, init=None, resumed=None) == Recipe.load("default")
    gentle, tune = recipe_for(None, init="default", resumed=None), Recipe.load("tune")
    assert gentle.name == "gentle"
    assert gentle.network == tune.network
    assert gentle.optimizer.lr < tune.optimizer.lr / 3
    nano = recipe_for(None, init="nano", resumed=None)
    assert (nano.network, nano.loss.distil, nano.optimizer) == (Recipe.load("nano").network, 0.0, gentle.optimizer)
    assert recipe_for("tune", init="default", resumed=None) == tune
