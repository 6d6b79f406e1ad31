"""Variants of the default recipe, each trained with the same budget and seed and scored on the same held-out images.

    python benchmarks/variants.py policies DATA --split runs/default/split.json --teacher version2.onnx \\
      --background background -o runs/policies

The split's test side isn't touched: of EgoHands its training side is learned from, without one session, which together
with its validation side is what is scored. Of UTG, YHG and HGR every fourth video or subject is held out, and scored as
hand+forearm. A variant that is done is not run again; an interrupted one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import click

import handseg
from handseg.card import LabelPolicy
from handseg.data import Sample, Split, read_background, read_datasets, read_extra
from handseg.data.landmarks import with_landmarks
from handseg.evaluation import evaluate
from handseg.export.export import export
from handseg.training.checkpoint import load_checkpoint
from handseg.training.fit import FitOptions, fit
from handseg.training.recipe import Recipe

HELD = "CHESS_COURTYARD_BT"
ARM_SETS = ("utg", "yhg", "hgr")
EVERY = 4


@dataclass(frozen=True)
class Variant:
    """change: of the recipe, table by table. arms: what happens with the labels that include the forearm: taken as what
    they are, taken for hands, or left out. without: datasets that are left out. teacher: finds the wrist in them.
    landmarks: find it, with no teacher. rendered: what the rendered scenes teach, of which a fifth of the images are
    then. seed: of the weights, the order and the augmentation."""

    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    arms: Literal["hand+forearm", "hand", "drop"] = "hand+forearm"
    without: tuple[str, ...] = ()
    teacher: bool = True
    landmarks: bool = False
    rendered: Literal["nothing", "hand", "hand and forearm"] = "nothing"
    seed: int = 0


RENDERED: tuple[Literal["nothing", "hand", "hand and forearm"], ...] = ("nothing", "hand", "hand and forearm")
ONE_CLASS = {"network": {"forearm": False}}
GROUPS: dict[str, dict[str, Variant]] = {
    "policies": {
        "dropped": Variant(ONE_CLASS, arms="drop"),
        "mixed naively": Variant(ONE_CLASS, arms="hand"),
        "policy-aware, wrists by shape": Variant(teacher=False),
        "policy-aware, wrists by a teacher": Variant(),
        "policy-aware, wrists by landmarks": Variant(teacher=False, landmarks=True),
    },
    "augmentation": {
        "all": Variant(),
        "all, another seed": Variant(seed=1),
        "no pasting": Variant({"augment": {"paste": 0.0}}),
        "no skin tones, no gloves": Variant({"augment": {"skin": 0.0, "glove": 0.0}}),
        "no close views": Variant({"augment": {"close": 0.0}}),
        "no light, colour cast, shadow": Variant({"augment": {"light": 0.0, "grey": 0.0, "shadow": 0.0}}),
        "no blur, noise, JPEG": Variant({"augment": {"blur": 0.0, "noise": 0.0, "jpeg": 0.0}}),
        "no occluders": Variant({"augment": {"occlude": 0.0}}),
    },
    "left-out": {f"without {name.upper()}": Variant(without=(name,)) for name in ARM_SETS},
    "rendered": {
        f"without UTG and YHG, rendered scenes teach {what}": Variant(
            {"run": {"extra_share": 0.2}}, without=("utg", "yhg"), teacher=False, landmarks=True, rendered=what
        )
        for what in RENDERED
    },
}


def recipe_of(variant: Variant, epochs: int) -> Recipe:
    values = Recipe.load("default").to_dict()
    for table, changes in variant.change.items():
        values[table] = {**values[table], **changes}
    values["run"] = {**values["run"], "epochs": epochs, "validate_every": epochs}
    return Recipe.from_dict(values)


def held_out(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Those to learn from, and those of every fourth video."""
    videos = sorted({sample.video for sample in samples})[::EVERY]
    return [s for s in samples if s.video not in videos], [s for s in samples if s.video in videos]


@click.command()
@click.argument("group", type=click.Choice(list(GROUPS)))
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--split", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--background", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--teacher", default="default", show_default=True)
@click.option("--landmarks", type=click.Path(path_type=Path, exists=True), help="See docs/models/collect_landmarks.py.")
@click.option("--rendered", type=click.Path(path_type=Path, exists=True), help="See docs/models/render_hands.py.")
@click.option("--epochs", default=4, show_default=True, help="Of 100 steps.")
@click.option("--threads", default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    group: str,
    data: Path,
    split: Path,
    background: Path,
    teacher: str,
    landmarks: Path | None,
    rendered: Path | None,
    epochs: int,
    threads: int,
    output: Path,
) -> None:
    sides = Split.load(split)
    frames = read_datasets([data / "egohands", data / "egohands_more"])
    train = [s for s in sides.select(frames, "train") if s.session != HELD]
    scored = {"EgoHands": [s for s in frames if s.session == HELD] + sides.select(frames, "val")}
    arms: dict[str, list[Sample]] = {}
    for name in ARM_SETS:
        arms[name], held = held_out(read_datasets([data / name], "hand+forearm"))
        scored[name.upper()] = held
    print(f"| {group}, {epochs * 100} steps | {' | '.join(scored)} |\n| --- |{' ---: |' * len(scored)}", flush=True)
    for title, variant in GROUPS[group].items():
        run = output / "".join(c if c.isalnum() else "_" for c in title)
        done = run / "scores.json"
        if not done.is_file():
            recipe = recipe_of(variant, epochs)
            policy: LabelPolicy = "hand" if variant.arms == "hand" else "hand+forearm"
            taken = [] if variant.arms == "drop" else [n for n in ARM_SETS if n not in variant.without]
            images = train + [replace(s, policy=policy) for n in taken for s in arms[n]] + read_background(background)
            if variant.rendered != "nothing":
                if rendered is None:
                    raise click.UsageError(f"{title}: needs --rendered")
                scenes = read_extra(rendered)
                images += scenes if variant.rendered != "hand" else [replace(s, forearm=None) for s in scenes]
            if variant.landmarks:
                if landmarks is None:
                    raise click.UsageError(f"{title}: needs --landmarks")
                images = with_landmarks(images, landmarks)
            finder = handseg.load(teacher, threads=threads, second_look=False) if variant.teacher else None
            val, resume = sides.select(frames, "val"), (run / "last.ckpt").is_file()
            options = FitOptions(seed=variant.seed, threads=threads, progress=False)
            checkpoint = fit(recipe, images, val, run, options, resume=resume, teacher=finder)
            model = run / "model.onnx"
            export(load_checkpoint(checkpoint), model, [frames[0].load_image()])
            done.write_text(json.dumps(score_all(model, scored, recipe.network.forearm, threads)))
        row = json.loads(done.read_text())
        print(f"| {title} | {' | '.join(row[name] for name in scored)} |", flush=True)


def score_all(model: Path, scored: dict[str, list[Sample]], forearm: bool, threads: int) -> dict[str, str]:
    """Pixel F1 and its interval on each set. A model of one class is scored by it on all."""
    cells = {}
    for name, samples in scored.items():
        policy = samples[0].policy if forearm else "hand"
        segmenter = handseg.load(str(model), policy=policy, threads=threads, second_look=False)
        result = evaluate(segmenter, [replace(s, policy=policy) for s in samples])
        low, high = result.interval(lambda s: s["pixel"]["f1"])
        cells[name] = f"{result.scores()['pixel']['f1']:.3f} [{low:.3f}, {high:.3f}]"
    return cells


if __name__ == "__main__":
    main()
