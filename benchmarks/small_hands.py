"""Small hands in a wide, cluttered view: what the second look finds, and what it costs.

    python benchmarks/small_hands.py DATA/egohands DATA/egohands_more --split runs/default/split.json --subset val

No dataset at hand shows hands that small, so wide views are made: k×k frames drawn at random fill one picture of
1280×720, and their masks its label. Both ways are run in turn on each picture, on one thread.
"""

from __future__ import annotations

from time import process_time

import click
import numpy as np

from handseg.data import Sample, Split, read_datasets
from handseg.image import resize
from handseg.inference.engines import open_engine
from handseg.inference.segmenter import Segmenter
from handseg.metrics import count, score

HEIGHT, WIDTH = 720, 1280


def hands(sample: Sample) -> np.ndarray:
    """The mask, what is unknown taken for background."""
    return np.where(sample.load_mask() == 255, 255, 0).astype(np.uint8)


def mosaic(samples: list[Sample], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture RGB uint8 and mask uint8 (0 or 255) of k×k samples, a row after the other."""
    size = HEIGHT // k, WIDTH // k
    tiles = [(resize(s.load_image(), *size), resize(hands(s), *size)) for s in samples]
    image, mask = (np.vstack([np.hstack([t[i] for t in tiles[r : r + k]]) for r in range(0, k * k, k)]) for i in (0, 1))
    return image, np.where(mask >= 128, 255, 0).astype(np.uint8)


@click.command()
@click.argument("data", nargs=-1, required=True)
@click.option("--split", required=True)
@click.option("--subset", default="val", type=click.Choice(["train", "val", "test"]))
@click.option("--model", default="default")
@click.option("--pictures", default=8, help="Of each kind.")
def main(data: tuple[str, ...], split: str, subset: str, model: str, pictures: int) -> None:
    samples = Split.load(split).select(read_datasets(data), subset)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    engine = open_engine(model, threads=1)
    ways = {"one look": Segmenter(engine, second_look=False), "second look": Segmenter(engine)}
    print("frames  way          precision  recall     F1  CPU ms")
    for k in (1, 2, 3, 4):
        counts: dict[str, list[np.ndarray]] = {way: [] for way in ways}
        seconds = dict.fromkeys(ways, 0.0)
        for _ in range(pictures):
            chosen = rng.choice(len(samples), k * k, replace=len(samples) < k * k)
            image, mask = mosaic([samples[i] for i in chosen], k)
            for way, segmenter in ways.items():
                start = process_time()
                found = segmenter(image).mask
                seconds[way] += process_time() - start
                counts[way].append(count(found, mask))
        for way in ways:
            p = score(np.stack(counts[way]))["pixel"]
            ms = 1000 * seconds[way] / pictures
            print(f"{k}×{k}     {way:<12} {p['precision']:9.3f} {p['recall']:7.3f} {p['f1']:6.3f} {ms:7.0f}")


if __name__ == "__main__":
    main()
