"""Scores of models on every set of the mixture that is held out, by the protocols of docs/results/masks.md.

python -m weights.score RUNS/default.onnx default --data DATA --made RUNS      (default: the packaged one, beside it)
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

import handseg
from handseg.data import Mixture, Sample
from handseg.data.loading import Memory
from handseg.evaluation.evaluate import Corrupt, Evaluation, evaluate
from handseg.image.mask_values import IGNORE
from handseg.inference.segmenter import Segmenter
from handseg.metrics import Scores, bootstrap_interval, score
from weights.forearms import forearm_counts

SAME_PICTURE = "00000102"  # irllabs: of 00000101, with the worse mask
MATCH = 0.5  # IoU of boxes from which a hand counts as found
THRESHOLDS = [round(0.05 * i, 2) for i in range(6, 18)]
RESAMPLES = 1000


def score_models(mixture: Path, data: Path, made: Path, models: Sequence[str], limit: int = 0) -> None:
    """Write MADE/scores/NAME.json for MADE/NAME.onnx of each name. limit: images of each set, for a trial."""
    sets = held_out_sets(mixture, data, made, limit)
    (made / "scores").mkdir(exist_ok=True)
    for name in models:
        result = score_model(made / f"{name}.onnx", sets, data)
        (made / "scores" / f"{name}.json").write_text(json.dumps(result, indent=1))
        print(table([(name, result)]), flush=True)


def held_out_sets(mixture: Path, data: Path, made: Path, limit: int = 0) -> dict[str, list[Sample]]:
    """Set → samples: of each source what is validated on and what is tested on."""
    read = Mixture.load(mixture, {"data": data, "made": made}).read(limit=limit)
    sets: dict[str, list[Sample]] = {}
    for name, samples in read.sources.items():
        for side, names in (("validation", {*read.split.val}), ("test", {*read.split.test})):
            chosen = [s for s in samples if s.name in names and s.image.stem != SAME_PICTURE]
            if chosen:
                sets[f"{name}, {side}"] = chosen
    return sets


def score_model(
    model: str | Path, sets: dict[str, list[Sample]], data: Path, second_look: bool = True
) -> dict[str, Any]:
    """Set → its scores, with what is needed to compare models image by image."""
    segmenter = handseg.load(model, second_look=second_look)
    result: dict[str, Any] = {"threshold": segmenter.threshold}
    merits: dict[str, list[list[float]]] = defaultdict(list)
    for name, samples in sets.items():
        if all(s.background for s in samples):
            result[name] = {
                "images": len(samples),
                "false_hands": sum(len(segmenter(s.load_image()).hands) for s in samples),
            }
            continue
        arms = samples[0].policy != "hand"
        found = evaluate(segmenter, _as_hand(samples), corrupt=_cut(samples) if arms else None)
        result[name] = _scores(found)
        if name.endswith("validation"):
            merits["arms" if arms else name].append([found.scores(t)["image"]["iou"] for t in THRESHOLDS])
        if name.startswith("irllabs"):
            result[f"{name}, upside down"] = _scores(evaluate(segmenter, samples, corrupt=turned))
            result[f"{name}, grey"] = _scores(evaluate(segmenter, samples, corrupt=grey))
        if name.startswith("everyday"):
            result[f"{name}, counted"] = counting(segmenter, samples)
    both = handseg.load(model, policy="hand+forearm", second_look=second_look)
    counts, seen, there = forearm_counts(both, data / "egohands_more")
    result["14 frames with forearms, validation"] = {**_of(counts, range(len(counts))), "of_forearms": seen / there}
    mean = np.mean([np.mean(m, axis=0) for m in merits.values()], axis=0)
    result["merit"] = {str(t): round(float(m), 4) for t, m in zip(THRESHOLDS, mean)}
    return result


def counting(segmenter: Segmenter, samples: Sequence[Sample]) -> dict[str, Any]:
    """Hands against the set's boxes, both by IoU ≥ .5 and one to one: recall, and false hands a photo."""
    boxes = defaultdict(list)
    with (samples[0].image.parents[1] / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            boxes[row["image"]].append([float(row[k]) for k in ("x0", "y0", "x1", "y1")])
    hits = wanted = extra = 0
    for sample in samples:
        there = boxes[sample.image.name]
        found = [(x, y, x + w, y + h) for x, y, w, h in (hand.box for hand in segmenter(sample.load_image()).hands)]
        pairs = sorted(((_overlap(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(there)), reverse=True)
        ours, theirs = set(), set()
        for overlap, i, j in pairs:
            if overlap >= MATCH and i not in ours and j not in theirs:
                ours.add(i)
                theirs.add(j)
        hits, wanted, extra = hits + len(ours), wanted + len(there), extra + len(found) - len(ours)
    return {"hands": wanted, "recall": round(hits / max(1, wanted), 4), "false_a_photo": round(extra / len(samples), 3)}


def compare(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Set → how much pixel F1 has grown, with the 95 % interval of a paired bootstrap over sessions."""
    result = {}
    for name, new in after.items():
        old = before.get(name)
        if not (
            isinstance(new, dict)
            and isinstance(old, dict)
            and "counts" in new
            and len(old["counts"]) == len(new["counts"])
        ):
            continue
        rows = np.hstack([new["counts"], old["counts"]])
        groups: dict[str, list[int]] = defaultdict(list)
        for i, session in enumerate(new["sessions"]):
            groups[session].append(i)
        members = list(groups.values())
        draws = np.random.default_rng(0).integers(0, len(members), (RESAMPLES, len(members)))
        resampled = [_gain(rows[[i for m in draw for i in members[m]]]) for draw in draws]
        low, high = np.percentile(resampled, [2.5, 97.5])
        result[name] = (_gain(rows), float(low), float(high))
    return result


def table(results: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Markdown: a row for each set, a column for each model."""
    rows = [
        "| set | images | " + " | ".join(name for name, _ in results) + " |",
        "| --- | ---: |" + " ---: |" * len(results),
    ]
    for name, first in results[0][1].items():
        if isinstance(first, dict) and name != "merit":
            rows.append(
                f"| {name} | {first.get('images', '')} | "
                + " | ".join(_cell(r.get(name, {})) for _, r in results)
                + " |"
            )
    return "\n".join(rows)


def _cell(values: dict[str, Any]) -> str:
    if "f1" in values:
        low, high = values["f1_interval"]
        return f"{values['f1']:.3f} [{low:.3f}, {high:.3f}], {values['image_iou']:.3f}"
    if "recall" in values:
        return f"recall {values['recall']:.2f}, {values['false_a_photo']:.2f} false a photo"
    return f"{values['false_hands']} false hands" if "false_hands" in values else ""


def _scores(found: Evaluation) -> dict[str, Any]:
    return _of(found.counts(), [s.session for s in found.samples])


def _of(counts: np.ndarray, sessions: Iterable[Any]) -> dict[str, Any]:
    sessions = [str(session) for session in sessions]
    scores = score(counts)

    def interval(measure: Callable[[Scores], float]) -> list[float]:
        return [round(v, 4) for v in bootstrap_interval(counts, sessions, measure)]

    return {
        "images": len(counts),
        "sessions": sessions,
        **{key: round(scores["pixel"][key], 4) for key in ("precision", "recall", "f1", "iou")},
        "f1_interval": interval(lambda s: s["pixel"]["f1"]),
        "image_iou": round(scores["image"]["iou"], 4),
        "image_iou_interval": interval(lambda s: s["image"]["iou"]),
        "counts": counts.tolist(),
    }


def _gain(rows: np.ndarray) -> float:
    return score(rows[:, :4])["pixel"]["f1"] - score(rows[:, 4:])["pixel"]["f1"]


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _as_hand(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(sample, policy="hand") for sample in samples]


def _cut(samples: Sequence[Sample]) -> Corrupt:
    """Their masks cut at the wrist, where landmarks tell it; unknown where nothing does."""
    known = {sample.name: sample for sample in samples}

    def cut(sample: Sample, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        planes = Memory([known[sample.name]], long_side=10**6).labels[0] >= 128
        hand, other = planes[..., 1], planes[..., 0] | planes[..., 5]
        return image, np.where(hand & other, IGNORE, np.where(hand, 255, 0)).astype(np.uint8)

    return cut


def turned(sample: Sample, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(image[::-1, ::-1]), np.ascontiguousarray(mask[::-1, ::-1])


def grey(sample: Sample, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma as in ITU-R BT.601."""
    luma = np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2), mask


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path, exists=True), default="../shared/data")
@click.option("--made", type=click.Path(path_type=Path, exists=True), default="runs/weights")
@click.option("--limit", type=int, default=0, help="Images of each set.")
@click.option("--second-look/--no-second-look", default=True, help="One look at each image, as networks are compared.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(models: tuple[str, ...], data: Path, made: Path, limit: int, second_look: bool, output: Path | None) -> None:
    sets = held_out_sets(Path(__file__).with_name("mixture.toml"), data, made, limit)
    results = [(Path(model).stem, score_model(model, sets, data, second_look)) for model in models]
    print(table(results))
    for (_, before), (name, after) in itertools.pairwise(results):
        for where, (gain, low, high) in compare(before, after).items():
            print(f"{name} in {where}: F1 {gain:+.3f} [{low:+.3f}, {high:+.3f}]")
    if output:
        output.write_text(json.dumps(dict(results), indent=1))


if __name__ == "__main__":
    main()
