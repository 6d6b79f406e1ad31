"""The page's choice of regions beside Python's; Node.js is enough for that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from handseg.masks.result import HandMask

WEB = Path(__file__).parents[2] / "web"
SCRIPT = """
import { readFileSync, writeFileSync } from 'node:fs';
const { findHands } = await import(process.argv[1]);
const file = readFileSync(process.argv[2]);
const masks = [];
for (let at = 0; at < file.length; ) {
  const [width, height] = new Uint32Array(file.buffer.slice(file.byteOffset + at, file.byteOffset + at + 8));
  const start = file.byteOffset + at + 8;
  const probability = new Float32Array(file.buffer.slice(start, start + 4 * width * height));
  masks.push(findHands(probability, width, height, 0.6).mask);
  at += 8 + 4 * width * height;
}
writeFileSync(process.argv[3], Buffer.concat(masks));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on this machine")
def test_the_same_regions_are_hands(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = [(1, 1, 1), (9, 14, 6), (30, 20, 3)]
    pictures = [rng.random((h, w)).repeat(size, 0).repeat(size, 1) for h, w, size in sizes]
    shifted = [np.roll(rng.random((90, 120)), (y, x), (0, 1)) for y in range(-4, 5) for x in range(-4, 5)]
    pictures.append(np.mean(shifted, axis=0) * 1.15)
    smooth = rng.random((90, 120))
    for _ in range(3):
        smooth = np.mean([np.roll(smooth, (y, x), (0, 1)) for y in (-3, 0, 3) for x in (-2, 0, 2)], axis=0)
    pictures.append((smooth - smooth.min()) / np.ptp(smooth) * 1.1)
    probabilities = [picture.clip(0, 1).astype(np.float32) for picture in pictures]
    content = b"".join(np.array(p.shape[::-1], np.uint32).tobytes() + p.tobytes() for p in probabilities)
    (tmp_path / "probabilities").write_bytes(content)
    module = (WEB / "handseg/regions.js").as_uri()
    command = ["node", "--input-type=module", "-e", SCRIPT, module, tmp_path / "probabilities", tmp_path / "masks"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    masks = np.frombuffer((tmp_path / "masks").read_bytes(), np.uint8)
    left_out = 0
    for probability in probabilities:
        mask, masks = masks[: probability.size].reshape(probability.shape), masks[probability.size :]
        assert np.array_equal(mask, HandMask(probability, 0.6).mask)
        left_out += np.count_nonzero(probability >= 0.6) - np.count_nonzero(mask)
    assert not len(masks)
    assert left_out > 0
