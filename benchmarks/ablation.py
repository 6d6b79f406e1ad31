"""What each part of the default model's data and augmentation is worth: the same short training without it.

    python benchmarks/ablation.py --data DATA --made runs/weights -o runs/ablation

Each variant is trained once for each of four folds of EgoHands' sessions, from ImageNet weights, with the same budget,
and is scored on the fold's own sessions, on the validation photos of `everyday` and on irllabs (whole, upside down and
grey), one look at each image, at threshold 0.6. All images are read once: a source or session that a variant leaves
out is never drawn. What is done isn't done again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import click
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1]))  # weights/

import handseg
from handseg.data import Mixture, Sample
from handseg.data.augment import Augmentation
from handseg.data.classes import HAND_PLANES
from handseg.data.loading import Batch, DrawSampler, Memory, TrainingData, collate
from handseg.data.splits import make_split
from handseg.evaluation.evaluate import Evaluation, evaluate
from handseg.export.export import export
from handseg.metrics import bootstrap_interval, score
from handseg.training.callbacks import moving_average
from handseg.training.fit import drawing_weights
from handseg.training.memory import keep_freed_memory
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe
from weights.score import SAME_PICTURE, grey, turned

FOLDS = 4
BOXED = ("everyday", "webcam", "first person")  # sources whose masks hold 128


@dataclass(frozen=True)
class Variant:
    """without: a source that isn't drawn. unknown: what 128 in a mask is taken for. augment: changed strengths."""

    without: str = ""
    unknown: str = "unknown"
    augment: Callable[[Augmentation], Augmentation] = lambda augment: augment


VARIANTS = {
    "the whole mixture": Variant(),
    "without everyday": Variant(without="everyday"),
    "unknown (128) as background": Variant(unknown="background"),
    "without things in the hand (grip)": Variant(augment=lambda a: replace(a, grip=0.0)),
    "without dark rooms (dark)": Variant(augment=lambda a: replace(a, dark=0.0)),
    "without grey and upside down": Variant(augment=lambda a: replace(a, grey=0.0, upside_down=0.0)),
}


def as_background(label: np.ndarray) -> np.ndarray:
    """A label H×W×6 of policy `hand` in which what may be anything can't be a hand."""
    known = label.copy()
    known[(label > 0).all(axis=2), HAND_PLANES] = 0
    return known


def train(recipe: Recipe, data: TrainingData, weights: np.ndarray, steps: int) -> HandModule:
    """The averaged weights of so many steps."""
    torch.manual_seed(0)
    module = HandModule(recipe.to_dict(), steps)
    average = AveragedModel(module.net, avg_fn=lambda a, c, n: moving_average(recipe.run.ema, a, c, n))
    options = module.configure_optimizers()
    optimizer, schedule = options["optimizer"], options["lr_scheduler"]["scheduler"]
    batch = recipe.run.batch_size
    sampler = DrawSampler(len(data), 0, draws=steps * batch, weights=weights)
    for views in DataLoader(data, batch, sampler=sampler, collate_fn=collate, num_workers=1):
        loss = loss_of(module, views)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), recipe.optimizer.clip)
        optimizer.step()
        schedule.step()
        average.update_parameters(module.net)
    module.net.load_state_dict(average.module.state_dict())
    return module.eval()


def loss_of(module: HandModule, batch: Batch) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        loss: torch.Tensor = module.loss(module(batch["image"]), batch["allowed"])
    return loss


def scored(found: Evaluation) -> dict[str, object]:
    return {"counts": found.counts().tolist(), "sessions": [s.session for s in found.samples]}


def row(name: str, results: Sequence[dict[str, dict[str, list]]]) -> str:
    """Markdown, of a variant's folds: their images together."""
    cells = []
    for part in results[0]:
        counts = np.concatenate([r[part]["counts"] for r in results])
        sessions = [s for r in results for s in r[part]["sessions"]]
        scores = score(counts)
        if part in ("EgoHands", "everyday"):
            low, high = bootstrap_interval(counts, sessions, lambda s: s["pixel"]["f1"])
            cells.append(f"{scores['pixel']['f1']:.3f} [{low:.3f}, {high:.3f}]")
        else:
            cells.append(f"{scores['image']['iou']:.3f}")
    return f"| {name} | " + " | ".join(cells) + " |"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default="../shared/data")
@click.option("--made", type=click.Path(path_type=Path, exists=True), default="runs/weights")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="runs/ablation")
@click.option("--steps", default=300, show_default=True)
@click.option("--limit", default=0, help="Images of each source, for a trial.")
@click.option("--long-side", default=560, show_default=True, help="Images are held in memory at most this large.")
def main(data: Path, made: Path, output: Path, steps: int, limit: int, long_side: int) -> None:
    keep_freed_memory()
    output.mkdir(parents=True, exist_ok=True)
    home = Path(__file__).parents[1] / "weights"
    read = Mixture.load(home / "mixture.toml", {"data": data, "made": made}).read(limit=limit)
    held = {*read.split.val, *read.split.test}
    ego = read.sources["EgoHands"]
    samples = [*ego, *(s for s in read.samples if s.source != "EgoHands" and s.name in {*read.split.train})]
    everyday = [s for s in read.sources["everyday"] if s.name in held]
    irllabs = [s for s in read.sources["irllabs"] if s.image.stem != SAME_PICTURE]
    recipe = Recipe.load(str(home / "base.toml"))
    memory = Memory(samples, long_side)
    for name, variant in VARIANTS.items():
        for fold in range(FOLDS):
            done = output / f"{name}, fold {fold}.json"
            if not done.is_file():
                mine = replace(recipe, augment=variant.augment(recipe.augment or Augmentation()))
                test = {*make_split(ego, "session-disjoint", folds=FOLDS, fold=fold).test}
                segmenter_path = output / "model.onnx"
                learn(mine, memory, variant, test, read.shares, steps, segmenter_path)
                segmenter = handseg.load(str(segmenter_path), second_look=False, threshold=0.6)
                own = [s for s in ego if s.name in test]
                parts = {
                    "EgoHands": evaluate(segmenter, own),
                    "everyday": evaluate(segmenter, everyday),
                    "irllabs": evaluate(segmenter, irllabs),
                    "irllabs, upside down": evaluate(segmenter, irllabs, corrupt=turned),
                    "irllabs, grey": evaluate(segmenter, irllabs, corrupt=grey),
                }
                done.write_text(json.dumps({part: scored(found) for part, found in parts.items()}))
        results = [json.loads((output / f"{name}, fold {fold}.json").read_text()) for fold in range(FOLDS)]
        print(row(name, results), flush=True)


def learn(
    recipe: Recipe,
    memory: Memory,
    variant: Variant,
    test: set[str],
    shares: dict[str, float],
    steps: int,
    path: Path,
) -> None:
    """Train a variant without the images of a fold's test side, and export it."""
    drawn = [s.name not in test and s.source != variant.without for s in memory.samples]
    rows = np.flatnonzero(drawn)
    chosen = [memory.samples[i] for i in rows]
    own = {name: share for name, share in shares.items() if name != variant.without}
    weights = np.zeros(len(memory.samples))
    weights[rows] = drawing_weights(chosen, recipe.run.session_power, own)
    labels = memory.labels
    if variant.unknown == "background":
        memory.labels = [
            as_background(label) if s.source in BOXED else label for s, label in zip(memory.samples, labels)
        ]
    card = recipe.card(recipe.build_network(pretrained=False).stride, training=True)
    module = train(recipe, TrainingData(memory, card, recipe.augment, 0, weights), weights, steps)
    memory.labels = labels
    export(module, path, list(islice(pictures(memory.samples), 2)))


def pictures(samples: Sequence[Sample]) -> Iterator[np.ndarray]:
    return (sample.load_image() for sample in samples)


if __name__ == "__main__":
    main()
