"""Bench: how long a frame takes here, by model, engine, threads and size, stage by stage."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from handseg.errors import MissingExtraError, ModelError
from handseg.inference.card import ModelCard
from handseg.inference.engines import ENGINES, Engine, open_engine
from handseg.inference.postprocess import restore
from handseg.inference.preprocess import preprocess
from handseg.masks.regions import binarise
from handseg.parallel import cores

STAGES = ("preprocess", "network", "restore", "threshold")
PACKAGES = ("handseg", "numpy", "pillow", "onnxruntime", "openvino", "torch", "opencv-python-headless")
FEWEST_ROUNDS = 3
MOST_ROUNDS = 300
PAUSE = 0.005  # seconds before each run, in which the threads of the engine before it go to sleep

Size = tuple[int, int]  # (height, width) in pixels


@dataclass
class Case:
    """One engine with one size of frame. threads: None is the engine's own choice.

    times: of each round, seconds in each of STAGES. cpu: of each round, the process's CPU time, all threads together.
    """

    engine: Engine
    threads: int | None
    frame: Size
    card: ModelCard
    times: list[tuple[float, ...]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, image: np.ndarray) -> np.ndarray:
        """The mask of an image, as a Segmenter finds it; notes how long each stage took."""
        cpu = time.process_time()
        moments = [time.perf_counter()]
        pixels, placement = preprocess(image, self.card)
        moments.append(time.perf_counter())
        output = self.engine.run(pixels[None])
        moments.append(time.perf_counter())
        probability = restore(output[0, 0], placement)
        moments.append(time.perf_counter())
        mask = binarise(probability, self.card.threshold)
        moments.append(time.perf_counter())
        self.cpu.append(time.process_time() - cpu)
        self.times.append(tuple(end - start for start, end in pairwise(moments)))
        return mask

    def report(self) -> dict[str, Any]:
        """Milliseconds: median and 95th percentile of the whole, medians of its CPU time and of each stage; and frames
        per second.
        """
        stages = np.array(self.times) * 1000
        whole = stages.sum(axis=1)
        return {
            "model": self.card.name,
            "engine": self.engine.name,
            "threads": self.threads,
            "frame": list(self.frame),
            "input": list(self.card.size),
            "rounds": len(whole),
            "median_ms": round(float(np.median(whole)), 3),
            "p95_ms": round(float(np.percentile(whole, 95)), 3),
            "cpu_ms": round(1000 * float(np.median(self.cpu)), 3),
            "frames_per_second": round(float(1000 / whole.mean()), 2),
            "stages_ms": {name: round(float(ms), 3) for name, ms in zip(STAGES, np.median(stages, axis=0))},
        }


def cases(
    models: Sequence[str | Path],
    engines: Sequence[str],
    threads: Sequence[int | None],
    frames: Sequence[Size],
    inputs: Sequence[Size] = (),
) -> list[Case]:
    """Every combination. inputs: sizes of the network's input; none: the model card's.

    engines: none: all that are installed and run the model's kind of file.
    Raises ModelError and MissingExtraError as `open_engine` does, for an engine that was asked for.
    """
    made = []
    for model, n in product(models, threads):
        opened = [open_engine(model, engine=name, threads=n) for name in engines] or _all_engines(model, n)
        for engine, frame in product(opened, frames):
            cards = [replace(engine.card, size=size) for size in inputs] or [engine.card]
            made += [Case(engine, n, frame, card) for card in cards]
    return made


def _all_engines(model: str | Path, threads: int | None) -> list[Engine]:
    first = open_engine(model, threads=threads)  # fails where the model is no good
    opened = [first]
    for name, suffix in ENGINES.items():
        if name != first.name and suffix == ENGINES[first.name]:
            try:
                opened.append(open_engine(model, engine=name, threads=threads))
            except (MissingExtraError, ModelError):
                continue  # not installed, or the CPU can't
    return opened


def measure(
    made: Sequence[Case],
    seconds: float,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> None:
    """Run all cases in turn, round after round, for about so many seconds, at least three rounds after two to warm up.

    In turn, so that what else the machine does strikes all of them alike. progress: wraps the rounds.
    """
    rng = np.random.default_rng(0)
    images = {case.frame: rng.integers(0, 256, (*case.frame, 3), dtype=np.uint8) for case in made}

    def once() -> None:
        for case in made:
            time.sleep(PAUSE)
            case.run(images[case.frame])

    once()
    start = time.perf_counter()
    once()
    rounds = int(np.clip(seconds / (time.perf_counter() - start), FEWEST_ROUNDS, MOST_ROUNDS))
    for case in made:
        case.times.clear()
        case.cpu.clear()
    for _ in progress(range(rounds)):
        once()


def machine() -> dict[str, Any]:
    """The CPU's name, its cores, those that this process may use, the load before, and versions."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "packages": packages,
    }


def cpu_name() -> str:
    """The CPU's name as its maker writes it, where the system tells."""
    try:
        if platform.system() == "Darwin":
            return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, subprocess.SubprocessError):
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
