"""The stages from public inputs to the packaged models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weights.cards import MODELS, package, write_pages
from weights.pipeline import Stage
from weights.score import score_models

HERE = Path(__file__).parent
MIXTURE = HERE / "mixture.toml"
MEDIAPIPE = "mediapipe==0.10.21"  # Apache-2.0; in an environment of its own, since it needs older packages than handseg
ARMS = ("utg", "yhg", "hgr", "hgr_more")  # folders whose labels include the forearm
THRESHOLD = "0.6"  # chosen on the validation side: docs/results/masks.md
QUICK = ("run.epochs=1", "run.draws=16", "run.batch_size=4", "run.validate_every=1", "optimizer.warmup=2")
QUICK_LIMIT = "4"  # images of each source and side

TARGETS = {
    "all": ("pages",),
    "default": ("default",),
    "nano": ("nano",),
    "int8": ("default-int8", "nano-int8"),
    "cards": ("pages",),
}


@dataclass(frozen=True)
class Place:
    """data: the folder of labelled images. made: where everything goes. quick: a handful of images and steps."""

    data: Path
    made: Path
    quick: bool = False

    def handseg(self, *arguments: object) -> None:
        run([sys.executable, "-m", "handseg", *map(str, arguments)])

    def train(self, folder: str, recipe: Path, *more: object) -> None:
        """A training run, gone on with where it was interrupted."""
        out = self.made / folder
        places = ("--root", f"data={self.data}", "--root", f"made={self.made}")
        less = ("--limit", QUICK_LIMIT, *(part for one in QUICK for part in ("--set", one))) if self.quick else ()
        resume = ("--resume",) if (out / "last.ckpt").is_file() else ()
        self.handseg("train", "--mixture", MIXTURE, *places, *less, "--recipe", recipe, "-o", out, *more, *resume)

    def export(self, folder: str, model: str) -> None:
        target = self.made / f"{model}.onnx"
        self.handseg("export", self.made / folder, "-o", target, "--half", "--threshold", THRESHOLD)

    def quantise(self, model: str) -> None:
        """In INT8, calibrated and judged on photos of everyday life that were trained on."""
        target = self.made / f"{model}-int8.onnx"
        if self.quick:  # its own model finds no hand, by which nothing can be judged: the packaged one stands in
            self.handseg("export", model, "-o", target, "--int8", "--calibrate", self.data / "everyday")
            return
        source, split = self.made / f"{model}.onnx", self.made / "base/split.json"
        self.handseg("export", source, "-o", target, "--int8", "--calibrate", self.data / "everyday", "--split", split)


def stages(place: Place) -> list[Stage]:
    """All of them, in an order in which they can be run."""
    made = place.made
    settings = ("quick",) if place.quick else ()
    recipes = {name: HERE / f"{name}.toml" for name in ("base", "settle", "longer", "hand_classes")}
    recipes["nano"] = HERE.parent / "src/handseg/training/recipes/nano.toml"
    own = (HERE / "stages.py",)

    def stage(
        name: str, makes: Sequence[str], does: Callable[[], None], takes: str, needs: str = "", *reads: Path
    ) -> Stage:
        paths = tuple(made / path for path in makes)
        return Stage(name, paths, does, tuple(needs.split()), reads, settings, takes)

    return [
        stage("background", ["background"], lambda: _background(place), "1 minute; npm", "", HERE / "background.txt"),
        stage(
            "landmarks",
            ["landmarks.json"],
            lambda: _landmarks(place),
            "3 minutes; PyPI",
            "",
            HERE / "collect_landmarks.py",
        ),
        stage(
            "base",
            ["base/last.ckpt"],
            lambda: place.train("base", recipes["base"]),
            "1 hour on two cores with AMX",
            "background landmarks",
            recipes["base"],
            MIXTURE,
        ),
        stage(
            "settle",
            ["settle/last.ckpt"],
            lambda: place.train("settle", recipes["settle"], "--init", made / "base/last.ckpt"),
            "2 hours on two cores with AMX",
            "base",
            recipes["settle"],
            recipes["base"],
            MIXTURE,
        ),
        stage(
            "longer",
            ["longer/last.ckpt"],
            lambda: place.train("longer", recipes["longer"], "--init", made / "settle/last.ckpt"),
            "3 hours on two cores with AMX",
            "settle",
            recipes["longer"],
            recipes["settle"],
            recipes["base"],
            MIXTURE,
        ),
        stage(
            "hand-classes",
            ["hand-classes/last.ckpt"],
            lambda: place.train(
                "hand-classes", recipes["hand_classes"], "--only", "EgoHands", "--init", made / "longer/last.ckpt"
            ),
            "6 minutes on two cores",
            "longer",
            recipes["hand_classes"],
            MIXTURE,
        ),
        stage(
            "default", ["default.onnx"], lambda: place.export("hand-classes", "default"), "10 s", "hand-classes", *own
        ),
        stage(
            "distil",
            ["distil/last.ckpt"],
            lambda: place.train(
                "distil", recipes["nano"], "--init", made / "default.onnx", "--teacher", made / "default.onnx"
            ),
            "50 minutes on two cores",
            "default",
            recipes["nano"],
            MIXTURE,
        ),
        stage("nano", ["nano.onnx"], lambda: place.export("distil", "nano"), "10 s", "distil", *own),
        stage("default-int8", ["default-int8.onnx"], lambda: place.quantise("default"), "2 minutes", "default", *own),
        stage("nano-int8", ["nano-int8.onnx"], lambda: place.quantise("nano"), "1 minute", "nano", *own),
        stage(
            "scores",
            ["scores"],
            lambda: score_models(MIXTURE, place.data, made, MODELS, limit=int(QUICK_LIMIT) if place.quick else 0),
            "12 minutes on two cores",
            " ".join(MODELS),
            HERE / "score.py",
            HERE / "forearms.json",
            MIXTURE,
        ),
        stage(
            "package",
            ["package"],
            lambda: package(MIXTURE, place.data, made, install=not place.quick),
            "10 s",
            "scores",
            HERE / "cards.py",
        ),
        stage(
            "pages", ["pages"], lambda: write_pages(made, install=not place.quick), "1 s", "package", HERE / "cards.py"
        ),
    ]


def run(command: Sequence[str]) -> None:
    """Raises CalledProcessError when it fails; it has then said why."""
    subprocess.run(command, check=True)


def _background(place: Place) -> None:
    limit = ("--packages", "1") if place.quick else ()
    run(
        [
            sys.executable,
            str(HERE / "collect_photos.py"),
            str(HERE / "background.txt"),
            str(place.made / "background"),
            *limit,
        ]
    )


def _landmarks(place: Place) -> None:
    environment = place.made / "mediapipe-env"
    python = environment / "bin/python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(environment)])
        run([str(python), "-m", "pip", "install", "--quiet", MEDIAPIPE])
    every = ("--every", "40") if place.quick else ()
    folders = [str(place.data / name) for name in ARMS]
    run([str(python), str(HERE / "collect_landmarks.py"), str(place.made / "landmarks.json"), *folders, *every])
