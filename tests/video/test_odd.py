"""One call on a folder of odd and broken videos: each is done as far as it can be, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_predict import handseg
from tests.video.odd import FRAMES, ODD, make_all

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")


def test_each_is_done_as_far_as_it_can_be(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    make_all(folder)
    result = handseg("predict", *sorted(folder.iterdir()), "-o", out, "-m", "nano")
    assert result.returncode == 1
    said = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for name, (what, _, frames) in ODD.items():
        done = len(list((out / Path(name).stem).glob("*.png"))) + len(list((out / name).glob("*.png")))
        errors = [line for line in said if f"{folder / name}: " in line]
        if frames is None:
            assert (done, errors) == (FRAMES, []), what
        elif frames > 0:
            assert (done, errors) == (frames, []), what
        elif frames == 0:
            assert (done, len(errors)) == (0, 1), what
        else:  # damaged: a part of it
            assert 10 < done < 60, what
            assert len(errors) == 1, what
    assert len(said) == sum(frames is not None and frames < 1 for _, _, frames in ODD.values())
