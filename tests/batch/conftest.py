"""Small pictures, and a way to do a batch that says what became of each file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handseg.batch import plan_jobs, run_jobs
from handseg.inference.segmenter import Segmenter
from handseg.models import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "hand.jpg"


class Results(dict[str, list[str]]):
    """state → the names of the files; `messages`: all that was said."""

    def __init__(self) -> None:
        super().__init__(done=[], kept=[], failed=[])
        self.messages: list[str] = []


@pytest.fixture(scope="session")
def nano() -> Segmenter:
    return load("nano", threads=1)


@pytest.fixture
def predict(nano: Segmenter):
    """Do inputs as `handseg predict` does: predict(inputs, output, kinds, overwrite=…, segmenter=…) → Results."""

    def run(
        inputs: list[Path], output: Path, kinds: str = "mask", *, overwrite: bool = False, **settings: Any
    ) -> Results:
        segmenter = Segmenter(nano.engine, **settings) if settings else nano
        plan = plan_jobs(inputs, output, kinds.split(","), overwrite=overwrite)
        results = Results()
        results["failed"] = [""] * len(plan.failures)
        results.messages = [*plan.failures]
        for outcome in run_jobs(plan, segmenter, threads=1):
            results[outcome.state].append(outcome.source.name)
            results.messages += [outcome.message] if outcome.message else []
        return results

    return run


def picture(path: Path, width: int = 96) -> Path:
    """The example hand, as wide as asked for, whatever the file's suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(EXAMPLE) as image:
        image.resize((width, 64)).save(path, "PNG" if path.suffix == ".png" else "JPEG")
    return path


def pictures(folder: Path, *names: str) -> Path:
    """One picture of each name, each of another width."""
    for i, name in enumerate(names):
        picture(folder / name, 96 + 4 * i)
    return folder


def width(path: Path) -> int:
    with Image.open(path) as image:
        return image.width


def files(folder: Path) -> list[str]:
    """All files below a folder but the record."""
    found = [p for p in folder.rglob("*") if not p.is_dir() and p.name != ".handseg.jsonl"]
    return sorted(p.relative_to(folder).as_posix() for p in found)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def coco(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "annotations.json").read_text())
    return content


def is_rgb(path: Path) -> bool:
    with Image.open(path) as image:
        return np.asarray(image).ndim == 3
