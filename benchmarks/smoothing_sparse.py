"""Does smoothing harm frames that lie far apart? EgoHands' labelled frames, a second apart.

Once with such times, at which a smoother takes each frame for itself, and once as if they were a video of 25 frames a
second, so that only their looks tell it how far apart they are.

    python benchmarks/smoothing_sparse.py DATA/egohands [--video CARDS_LIVINGROOM_B_T]
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

import handseg
from handseg.data import read_dataset
from handseg.masks.regions import binarise
from handseg.metrics import count_labelled, score
from handseg.video.smooth import Smoother

GAPS = {"a second apart": 1.0, "as if at 25 frames/s": 1 / 25}


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--video", "videos", multiple=True, help="Default: all whose frames are there.")
@click.option("--model", default="default", show_default=True)
def main(data: Path, videos: tuple[str, ...], model: str) -> None:
    segmenter = handseg.load(model, second_look=False)
    samples = sorted(read_dataset(data), key=lambda sample: sample.name)
    chosen = videos or tuple(sorted({sample.video for sample in samples}))
    print(
        "| video | frames | | pixel F1 | image IoU | change of image IoU |\n| --- | ---: | --- | ---: | ---: | ---: |"
    )
    for video in chosen:
        frames = [sample for sample in samples if sample.video == video]
        smoothers = {name: Smoother() for name in GAPS}
        counts: dict[str, list[np.ndarray]] = {name: [] for name in ("unsmoothed", *GAPS)}
        for i, sample in enumerate(frames):
            image, target = sample.load_image(), sample.load_mask()
            probability = segmenter(image).probability
            counts["unsmoothed"].append(count_labelled(binarise(probability, segmenter.threshold), target))
            for name, gap in GAPS.items():
                smoothed = smoothers[name](image, probability, i * gap)
                counts[name].append(count_labelled(binarise(smoothed, segmenter.threshold), target))
        plain = score(np.stack(counts["unsmoothed"]))["image"]["iou"]
        for name, rows in counts.items():
            scores = score(np.stack(rows))
            print(
                f"| {video} | {len(frames)} | {name} | {scores['pixel']['f1']:.4f} | {scores['image']['iou']:.4f} "
                f"| {scores['image']['iou'] - plain:+.4f} |"
            )


if __name__ == "__main__":
    main()
