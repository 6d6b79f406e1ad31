from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from handseg.data import read_dataset
from handseg.evaluation import evaluate
from handseg.evaluation.page import write_page
from handseg.image import save_png
from handseg.inference.segmenter import Segmenter
from tests.evaluation.test_evaluate import RednessEngine


class Cells(HTMLParser):
    """The text of every table cell; fails on tags that don't nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_the_page_holds_every_score_and_needs_nothing_else(dataset: Path, tmp_path: Path) -> None:
    result = evaluate(Segmenter(RednessEngine()), read_dataset(dataset)).report("<model> & co")
    result["corruptions"] = {"image_iou": {"fog": [0.9, 0.8, 0.7, 0.6, 0.123]}, "mean_relative_drop": 0.2}
    save_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    write_page(result, [(tmp_path / "a.png", 'A "picture"')], tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    parser = Cells()
    parser.feed(page)
    assert not parser.open
    for value in (result["pixel"]["f1"], result["boundary"]["iou"], result["calibration"]["ece"], 0.123):
        assert f"{value:.3f}" in parser.cells
    assert "fog" in parser.cells
    assert "&lt;model&gt; &amp; co" in page
    assert not re.findall(r"https?://|src=\"(?!data:)", page)
