"""Training: losses, recipes, the Lightning module, and the run. `train` is what `handseg train` calls."""

from handseg.nets.registry import register_encoder, register_network
from handseg.training.fit import FitOptions, fit
from handseg.training.losses import register_loss
from handseg.training.recipe import Recipe
from handseg.training.run import train

__all__ = ["FitOptions", "Recipe", "fit", "register_encoder", "register_loss", "register_network", "train"]
