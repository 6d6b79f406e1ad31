"""Which values a recipe's numbers may have: what makes no sense is refused before a training, not after it."""

from __future__ import annotations

from math import inf
from typing import Any

from handseg.errors import TrainingError

LEAST_1, LEAST_0, SHARE = (1, inf), (0, inf), (0, 1)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("run.epochs", "run.batch_size", "run.validate_every"), LEAST_1),
    **dict.fromkeys(("input.size", "input.run_size", "input.long_side", "network.widths", "network.narrow"), LEAST_1),
    **dict.fromkeys(("run.draws", "run.early_stopping", "network.forearm_head"), LEAST_0),
    **dict.fromkeys(("optimizer.lr", "optimizer.encoder_lr", "optimizer.weight_decay", "optimizer.clip"), LEAST_0),
    "optimizer.warmup": LEAST_0,
    **dict.fromkeys(("optimizer.cooldown", "run.ema", "loss.alpha", "loss.distil"), SHARE),
}
COLOURS = ("input.mean", "input.std")  # a number a channel


def refuse_out_of_range(recipe: Any, source: str) -> None:
    """Raises TrainingError naming the first number that makes no sense. recipe: a `Recipe`. source: its file."""
    for where, (low, high) in RANGES.items():
        for value in _values(recipe, where):
            if not low <= value <= high or value == inf:  # NaN too
                words = f"between {low} and {high}" if high < inf else f"{low} or more"
                raise TrainingError(f"{source}: {where}: {value}; it must be {words}")
    for where in COLOURS:
        if len(_values(recipe, where)) != 3:
            raise TrainingError(f"{source}: {where}: {len(_values(recipe, where))} numbers; it must be three, R, G, B")
    if not all(0 < value < inf for value in recipe.input.std):
        raise TrainingError(f"{source}: input.std: {list(recipe.input.std)}; they must be above 0")
    if not 0 < recipe.run.threshold < 1:  # as a model's card has it
        raise TrainingError(f"{source}: run.threshold: {recipe.run.threshold}; it must lie between 0 and 1")


def _values(recipe: Any, where: str) -> tuple[float, ...]:
    table, _, key = where.partition(".")
    value = getattr(getattr(recipe, table), key)
    return value if isinstance(value, tuple) else (value,)
