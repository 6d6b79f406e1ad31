"""Model cards: inside the packaged files, and as pages in docs/models, made from the mixture and the scores."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import onnx

from handseg.card import METADATA_KEY, ModelCard
from handseg.data import Mixture
from weights.score import table

MODELS = ("default", "nano", "default-int8", "nano-int8")
VERSIONS = {"default": "7", "nano": "5", "default-int8": "7", "nano-int8": "5"}
ROOT = Path(__file__).parents[1]
PACKAGED = ROOT / "src/handseg/weights"
PAGES = {"docs/models/default.md": ("default", "default-int8"), "docs/models/nano.md": ("nano", "nano-int8")}
NOTES = {
    "default": "For photos and video. Failures, terms and scores by set: docs/models/default.md.",
    "nano": "Small and fast, for browsers, phones and video. Failures, terms and scores by set: docs/models/nano.md.",
}


def package(mixture: Path, data: Path, made: Path, *, install: bool) -> None:
    """Write MADE/package/NAME.onnx, each with its card inside. install: also into src/handseg/weights."""
    (made / "package").mkdir(exist_ok=True)
    learned = training_data(mixture, data, made)
    for name in MODELS:
        scores = json.loads((made / "scores" / f"{name}.json").read_text())
        plain = name.removesuffix("-int8")
        values = {
            "name": plain,
            "version": VERSIONS[name],
            "training_data": [*learned, "ImageNet (encoder)", *(["imitates default"] if plain == "nano" else [])],
            "scores": {k: _short(v) for k, v in scores.items() if isinstance(v, dict) and "f1" in v and "test" in k},
            "notes": NOTES[plain] + (" In INT8: faster on CPUs with VNNI (since about 2019)." if name != plain else ""),
        }
        _write_with_card(made / f"{name}.onnx", values, made / "package" / f"{name}.onnx")
        if install:
            shutil.copy(made / "package" / f"{name}.onnx", PACKAGED / f"{name}.onnx")


def training_data(mixture: Path, data: Path, made: Path) -> list[str]:
    """A line for each source that is trained on: its name and number of images."""
    read = Mixture.load(mixture, {"data": data, "made": made}).read()
    trained = {*read.split.train}
    counts = {name: sum(s.name in trained for s in samples) for name, samples in read.sources.items()}
    return [f"{name}, {count} images" for name, count in counts.items() if count]


def write_pages(made: Path, *, install: bool) -> None:
    """The tables between `<!-- scores -->` and `<!-- end -->`, and `<!-- data -->` and `<!-- end -->`, of the pages.

    Written to MADE/pages; install: also in place.
    """
    (made / "pages").mkdir(exist_ok=True)
    for page, models in PAGES.items():
        results = [(name, json.loads((made / "scores" / f"{name}.json").read_text())) for name in models]
        text = filled((ROOT / page).read_text("utf-8"), {"scores": table(results), "data": data_table()})
        (made / "pages" / Path(page).name).write_text(text, "utf-8")
        if install:
            (ROOT / page).write_text(text, "utf-8")


def data_table() -> str:
    """Markdown: each source of the mixture, its share, and its terms."""
    rows = ["| source | share of the draws | labels | terms |", "| --- | ---: | --- | --- |"]
    for source in Mixture.load(ROOT / "weights/mixture.toml").sources:
        share = f"{source.share:.0%}" if source.share else "none: tested on"
        labels = {"labelled": source.policy, "no-hands": "no hands", "unlabelled": "none"}[source.role]
        rows.append(f"| {source.name} | {share} | {labels} | {source.terms} |")
    return "\n".join(rows)


def filled(page: str, parts: dict[str, str]) -> str:
    """A page with what stands between the markers `<!-- NAME -->` and `<!-- end -->` replaced."""
    for name, content in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        page = re.sub(pattern, lambda m, content=content: m[1] + content + m[2], page, flags=re.DOTALL)
    return page


def _write_with_card(source: Path, values: dict[str, Any], target: Path) -> None:
    """A copy of a model with other values in its card; its weights are the same bytes."""
    model = onnx.load(source)
    entry = next(p for p in model.metadata_props if p.key == METADATA_KEY)
    entry.value = ModelCard.from_json(entry.value, str(source)).extended(values, str(source)).to_json()
    onnx.save(model, target)


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    return {"pixel_f1": scores["f1"], "image_iou": scores["image_iou"], "images": scores["images"]}
