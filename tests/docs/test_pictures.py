"""The pictures in docs are what the packaged model makes today; `make docs-outputs` makes them anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.pictures import FOLDER, make_pictures


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    make_pictures(folder)
    return folder


def test_pictures_are_those_of_today(made: Path) -> None:
    for path in sorted(made.iterdir()):
        with Image.open(FOLDER / path.name) as kept, Image.open(path) as new:
            assert kept.size == new.size, path.name
            old, now = (np.asarray(picture.convert("RGBA"), np.float32) for picture in (kept, new))
        assert np.abs(old - now).mean() < 1, f"{path.name} is of another model; `make docs-outputs` makes it anew"
