"""handseg beside what else one would take today: same frames, same cores, in turn, accuracy and time.

    python benchmarks/peers/compare.py DATA/egohands DATA/egohands_more --split runs/default/split.json \\
      --blog runs/blog --mediapipe mediapipe-env/bin/python

Each frame goes to all of them in turn. Time is from the decoded array to the mask at its size, on one thread, wall
time of that call; everything else waits meanwhile. Run it with `taskset -c 0` so that no peer takes a second core.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import cv2
import numpy as np

import handseg
from handseg.data import Split, read_datasets
from handseg.image import save_png
from handseg.metrics import bootstrap_interval, count_labelled, score

Peer = Callable[[np.ndarray], np.ndarray]
BLOG_THRESHOLD = 0.45


def skin_threshold(image: np.ndarray) -> np.ndarray:
    """Skin by fixed bounds in YCrCb. Source: Chai and Ngan, Face segmentation using skin-color map, IEEE TCSVT 1999."""
    _, cr, cb = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    mask = ((cr >= 133) & (cr <= 173) & (cb >= 77) & (cb <= 127)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc)


def of_model(name: str, engine: str | None, threshold: float | None = None, second_look: bool = False) -> Peer:
    segmenter = handseg.load(name, engine=engine, threads=1, threshold=threshold, second_look=second_look)
    return lambda image: segmenter(image).mask


def of_torch(run: Path) -> Peer:
    """The blog's network as the blog runs it: torch, 256×256, float32, threshold 0.45."""
    import torch

    from handseg.inference.postprocess import restore
    from handseg.inference.preprocess import preprocess
    from handseg.training.checkpoint import load_checkpoint, run_checkpoint

    torch.set_num_threads(1)
    module = load_checkpoint(run_checkpoint(run))
    card = module.recipe.card(module.net.stride, training=False)

    def segment(image: np.ndarray) -> np.ndarray:
        pixels, placement = preprocess(image, card)
        with torch.inference_mode():
            seen = module(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0, 0].sigmoid().numpy()
        return restore(seen, placement) >= BLOG_THRESHOLD

    return segment


class MediaPipe:
    """The worker in its own environment; both of its masks for a frame, and what each took."""

    def __init__(self, python: str, folder: Path) -> None:
        self.image, self.masks = folder / "frame.png", folder / "masks.npy"
        worker = Path(__file__).with_name("mediapipe_worker.py")
        self.process = subprocess.Popen(
            [python, str(worker), str(self.masks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = self._answer()["ready"]

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException("the MediaPipe worker ended; run it by hand to see why")
        answer: dict[str, float] = json.loads(line)
        return answer

    def __call__(self, image: np.ndarray) -> list[tuple[np.ndarray, float]]:
        save_png(self.image, image)
        assert self.process.stdin is not None
        print(self.image, file=self.process.stdin, flush=True)
        took = self._answer()
        capsules, refined = np.load(self.masks)
        return [(capsules, took["capsules"]), (refined, took["refined"])]


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--split", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--model", "models", multiple=True, default=["default"], show_default=True)
@click.option("--engine", "engines", multiple=True, default=["onnxruntime"], show_default=True)
@click.option("--blog", type=click.Path(path_type=Path, exists=True), help="A run of recipe blog.")
@click.option("--mediapipe", help="Python of an environment with mediapipe==0.10.21.")
@click.option("--every", default=1, show_default=True, help="Take every n-th frame.")
def main(
    data: tuple[Path, ...],
    split: Path,
    models: Sequence[str],
    engines: Sequence[str],
    blog: Path | None,
    mediapipe: str | None,
    every: int,
) -> None:
    cv2.setNumThreads(1)
    names = sorted(Split.load(split).test)[::every]
    by_name = {sample.name: sample for sample in read_datasets(data)}
    with tempfile.TemporaryDirectory() as folder:
        peers: dict[str, Peer] = {}
        for model in models:
            for engine in engines:
                peers[f"handseg {Path(model).stem}, {engine}"] = of_model(model, engine)
        if blog is not None:
            peers["blog's U-Net, torch"] = of_torch(blog)
            traced = Path(folder) / "blog.pt"
            subprocess.run(["handseg", "export", str(blog), "-o", str(traced)], check=True)
            peers["blog's U-Net, TorchScript"] = of_model(str(traced), None, BLOG_THRESHOLD)
        peers["skin colour (YCrCb bounds)"] = skin_threshold
        landmarks = MediaPipe(mediapipe, Path(folder)) if mediapipe else None
        counts: dict[str, list[np.ndarray]] = {}
        times: dict[str, list[float]] = {}
        for i, name in enumerate(names):
            image, target = by_name[name].load_image(), by_name[name].load_mask()
            found: dict[str, tuple[np.ndarray, float]] = {}
            for peer, segment in peers.items():
                start = time.perf_counter()
                mask = segment(image)
                found[peer] = mask, 1000 * (time.perf_counter() - start)
            if landmarks is not None:
                capsules, refined = landmarks(image)
                found[f"MediaPipe Hands {landmarks.version}, capsules"] = capsules
                found["… and skin colour"] = refined
            for peer, (mask, took) in found.items():
                counts.setdefault(peer, []).append(count_labelled(mask, target))
                if i:  # the first call of each also sets it up
                    times.setdefault(peer, []).append(took)
    sessions = [by_name[name].session for name in names]
    base = np.median(times[next(iter(peers))])
    print("| | pixel F1 | pixel IoU | image IoU | ms a frame, median | 95 % | of the first |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for peer, rows in counts.items():
        table = np.stack(rows)
        scores = score(table)
        low, high = bootstrap_interval(table, sessions, lambda s: s["pixel"]["f1"])
        middle, late = np.percentile(times[peer], [50, 95])
        print(
            f"| {peer} | {scores['pixel']['f1']:.3f} [{low:.3f}, {high:.3f}] | {scores['pixel']['iou']:.3f} | "
            f"{scores['image']['iou']:.3f} | {middle:.1f} | {late:.1f} | {middle / base:.2f} |"
        )


if __name__ == "__main__":
    main()
