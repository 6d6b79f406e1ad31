"""What a whole `handseg predict` of one large photo holds at most."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "hand.jpg"
SIZE = (2880, 1920)
PER_PIXEL = 18.5  # bytes; at 48 megapixels and 110 MB for Python and the network that is 1 GB


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="asks the system for a process's peak")
def test_all_pictures_of_a_large_photo(tmp_path: Path) -> None:
    with Image.open(EXAMPLE) as image:
        image.resize(SIZE).save(tmp_path / "a.jpg", progressive=True, subsampling=0)

    def peak(path: Path) -> int:
        """Bytes."""
        command = [sys.executable, "-m", "handseg", "predict", str(path), "-o", str(tmp_path / "out"), "-m", "nano"]
        command += ["--threads", "1", "--save", "mask,overlay,cutout,matte,heatmap,blur"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    more = peak(tmp_path / "a.jpg") - peak(EXAMPLE)
    with Image.open(EXAMPLE) as image:
        pixels = SIZE[0] * SIZE[1] - image.width * image.height
    assert more < PER_PIXEL * pixels
