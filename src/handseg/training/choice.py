"""Which recipe a training has where none is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from handseg.errors import ModelError
from handseg.inference.engines import find_model, open_engine
from handseg.inference.engines.model_file import kind_of
from handseg.training.checkpoint import load_checkpoint
from handseg.training.manifest import read_manifest
from handseg.training.recipe import Recipe, packaged_recipes

DEFAULT, GENTLE = "default", "gentle"


def recipe_for(named: str | None, *, init: str | None, resumed: Path | None) -> Recipe:
    """The recipe that is named; else that of the run that is resumed; else, to tune a model, the gentle one with that
    model's network; else the default.

    resumed: the run's folder. Raises TrainingError when a recipe or a checkpoint can't be read.
    """
    if named is not None:
        return Recipe.load(named)
    if resumed is not None and (manifest := read_manifest(resumed)) is not None:
        return Recipe.from_dict(manifest["recipe"], str(resumed))
    return Recipe.load(DEFAULT) if init is None else _gentle(init)


def _gentle(init: str) -> Recipe:
    gentle = Recipe.load(GENTLE)
    own = _recipe_of(init)
    if own is None:
        return gentle
    # The loss stays plain: one that distils wants a teacher.
    run = replace(gentle.run, threshold=own.run.threshold)
    return replace(gentle, network=own.network, input=own.input, run=run)


def _recipe_of(init: str) -> Recipe | None:
    """The recipe that a model was made by, where that is known; what isn't a model is said when it is read."""
    if init.endswith(".ckpt"):
        return load_checkpoint(Path(init)).recipe
    try:
        path = find_model(init)
        if kind_of(path) == "weights":
            return Recipe.load("blog")  # of a U-Net that other code saved
        name = open_engine(path).card.name
    except ModelError:
        return None
    return Recipe.load(name) if name in packaged_recipes() and name != DEFAULT else None
