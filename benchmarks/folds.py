"""Session-disjoint over all EgoHands frames at hand: each fold's model is scored on sessions it never saw, and so each
frame once.

    python benchmarks/folds.py DATA --background background --landmarks landmarks.json -o runs/folds

Each starts from ImageNet weights, and landmarks (docs/models/collect_landmarks.py) tell the wrist, so that nothing
which has seen the fold's test side is used. The threshold is 0.5. A fold that is done isn't run again; an interrupted
one goes on; with --fold, several processes share the work.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from variants import ARM_SETS, Variant, recipe_of

import handseg
from handseg.data import Sample, read_background, read_datasets
from handseg.data.landmarks import with_landmarks
from handseg.data.splits import make_split
from handseg.evaluation import evaluate
from handseg.export.export import export
from handseg.metrics import bootstrap_interval, score
from handseg.segmenter import Segmenter
from handseg.training.checkpoint import load_checkpoint
from handseg.training.fit import FitOptions, fit

FOLDS = 4


def train(train: Sequence[Sample], val: Sequence[Sample], run: Path, epochs: int, threads: int) -> Segmenter:
    """A model of so many epochs, kept as `run`/model.onnx and not trained again."""
    model = run / "model.onnx"
    if not model.is_file():
        options, resume = FitOptions(threads=threads, progress=False), (run / "last.ckpt").is_file()
        checkpoint = fit(recipe_of(Variant(), epochs), train, val, run, options, resume=resume)
        export(load_checkpoint(checkpoint), model, [val[0].load_image()])
    return handseg.load(str(model), threads=threads, second_look=False)


def row(title: str, counts: np.ndarray, sessions: Sequence[str]) -> str:
    pixel, image = score(counts)["pixel"], score(counts)["image"]
    f1 = bootstrap_interval(counts, sessions, lambda s: s["pixel"]["f1"])
    iou = bootstrap_interval(counts, sessions, lambda s: s["image"]["iou"])
    return (
        f"| {title} | {len(set(sessions))} | {len(counts)} | {pixel['precision']:.3f} | {pixel['recall']:.3f} "
        f"| {pixel['f1']:.3f} [{f1[0]:.3f}, {f1[1]:.3f}] | {image['iou']:.3f} [{iou[0]:.3f}, {iou[1]:.3f}] |"
    )


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--background", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--landmarks", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--epochs", default=4, show_default=True, help="Of 100 steps.")
@click.option("--fold", "folds", type=click.IntRange(0, FOLDS - 1), multiple=True, help="Only this; again for more.")
@click.option("--threads", default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    data: Path, background: Path, landmarks: Path, epochs: int, folds: tuple[int, ...], threads: int, output: Path
) -> None:
    frames = read_datasets([data / "egohands", data / "egohands_more"])
    others = with_landmarks(read_datasets([data / n for n in ARM_SETS], "hand+forearm"), landmarks)
    others += read_background(background)
    print("| test side | sessions | frames | precision | recall | pixel F1 | image IoU |", flush=True)
    print("| --- |" + " ---: |" * 6, flush=True)
    pooled: list[tuple[str, list[int]]] = []
    for fold in folds or range(FOLDS):
        run = output / f"fold{fold}"
        done = run / "counts.json"
        if not done.is_file():
            split = make_split(frames, "session-disjoint", folds=FOLDS, fold=fold)
            learned, val, test = (split.select(frames, side) for side in ("train", "val", "test"))
            model = train(learned + others, val, run, epochs, threads)
            counts = evaluate(model, test).counts().tolist()
            done.write_text(json.dumps([[s.session, c] for s, c in zip(test, counts)]))
        scored = json.loads(done.read_text())
        pooled += scored
        sessions = [session for session, _ in scored]
        largest = max(set(sessions), key=sessions.count)
        print(row(f"{fold}: {largest} and others", np.array([c for _, c in scored]), sessions), flush=True)
    if len(pooled) == len(frames):
        print(row("**all**", np.array([c for _, c in pooled]), [session for session, _ in pooled]))


if __name__ == "__main__":
    main()
