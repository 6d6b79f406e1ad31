"""What a training shows while it runs: a bar, a line an epoch, pictures, and other loggers' files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")

from handseg.errors import MissingExtraError
from handseg.image import load_image
from handseg.training.fit import fit
from handseg.training.loggers import open_loggers
from tests.training.test_fit import OPTIONS, TINY, sides

__all__ = ["sides"]


def test_a_bar_with_time_left_lines_and_pictures(sides, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(TINY, run=replace(TINY.run, epochs=3, validate_every=2))
    fit(recipe, *sides, tmp_path / "run", replace(OPTIONS, progress=True))
    said = capsys.readouterr().err
    lines = re.findall(r"epoch [123]/3  .*left", said)
    assert len(lines) == 3
    assert ["val loss" in line for line in lines] == [False, True, True]  # the last epoch always is
    assert re.search(r"epoch \d/3 +\d+% \|.*\| \d\d:\d\d, [\d?:]+ left, loss \d\.\d+", said)
    pictures = tmp_path / "run" / "pictures"
    assert sorted(path.name for path in pictures.iterdir()) == ["epoch_002.jpg", "epoch_003.jpg", "training.jpg"]
    picture = load_image(pictures / "epoch_003.jpg").astype(int)
    green = (picture[..., 1] - picture[..., [0, 2]].max(2)) > 60  # outlines of what is found
    blue = (picture[..., 2] - picture[..., [0, 1]].max(2)) > 60  # or missed
    assert (green | blue).any()


@pytest.mark.filterwarnings("default")  # theirs, of the packages that they are made of
@pytest.mark.parametrize(
    ("name", "file"), [("tensorboard", "events.out*"), ("wandb", "*.wandb"), ("mlflow", "mlflow.db")]
)
def test_figures_go_to_other_loggers(
    name: str, file: str, sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name, reason=f"{name} isn't installed: handseg[{name}]")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = replace(TINY, run=replace(TINY.run, epochs=1))
    fit(recipe, *sides, tmp_path / "run", replace(OPTIONS, loggers=(name,)))
    assert list((tmp_path / "run").rglob(file))


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_logger_that_is_not_installed_is_named(name: str, tmp_path: Path) -> None:
    try:
        __import__(name)
    except ImportError:
        with pytest.raises(MissingExtraError, match=rf"pip install 'handseg\[{name}\]'"):
            open_loggers([name], tmp_path)
    else:
        pytest.skip(f"{name} is installed")
