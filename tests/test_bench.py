"""The benchmark measures what a Segmenter does, for every combination that it is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import handseg
from handseg.bench import STAGES, cases, machine, measure
from handseg.cli import main
from handseg.errors import MissingExtraError, ModelError
from handseg.image import load_image

EXAMPLE = Path(__file__).parents[1] / "examples" / "hand.jpg"
SMALL = (96, 160)


def test_a_case_gives_the_segmenters_mask() -> None:
    (case,) = cases(["default"], ["onnxruntime"], [1], [SMALL])
    image = load_image(EXAMPLE)
    assert np.array_equal(case.run(image), handseg.load(threads=1)(image).mask)


def test_every_combination_is_measured_in_turn() -> None:
    made = cases(["default"], ["onnxruntime"], [1, 2], [SMALL, (50, 40)], [(64, 96), (96, 64)])
    assert len(made) == 8
    measure(made, 1e-6)
    for case in made:
        report = case.report()
        assert report["rounds"] == 3
        assert report["median_ms"] <= report["p95_ms"]
        assert list(report["stages_ms"]) == list(STAGES)
        assert all(0 <= ms < report["p95_ms"] for ms in report["stages_ms"].values())
    assert {(tuple(r["frame"]), tuple(r["input"]), r["threads"]) for r in (c.report() for c in made)} == {
        (frame, size, n) for frame in (SMALL, (50, 40)) for size in ((64, 96), (96, 64)) for n in (1, 2)
    }


def test_an_engine_that_is_not_there_is_left_out_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert [case.engine.name for case in cases(["default"], [], [1], [SMALL])] == ["onnxruntime"]
    with pytest.raises(MissingExtraError, match="openvino"):
        cases(["default"], ["openvino"], [1], [SMALL])
    with pytest.raises(ModelError, match="packaged are"):
        cases(["nothing"], [], [1], [SMALL])


def test_the_machine_is_named() -> None:
    here = machine()
    assert here["cpu"]
    assert 1 <= here["usable_cores"] <= here["cores"]
    assert here["packages"]["handseg"]


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    arguments = ["bench", "--engine", "onnxruntime", "--threads", "1", "--frame", "160x96", "--frame", "60x40"]
    result = CliRunner().invoke(main, [*arguments, "--seconds", "0.1", "--json", str(tmp_path / "bench.json")])
    assert result.exit_code == 0, result.output
    assert "160×96" in result.output
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [case["frame"] for case in written["cases"]] == [[96, 160], [40, 60]]
    assert written["machine"]["python"] in result.output


@pytest.mark.parametrize("size", ["160", "0x4", "axb"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    result = CliRunner().invoke(main, ["bench", "--frame", size])
    assert result.exit_code == 2
    assert "write it as 1280x720" in result.output
